//! When to try again while a broker is away.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::AmqpError;

/// The wait after the first failure; each further one doubles it.
const FIRST: Duration = Duration::from_millis(100);

/// The longest wait: who mends a broker should not have to wait for windlass afterwards.
const LONGEST: Duration = Duration::from_secs(10);

/// The time without a session, from the first failure to the next success.
#[derive(Debug)]
pub(crate) struct Outage {
    began: Instant,
    tries: u32,
    /// Not before then.
    pub(crate) next: Instant,
    /// Why the last try failed.
    pub(crate) error: Arc<AmqpError>,
}

impl Outage {
    /// The first failure.
    pub(crate) fn begin(error: Arc<AmqpError>, now: Instant) -> Self {
        Self { began: now, tries: 1, next: now + wait(1, spread()), error }
    }

    /// One more failure.
    pub(crate) fn again(&mut self, error: Arc<AmqpError>, now: Instant) {
        self.tries += 1;
        self.next = now + wait(self.tries, spread());
        self.error = error;
    }

    /// For the line that ends it.
    pub(crate) fn lasted(&self, now: Instant) -> (Duration, u32) {
        (now - self.began, self.tries)
    }
}

/// The wait after so many tries. `spread` in 0..1 takes up to a fifth off, so that runners do not return in step.
fn wait(tries: u32, spread: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
    doubled.mul_f64(1.0 - spread / 5.0)
}

/// A number in 0..1 from the keys that the standard library draws for its maps.
fn spread() -> f64 {
    f64::from(u16::try_from(RandomState::new().hash_one(0) >> 48).expect("sixteen bits are left")) / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits: Vec<_> = (1..=9).map(|tries| wait(tries, 0.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(wait(u32::MAX, 0.0), LONGEST);
        assert_eq!(wait(1, 1.0), Duration::from_millis(80));
    }

    #[test]
    fn the_spread_is_within_its_bounds() {
        let drawn: Vec<_> = (0..100).map(|_| spread()).collect();
        assert!(drawn.iter().all(|spread| (0.0..1.0).contains(spread)), "{drawn:?}");
        assert!(drawn.iter().any(|spread| spread.to_bits() != drawn[0].to_bits()), "{drawn:?}");
    }
}
