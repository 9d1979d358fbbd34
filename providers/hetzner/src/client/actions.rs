//! Waiting for what calls have set going.
//!
//! As hcloud-go does: all of them in batches of 25, and one that the API no longer knows is an error. Unlike it the pace slackens: most actions
//! end within seconds, and what takes a minute need not be asked for every half second.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::client::Client;
use crate::client::error::{ClientError, ErrorCode};
use crate::client::model::{Action, ActionStatus};

/// How many are asked for in one call.
const BATCH: usize = 25;

/// How each of some actions ended, by its number.
pub type Ended = BTreeMap<u64, Result<(), ClientError>>;

#[derive(Deserialize)]
struct Page {
    actions: Vec<Action>,
}

impl Client {
    /// Waits until all have ended. Those that have not by `patience` are lost.
    pub async fn wait(&self, actions: &[Action], patience: Duration) -> Result<Ended, ClientError> {
        let mut ended = Ended::new();
        let mut open: Vec<u64> = actions.iter().filter_map(|action| settle(action, &mut ended)).collect();
        let start = self.clock().now();
        while !open.is_empty() {
            let waited = self.clock().now().saturating_sub(start);
            if waited > patience {
                ended.extend(open.iter().map(|&id| (id, Err(ClientError::ActionLost { id }))));
                break;
            }
            self.clock().sleep(pace(waited)).await;
            open = self.look(open, &mut ended).await?;
        }
        Ok(ended)
    }

    /// Asks once for all that are open, and answers which still are.
    async fn look(&self, mut open: Vec<u64>, ended: &mut Ended) -> Result<Vec<u64>, ClientError> {
        open.sort_unstable();
        open.dedup();
        let mut still = Vec::new();
        for batch in open.chunks(BATCH) {
            let query: Vec<String> = batch.iter().map(|id| format!("id={id}")).collect();
            let path = format!("/actions?{}&per_page=50", query.join("&"));
            let page: Page = self.get(&path).await?;
            let known: BTreeMap<u64, Action> =
                page.actions.into_iter().map(|action| (action.id, action)).collect();
            for &id in batch {
                match known.get(&id) {
                    Some(action) => still.extend(settle(action, ended)),
                    None => {
                        ended.insert(id, Err(ClientError::ActionLost { id }));
                    }
                }
            }
        }
        Ok(still)
    }
}

/// Notes how an action ended, or answers with its number.
fn settle(action: &Action, ended: &mut Ended) -> Option<u64> {
    let result = match action.status {
        ActionStatus::Running => return Some(action.id),
        ActionStatus::Success => Ok(()),
        ActionStatus::Error => Err(failure(action)),
    };
    ended.insert(action.id, result);
    None
}

fn failure(action: &Action) -> ClientError {
    let error = action.error.clone().unwrap_or_default();
    ClientError::ActionFailed {
        command: action.command.clone(),
        code: ErrorCode::from(error.code),
        message: error.message,
    }
}

/// How long to wait for the next look, after having waited so long.
fn pace(waited: Duration) -> Duration {
    match waited.as_secs() {
        0..5 => Duration::from_millis(500),
        5..30 => Duration::from_secs(1),
        _ => Duration::from_secs(2),
    }
}
