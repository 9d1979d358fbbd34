//! The rate limit: a bucket of requests that fills up evenly.

use jiff::Timestamp;

/// What is left of an hour's requests.
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: u32,
    /// Requests that may be made now, and the fraction that has grown of the next.
    left: f64,
    seen: Timestamp,
}

/// What the headers `RateLimit-*` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// When the bucket is full again, in seconds since 1970.
    pub(crate) reset: i64,
}

impl Bucket {
    pub(crate) fn new(limit: u32, now: Timestamp) -> Self {
        Self { limit, left: f64::from(limit), seen: now }
    }

    /// Takes one request out. False if there is none.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        let taken = self.left >= 1.0;
        if taken {
            self.left -= 1.0;
        }
        taken
    }

    /// Leaves so many requests in the bucket.
    pub(crate) fn drain_to(&mut self, left: u32, now: Timestamp) {
        self.fill(now);
        self.left = f64::from(left.min(self.limit));
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between zero and the limit; seconds of at most an hour"
    )]
    pub(crate) fn standing(&self) -> Standing {
        let missing = f64::from(self.limit) - self.left;
        let seconds = (missing / self.each_second()).ceil() as i64;
        Standing { limit: self.limit, remaining: self.left as u32, reset: self.seen.as_second() + seconds }
    }

    fn fill(&mut self, now: Timestamp) {
        let seconds = now.duration_since(self.seen).as_secs_f64().max(0.0);
        self.left = (self.left + seconds * self.each_second()).min(f64::from(self.limit));
        self.seen = now;
    }

    fn each_second(&self) -> f64 {
        f64::from(self.limit) / 3600.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_empty_bucket_gives_one_request_each_second() {
        let mut bucket = Bucket::new(3600, at(0));
        for _ in 0..3600 {
            assert!(bucket.take(at(0)));
        }
        assert!(!bucket.take(at(0)));
        assert_eq!(bucket.standing(), Standing { limit: 3600, remaining: 0, reset: 3600 });
        assert!(bucket.take(at(1)));
        assert!(!bucket.take(at(1)));
    }

    #[test]
    fn a_bucket_does_not_overflow() {
        let mut bucket = Bucket::new(60, at(0));
        assert!(bucket.take(at(0)));
        assert!(bucket.take(at(100_000)));
        assert_eq!(bucket.standing(), Standing { limit: 60, remaining: 59, reset: 100_060 });
    }
}
