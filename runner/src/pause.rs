//! What a server does while its store fails, because the disk is full or gone: it waits, takes nothing and loses nothing.

use std::time::Duration;

use windlass_store::StoreError;

use crate::engine::Engine;
use crate::stop::chain;

/// The first wait and the longest. Each is twice the one before.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The tries of one thing that needs the store.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    next: Option<Duration>,
}

impl Pause {
    /// Waits after a try that failed. The first is told in the log, and `/readyz` says so until one succeeds.
    pub(crate) async fn after(&mut self, engine: &Engine, error: &StoreError) {
        let [first, longest] = WAITS;
        if self.next.is_none() {
            tracing::error!(error = %chain(error), "the store fails: nothing is taken until it works again");
        }
        engine.tell_store(false);
        let wait = self.next.unwrap_or(first);
        tokio::time::sleep(wait).await;
        self.next = Some((wait * 2).min(longest));
    }

    /// After a try that succeeded.
    pub(crate) fn is_over(&mut self, engine: &Engine) {
        if self.next.take().is_some() {
            tracing::info!("the store works again");
            engine.tell_store(true);
        }
    }
}
