//! How far the clock of an API server is ahead of ours.
//!
//! What a server writes down (when an object was made, when an event happened) carries its time. Whoever compares that with a moment of their
//! own must know by how much the clocks differ. Each answer tells: its `Date` header (RFC 9110, 6.6.1) is the server's time, in whole seconds.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// What the answers of one server have told. Shared by everything that asks it.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    /// In milliseconds.
    ahead: AtomicI64,
}

impl ServerClock {
    /// Takes in the `Date` header of an answer to what was sent at `sent` and answered at `received`. A header that is no date tells nothing.
    pub(crate) fn observe(&self, date: &str, sent: Timestamp, received: Timestamp) {
        if let Ok(date) = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date) {
            let ahead = ahead(date, sent, received).as_millis();
            self.ahead.store(i64::try_from(ahead).unwrap_or_default(), Ordering::Relaxed);
        }
    }

    /// How far the server's clock is ahead of ours; negative where it is behind.
    pub(crate) fn ahead(&self) -> SignedDuration {
        SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed))
    }
}

/// The smallest difference that the answer allows. It was made between `sent` and `received`, and its date stands for any moment of a whole
/// second, so that clocks which agree are never taken to differ.
fn ahead(date: Timestamp, sent: Timestamp, received: Timestamp) -> SignedDuration {
    let least = date.duration_since(received);
    let most = date.duration_since(sent) + SignedDuration::from_secs(1);
    SignedDuration::ZERO.clamp(least, most.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(date: &str, sent: &str, received: &str, expected_millis: i64) {
        let clock = ServerClock::default();
        clock.observe(date, sent.parse().unwrap(), received.parse().unwrap());
        assert_eq!(clock.ahead(), SignedDuration::from_millis(expected_millis));
    }

    #[test]
    fn clocks_that_agree_do_not_differ() {
        check("Mon, 23 Nov 2026 12:00:00 GMT", "2026-11-23T12:00:00.1Z", "2026-11-23T12:00:00.2Z", 0);
        check("Mon, 23 Nov 2026 12:00:00 GMT", "2026-11-23T12:00:00.95Z", "2026-11-23T12:00:01.1Z", 0);
    }

    #[test]
    fn a_server_that_is_ahead_or_behind_is_so_by_what_is_certain() {
        check("Mon, 23 Nov 2026 12:00:30 GMT", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00.5Z", 29_500);
        check("Mon, 23 Nov 2026 11:59:00 GMT", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00.5Z", -59_000);
    }

    #[test]
    fn what_is_no_date_tells_nothing() {
        check("yesterday", "2026-11-23T12:00:00Z", "2026-11-23T12:00:01Z", 0);
    }
}
