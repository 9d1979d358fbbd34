//! Whether and when a call is made again.
//!
//! What is repeated, how often and how slowly is what hcloud-go does (`retryPolicy`, `ExponentialBackoffWithOpts` in v2.47). One thing differs:
//! a create whose outcome is not known is not repeated here. Whoever wanted it looks first whether it happened.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use crate::client::error::{ClientError, ErrorCode};

/// Tries after the first.
const RETRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What it means to make a call twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The same as once: reads, deletes, and changes that set something to a value.
    Safe,
    /// It could make two.
    Doubles,
}

/// How long to wait before the call is made again, after so many tries; none if it is not. `random` is between zero and one.
pub fn wait(error: &ClientError, repeat: Repeat, tries: u32, random: f64) -> Option<Duration> {
    let again = tries <= RETRIES && may_help(error) && (repeat == Repeat::Safe || error.is_undone());
    again.then(|| backoff(tries, random))
}

fn may_help(error: &ClientError) -> bool {
    match error {
        ClientError::NotSent { .. } | ClientError::NoAnswer { .. } => true,
        ClientError::Refused(refusal) => {
            matches!(
                refusal.code,
                ErrorCode::Conflict
                    | ErrorCode::RateLimitExceeded
                    | ErrorCode::Timeout
                    | ErrorCode::Unavailable
            ) || matches!(refusal.status, 429 | 502..=504)
        }
        ClientError::Garbled { .. } | ClientError::ActionFailed { .. } | ClientError::ActionLost { .. } => {
            false
        }
    }
}

/// Twice as long each time, up to a minute; half of it by chance, so that callers that failed together do not return together.
fn backoff(tries: u32, random: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    let longest = doubled.min(LONGEST_WAIT);
    longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

/// A number between zero and one. Unpredictable enough for a wait.
pub fn random() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Refusal;

    fn refused(status: u16, code: ErrorCode) -> ClientError {
        ClientError::Refused(Box::new(Refusal { status, code, ..Refusal::about("POST /servers") }))
    }

    fn no_answer() -> ClientError {
        ClientError::NoAnswer { call: "POST /servers".to_owned(), source: "connection closed".into() }
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for error in [
            refused(409, ErrorCode::Conflict),
            refused(429, ErrorCode::RateLimitExceeded),
            refused(504, ErrorCode::Timeout),
            refused(502, ErrorCode::Other("bad_gateway".to_owned())),
            no_answer(),
        ] {
            assert!(wait(&error, Repeat::Safe, 1, 0.0).is_some(), "{error}");
        }
    }

    #[test]
    fn what_stays_is_not_tried_again() {
        for error in [
            refused(404, ErrorCode::NotFound),
            refused(412, ErrorCode::ResourceUnavailable),
            refused(423, ErrorCode::Locked),
            refused(403, ErrorCode::ResourceLimitExceeded),
            refused(409, ErrorCode::UniquenessError),
        ] {
            assert_eq!(wait(&error, Repeat::Safe, 1, 0.0), None, "{error}");
        }
    }

    #[test]
    fn a_create_is_repeated_only_if_nothing_was_made() {
        let refusals = [(409, ErrorCode::Conflict), (429, ErrorCode::RateLimitExceeded)];
        for (status, code) in refusals {
            assert!(wait(&refused(status, code), Repeat::Doubles, 1, 0.0).is_some());
        }
        let unsent =
            ClientError::NotSent { call: "POST /servers".to_owned(), source: "connection refused".into() };
        assert!(wait(&unsent, Repeat::Doubles, 1, 0.0).is_some());
        for error in [no_answer(), refused(504, ErrorCode::Timeout), refused(502, ErrorCode::ServerError)] {
            assert_eq!(wait(&error, Repeat::Doubles, 1, 0.0), None, "{error}");
        }
    }

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<u64> = (1..=8)
            .map_while(|tries| wait(&no_answer(), Repeat::Safe, tries, 1.0))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16]);
        assert_eq!(backoff(30, 1.0), LONGEST_WAIT);
        assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
    }

    #[test]
    fn chance_is_a_part_of_one() {
        assert!((0..100).map(|_| random()).all(|part| (0.0..=1.0).contains(&part)));
    }
}
