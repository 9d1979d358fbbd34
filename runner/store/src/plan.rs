//! Planning: an event becomes runs, and newer runs take the place of older ones.

use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;
use windlass_core::name::{Commit, EnvironmentName, RunId, ServiceName};
use windlass_core::run::{Outcome, RunState, Step, Trigger};

use crate::audit::{self, NewEntry, RUNNER};
use crate::cells::{integer, micros, word};
use crate::edit::Edit;
use crate::environment;
use crate::error::StoreError;
use crate::inbox::{InboxId, mark_planned};
use crate::kill::Operation;
use crate::run::{Reason, RunRow, WindowOverride, find, read_run};
use crate::store::Store;

/// A run to be made of an event. An event makes one run per environment; a repetition has its own `replay` number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Where it deploys to.
    pub environment: EnvironmentName,
    /// Zero, or which repetition of the event's run it is.
    pub replay: u32,
    /// Why it exists.
    pub trigger: Trigger,
    /// What it deploys.
    pub commit: Commit,
    /// The ref within the environment.
    pub lane: String,
    /// Who asked, as verified.
    pub requester: String,
    /// The services it is limited to; empty for all.
    pub services: Vec<ServiceName>,
    /// The run whose release it returns to.
    pub rollback_to: Option<RunId>,
    /// Leave to pass a closed window.
    pub window_override: Option<WindowOverride>,
    /// What people read.
    pub subject: String,
    /// W3C trace context of the event.
    pub traceparent: Option<String>,
}

const INSERT: &str = "INSERT INTO runs
    (event, environment, replay, trigger, commit_id, lane, requester, services, rollback_to,
     override_by, override_reason, subject, traceparent, created_at, updated_at, state, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?15, 0)
    ON CONFLICT (event, environment, replay) DO NOTHING RETURNING id";
const OF_KEY: &str = "SELECT * FROM runs WHERE event = ?1 AND environment = ?2 AND replay = ?3";
/// The literal states and trigger are those of the index `runs_lane`.
const OLDER_OF_LANE: &str = "SELECT id FROM runs WHERE environment = ?1 AND lane = ?2 AND id < ?3
    AND state IN ('queued', 'held', 'ready', 'gate', 'render') AND trigger = 'automatic' ORDER BY id";

impl Store {
    /// Makes the runs of an event, in one transaction with marking the event as planned. Planning again answers the same runs.
    ///
    /// A new automatic run supersedes older automatic runs of its lane that have not begun to touch the cluster, parked ones included.
    /// What a person asked for, runs and rollbacks, is never superseded and supersedes nothing.
    pub async fn plan(
        &self,
        inbox: InboxId,
        runs: &[NewRun],
        now: Timestamp,
    ) -> Result<Vec<RunRow>, StoreError> {
        let mut writing = self.write().await?;
        mark_planned(&mut writing, inbox).await?;
        let mut planned = Vec::with_capacity(runs.len());
        for run in runs {
            environment::ensure(&mut writing, &run.environment).await?;
            planned.push(match insert(&mut writing, inbox, run, now).await? {
                Some(id) => self.settle_in(&mut writing, id, now).await?,
                None => existing(&mut writing, inbox, run).await?,
            });
        }
        self.commit(writing, &[Operation::Plan]).await?;
        Ok(planned)
    }

    /// Gives a new run its place in the audit log and in its lane.
    async fn settle_in(
        &self,
        connection: &mut SqliteConnection,
        id: RunId,
        now: Timestamp,
    ) -> Result<RunRow, StoreError> {
        let run = find(connection, id).await?;
        let entry = NewEntry {
            actor: run.requester.clone(),
            action: "plan".to_owned(),
            run: Some(id),
            detail: json!({ "event": run.event, "commit": run.commit, "lane": run.lane, "trigger": run.trigger }),
        };
        audit::append(connection, self.key(), &run.environment, &[entry], now).await?;
        if run.trigger == Trigger::Automatic {
            self.supersede_older(connection, &run, now).await?;
        }
        Ok(run)
    }

    async fn supersede_older(
        &self,
        connection: &mut SqliteConnection,
        newer: &RunRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let query = sqlx::query_scalar::<_, u64>(OLDER_OF_LANE)
            .bind(newer.environment.as_str())
            .bind(&newer.lane)
            .bind(integer(newer.id.0));
        for id in query.fetch_all(&mut *connection).await? {
            let mut edit = Edit::of(connection, RunId(id), now).await?;
            if edit.run.state.after(Step::End(Outcome::Superseded)).is_err() {
                continue;
            }
            let reason = Reason::new("superseded", format!("run {} of the same ref is newer", newer.id));
            edit.run.superseded_by = Some(newer.id);
            edit.end(Outcome::Superseded, reason, RUNNER)?;
            edit.save(connection, self.key()).await?;
        }
        Ok(())
    }
}

/// Inserts a run unless its event has one for the environment already.
async fn insert(
    connection: &mut SqliteConnection,
    inbox: InboxId,
    run: &NewRun,
    now: Timestamp,
) -> Result<Option<RunId>, StoreError> {
    let services = serde_json::to_string(&run.services).expect("names are text");
    let id: Option<u64> = sqlx::query_scalar(INSERT)
        .bind(integer(inbox.0))
        .bind(run.environment.as_str())
        .bind(run.replay)
        .bind(word(&run.trigger))
        .bind(run.commit.as_str())
        .bind(&run.lane)
        .bind(&run.requester)
        .bind(services)
        .bind(run.rollback_to.map(|run| integer(run.0)))
        .bind(run.window_override.as_ref().map(|given| &given.by))
        .bind(run.window_override.as_ref().map(|given| &given.reason))
        .bind(&run.subject)
        .bind(&run.traceparent)
        .bind(micros(now))
        .bind(RunState::Queued.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(id.map(RunId))
}

async fn existing(
    connection: &mut SqliteConnection,
    inbox: InboxId,
    run: &NewRun,
) -> Result<RunRow, StoreError> {
    let query = sqlx::query(OF_KEY).bind(integer(inbox.0)).bind(run.environment.as_str()).bind(run.replay);
    read_run(&query.fetch_one(connection).await?)
}
