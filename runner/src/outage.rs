//! What happens when a cluster that was written to does not answer: it is waited for, in the run's hands and with its lease.
//!
//! A run that has not written yet is parked and tried again. One that has may not be: half of a release would stay, and to give it up at once
//! would roll a good release back, or call an environment stuck, because its control plane restarted.

use futures::future::BoxFuture;
use jiff::SignedDuration;
use windlass_core::failure::{OUTAGE_PATIENCE, OUTAGE_RETRIES};
use windlass_core::run::{RunState, Stage};

use crate::run::Run;
use crate::stop::{Cause, Stop};

impl Run {
    /// Whether objects may have been written in this pass of the run.
    fn may_have_written(&self) -> bool {
        self.has_written || matches!(self.row().state, RunState::At(stage) if stage > Stage::Apply)
    }

    /// Performs an effect, and performs it again while all that is wrong is that the cluster does not answer, after objects were written.
    /// What else goes wrong after that is a failed release.
    ///
    /// The effect must be safe to repeat. An outage that outlasts [`OUTAGE_PATIENCE`] fails the release.
    pub async fn through_outages<T, Effect>(&mut self, mut effect: Effect) -> Result<T, Stop>
    where
        Effect: for<'run> FnMut(&'run mut Self) -> BoxFuture<'run, Result<T, Stop>> + Send,
    {
        let began = self.engine.now();
        let mut failed = 0;
        loop {
            let cause = match effect(self).await {
                Err(Stop::Later(cause)) if self.may_have_written() => cause,
                Err(Stop::Refuse(cause)) if self.may_have_written() => return Err(Stop::Fail(cause.into())),
                ended => return ended,
            };
            failed += 1;
            let silent_for = self.engine.now().duration_since(began);
            if silent_for >= SignedDuration::try_from(OUTAGE_PATIENCE).expect("half an hour is a duration") {
                return Err(Stop::Fail(cause.into()));
            }
            self.wait_for_cluster(&cause, failed).await;
        }
    }

    async fn wait_for_cluster(&self, cause: &Cause, failed: u32) {
        let wait = OUTAGE_RETRIES.wait_after(failed, self.engine.jitter()).unwrap_or(OUTAGE_RETRIES.cap);
        tracing::warn!(run = %self.id(), %failed, ?wait, "the cluster does not answer: {}", cause.text);
        let line = cause.text.lines().next().unwrap_or_default();
        self.engine.announce(self.id(), Some(format!("the cluster to answer: {line}")));
        tokio::time::sleep(wait).await;
    }
}
