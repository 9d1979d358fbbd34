//! How many calls may be made yet.
//!
//! Hetzner counts per project and not per token: 3600 requests in an hour, one more each second (docs.hetzner.cloud, "Rate Limiting"). The
//! cloud controller manager, the volume driver and the autoscaler of every cluster in the project live on the same count, so that a part of
//! it is always left to them.

use std::time::Duration;

/// Calls that are left to the controllers of the project's clusters.
const FLOOR: f64 = 60.0;
/// Where the whole limit is small, the floor is no more than this part of it.
const LARGEST_FLOOR: f64 = 0.1;
/// What a limit is given back in.
const REFILL: f64 = 3600.0;
/// The shortest wait.
const SHORTEST: Duration = Duration::from_millis(10);

/// What the answers have told of the count, carried forward to the present.
#[derive(Debug, Clone, Default)]
pub struct Budget(Option<Known>);

#[derive(Debug, Clone, Copy)]
struct Known {
    limit: f64,
    remaining: f64,
    at: Duration,
}

impl Known {
    /// As the count is at a later moment.
    fn at(self, now: Duration) -> Known {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        let remaining = (self.remaining + passed * self.limit / REFILL).min(self.limit);
        Known { remaining, at: now.max(self.at), ..self }
    }

    fn floor(self) -> f64 {
        FLOOR.min(self.limit * LARGEST_FLOOR)
    }
}

impl Budget {
    /// Takes one call, or says how long to wait before one may be taken. Before the first answer nothing is known and every call may go.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let Some(known) = &mut self.0 else { return Ok(()) };
        *known = known.at(now);
        let missing = known.floor() + 1.0 - known.remaining;
        if missing > 0.0 {
            // Not shorter: what a part of a call takes to come back rounds to no time at all, and would be waited for without end.
            return Err(Duration::from_secs_f64(missing * REFILL / known.limit).max(SHORTEST));
        }
        known.remaining -= 1.0;
        Ok(())
    }

    /// Hears what an answer says. Answers to parallel calls come in any order: the lower count is believed, and time mends what was too low.
    pub fn hear(&mut self, limit: u32, remaining: u32, now: Duration) {
        if limit == 0 {
            return;
        }
        let said = f64::from(remaining);
        let expected = self.0.map_or(said, |known| known.at(now).remaining);
        self.0 = Some(Known { limit: f64::from(limit), remaining: said.min(expected), at: now });
    }

    /// How many calls are left, controllers' part included; none before the first answer.
    pub fn remaining(&self, now: Duration) -> Option<u32> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between zero and a limit that was a u32"
        )]
        self.0.map(|known| known.at(now).remaining.max(0.0) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(10);

    fn heard(limit: u32, remaining: u32) -> Budget {
        let mut budget = Budget::default();
        budget.hear(limit, remaining, START);
        budget
    }

    #[test]
    fn nothing_is_held_back_before_the_first_answer() {
        let mut budget = Budget::default();
        assert!((0..5000).all(|_| budget.take(START).is_ok()));
    }

    #[test]
    fn the_floor_is_left_to_the_controllers() {
        let mut budget = heard(3600, 63);
        let taken = (0..100).take_while(|_| budget.take(START).is_ok()).count();
        assert_eq!((taken, budget.remaining(START)), (3, Some(60)));
    }

    #[test]
    fn a_call_comes_back_each_second() {
        let mut budget = heard(3600, 60);
        let wait = budget.take(START).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert_eq!(budget.take(START + wait), Ok(()));
    }

    #[test]
    fn an_exhausted_project_is_waited_for_until_the_floor_is_full_again() {
        assert_eq!(heard(3600, 0).take(START), Err(Duration::from_secs(61)));
    }

    #[test]
    fn a_small_limit_has_a_small_floor() {
        let mut budget = heard(20, 3);
        assert_eq!((0..20).take_while(|_| budget.take(START).is_ok()).count(), 1);
    }

    #[test]
    fn an_answer_that_comes_late_does_not_raise_the_count() {
        let mut budget = heard(3600, 500);
        budget.hear(3600, 510, START);
        assert_eq!(budget.remaining(START), Some(500));
    }

    #[test]
    fn calls_of_others_are_noticed() {
        let mut budget = heard(3600, 500);
        budget.hear(3600, 100, START);
        assert_eq!(budget.remaining(START), Some(100));
    }
}
