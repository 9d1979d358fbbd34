//! The delay that doubles with every failure, for pulls and for restarts.

use std::time::Duration;

use crate::Moment;

const INITIAL: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(5);

/// How long something that failed is left alone. Forgotten after twice the longest delay without a failure, as the
/// kubelet does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BackOff {
    last: Option<(Moment, Duration)>,
}

impl BackOff {
    /// The delay that still holds at `now` for a failure at `failed`.
    pub(crate) fn holding(&self, failed: Moment, now: Moment) -> Option<Duration> {
        let (since, delay) = self.last?;
        let is_forgotten = failed.saturating_sub(since) > 2 * LONGEST;
        (!is_forgotten && now.saturating_sub(failed) < delay).then_some(delay)
    }

    /// Whether the delay since the last failure is not over yet.
    pub(crate) fn holding_still(&self, now: Moment) -> bool {
        self.last.is_some_and(|(since, _)| self.holding(since, now).is_some())
    }

    /// Takes note of another failure: 10 s at first, then twice as long each time up to five minutes.
    pub(crate) fn lengthen(&mut self, failed: Moment, now: Moment) {
        let delay = match self.last {
            Some((since, delay)) if failed.saturating_sub(since) <= 2 * LONGEST => (2 * delay).min(LONGEST),
            _ => INITIAL,
        };
        self.last = Some((now, delay));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_failure_does_not_hold_anything_back() {
        assert_eq!(BackOff::default().holding(at(1), at(1)), None);
    }

    #[test]
    fn the_delay_doubles_up_to_five_minutes() {
        let mut backoff = BackOff::default();
        let delays: Vec<u64> = (0..7)
            .map(|_| {
                backoff.lengthen(at(1), at(1));
                backoff.holding(at(1), at(1)).unwrap().as_secs()
            })
            .collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_long_good_run_starts_the_delay_anew() {
        let mut backoff = BackOff::default();
        backoff.lengthen(at(1), at(1));
        backoff.lengthen(at(1), at(1));
        assert_eq!(backoff.holding(at(1000), at(1001)), None);
        backoff.lengthen(at(1000), at(1001));
        assert_eq!(backoff.holding(at(1001), at(1002)), Some(at(10)));
    }
}
