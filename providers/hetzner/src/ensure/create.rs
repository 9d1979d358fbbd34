//! Making a resource once, whatever becomes of the answer.

use std::time::Duration;

use serde::Serialize;

use crate::client::Created;
use crate::client::error::{ClientError, ErrorCode};
use crate::client::model::{Labels, Resource};
use crate::ensure::{PATIENCE, Work, failed};
use crate::error::HetznerError;
use crate::intents::Intent;
use crate::owner;
use crate::plan::step::Kind;

/// How often a create is sent whose outcome is not known and that did not happen.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(3);

/// A resource that was made now, or by a call whose answer was lost.
pub(super) enum Made<T> {
    Answered(Created<T>),
    /// What the lost call set going is not known.
    Found(T),
}

impl Work<'_> {
    /// Creates a resource and waits until it is there.
    pub(super) async fn create<T: Resource>(
        &self,
        kind: Kind,
        name: &str,
        labels: &Labels,
        request: &(impl Serialize + Sync),
    ) -> Result<T, HetznerError> {
        let doing = format!("creating {} `{name}`", kind.word());
        let resource: T = match self.create_once(kind, name, labels, request).await? {
            Ok(Made::Answered(created)) => {
                let waited = self.poller.wait(&created.actions, PATIENCE).await;
                waited.map_err(failed(&doing))?;
                created.resource
            }
            Ok(Made::Found(resource)) => resource,
            Err(error) => return Err(failed(&doing)(error)),
        };
        self.learn(kind, name, resource.id());
        Ok(resource)
    }

    /// Sends a create, and where its outcome is not known looks before it is sent again. What is found under the name is taken only if it
    /// carries the labels that were asked for: the owner's, and for a server the digest of what it is made from.
    ///
    /// The inner error is the API's, after which nothing was made.
    pub(super) async fn create_once<T: Resource>(
        &self,
        kind: Kind,
        name: &str,
        labels: &Labels,
        request: &(impl Serialize + Sync),
    ) -> Result<Result<Made<T>, ClientError>, HetznerError> {
        let intent = Intent { kind, name: name.to_owned() };
        self.state.intents.begin(&intent).map_err(HetznerError::Intents)?;
        let mut tries = 1;
        let end = loop {
            let error = match self.client.create::<T>(request).await {
                Ok(created) => break Ok(Made::Answered(created)),
                Err(error) if error.is_undone() && error.code() != Some(&ErrorCode::UniquenessError) => {
                    break Err(error);
                }
                Err(error) => error,
            };
            let found = self.client.find::<T>(name).await;
            match found.map_err(failed(&format!("looking for {} `{name}`", kind.word())))? {
                Some(found) if is_the_one(&found, labels) => break Ok(Made::Found(found)),
                Some(_) => return Err(HetznerError::Foreign { kind: kind.word(), name: name.to_owned() }),
                None if tries < TRIES => tries += 1,
                None => break Err(error),
            }
            self.client.clock().sleep(PAUSE).await;
        };
        self.state.intents.end(&intent).map_err(HetznerError::Intents)?;
        Ok(end)
    }
}

fn is_the_one(found: &impl Resource, wanted: &Labels) -> bool {
    [owner::OWNER, owner::MADE_FROM].iter().all(|key| found.labels().get(*key) == wanted.get(*key))
}
