//! How long a cluster was out of sight.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The times in which at least one of several watches was cut off.
#[derive(Debug, Default)]
pub(crate) struct Outages(Mutex<Sum>);

/// A watch that is cut off, until this is dropped.
#[derive(Debug)]
pub(crate) struct Gap(Arc<Outages>);

impl Outages {
    /// Begins a gap.
    pub(crate) fn open(outages: &Arc<Outages>) -> Gap {
        outages.change(|sum| sum.open(Instant::now()));
        Gap(Arc::clone(outages))
    }

    /// Whether a gap is open.
    pub(crate) fn is_open(&self) -> bool {
        self.change(|sum| sum.since.is_some())
    }

    /// How long there were gaps so far.
    pub(crate) fn total(&self) -> Duration {
        self.change(|sum| sum.total(Instant::now()))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Sum) -> T) -> T {
        // A sum is whole between any two statements, whoever panicked.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Gap {
    fn drop(&mut self) {
        self.0.change(|sum| sum.close(Instant::now()));
    }
}

/// Gaps added up, those that overlap once.
#[derive(Debug, Default)]
struct Sum {
    open: usize,
    /// Since when there is an open gap.
    since: Option<Instant>,
    /// What is over.
    past: Duration,
}

impl Sum {
    fn open(&mut self, now: Instant) {
        self.open += 1;
        self.since.get_or_insert(now);
    }

    fn close(&mut self, now: Instant) {
        self.open -= 1;
        if self.open == 0 {
            self.past = self.total(now);
            self.since = None;
        }
    }

    fn total(&self, now: Instant) -> Duration {
        self.past + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_overlap_count_once_and_an_open_one_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sum = Sum::default();
        sum.open(at(0));
        sum.open(at(2));
        sum.close(at(3));
        assert_eq!(sum.total(at(4)), Duration::from_secs(4));
        sum.close(at(5));
        assert_eq!(sum.total(at(60)), Duration::from_secs(5));
        sum.open(at(60));
        assert_eq!(sum.total(at(62)), Duration::from_secs(7));
    }
}
