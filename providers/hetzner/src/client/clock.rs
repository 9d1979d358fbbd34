//! Time as the client lives through it, so that tests can let hours pass.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

/// What the client asks for the time, and waits by.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time since a moment that stays the same while the program runs.
    fn now(&self) -> Duration;

    /// Comes back once so much time has passed.
    async fn sleep(&self, time: Duration);
}

/// The time of the machine.
#[derive(Debug)]
pub struct MachineClock(Instant);

impl Default for MachineClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for MachineClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
