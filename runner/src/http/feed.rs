//! Tells those who follow runs that it is worth looking: one watcher of the store for all of them, and none while nobody follows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use windlass_store::{Seen, Store};

/// The longest time between two looks, in case a change was missed.
const LOOK: Duration = Duration::from_secs(5);

/// After the store did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// A watcher of the store.
#[derive(Debug)]
pub(super) struct Feed {
    ticks: Arc<watch::Sender<u64>>,
    wanted: Arc<Notify>,
    watcher: JoinHandle<()>,
}

impl Feed {
    /// Starts watching, as soon as anybody follows.
    pub(super) fn start(store: Store) -> Self {
        let (ticks, wanted) = (Arc::new(watch::Sender::new(0)), Arc::new(Notify::new()));
        let watcher = tokio::spawn(watch_store(store, Arc::clone(&ticks), Arc::clone(&wanted)));
        Self { ticks, wanted, watcher }
    }

    /// Follows: the value changes when something may have changed. What was not seen in between is one change.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        let ticks = self.ticks.subscribe();
        self.wanted.notify_one();
        ticks
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

async fn watch_store(store: Store, ticks: Arc<watch::Sender<u64>>, wanted: Arc<Notify>) {
    let mut seen = Seen::default();
    loop {
        while ticks.is_closed() {
            wanted.notified().await;
        }
        if let Err(error) = store.changed(&mut seen, LOOK).await {
            tracing::warn!(error = %crate::stop::chain(&error), "the store cannot be watched");
            tokio::time::sleep(PAUSE).await;
        }
        ticks.send_modify(|count| *count += 1);
    }
}
