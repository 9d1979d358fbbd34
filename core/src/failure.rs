//! What kind of failure an error is, and so whether trying again can help.
//!
//! The kind is set by whoever met the failure, as a type; no code reads message text to find it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Trying again can help: network, throttling, a server that restarts.
    Transient,
    /// The author of the change must mend it: a render error, an invalid object, an immutable field.
    User,
    /// The operator must mend something: credentials, rights, a missing kind.
    Permanent,
    /// It may or may not have happened, and cannot be repeated safely.
    UnknownOutcome,
    /// The process died in this place again and again.
    Poison,
}

/// How a request to a cluster failed, by what the answer says as data: status code, `reason` and `details` of a Kubernetes `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterFailure {
    /// No answer: refused, reset, timed out, name not resolved.
    Unreachable,
    /// The server's certificate is not signed by the kubeconfig's authority.
    UntrustedCertificate,
    /// 429, with or without `Retry-After`.
    Throttled,
    /// 500 to 504: the API server or something behind it.
    ServerError,
    /// 409 on `resourceVersion`: somebody wrote in between.
    StaleWrite,
    /// 409 with field managers: another manager owns a field.
    FieldConflict,
    /// 401: no or expired credentials.
    Unauthorised,
    /// 403: RBAC.
    Forbidden,
    /// 403 with a quota, Pod Security, limit range or webhook as its cause; or 400/422 from one.
    Refused,
    /// 404 of an object or namespace.
    NotFound,
    /// The cluster does not know this kind.
    UnknownKind,
    /// 422 or 400: the object is invalid.
    Invalid,
    /// 422 on a field that cannot be changed.
    Immutable,
    /// 410: a watch is too old.
    Expired,
}

impl ClusterFailure {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Unreachable,
        Self::UntrustedCertificate,
        Self::Throttled,
        Self::ServerError,
        Self::StaleWrite,
        Self::FieldConflict,
        Self::Unauthorised,
        Self::Forbidden,
        Self::Refused,
        Self::NotFound,
        Self::UnknownKind,
        Self::Invalid,
        Self::Immutable,
        Self::Expired,
    ];

    /// The kind's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::UntrustedCertificate => "untrusted_certificate",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::StaleWrite => "stale_write",
            Self::FieldConflict => "field_conflict",
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::UnknownKind => "unknown_kind",
            Self::Invalid => "invalid",
            Self::Immutable => "immutable",
            Self::Expired => "expired",
        }
    }

    /// What to do about it. Every request that windlass makes is safe to repeat, so a lost answer is transient and not unknown.
    pub fn class(self) -> FailureClass {
        match self {
            Self::Unreachable | Self::Throttled | Self::ServerError | Self::StaleWrite | Self::Expired => {
                FailureClass::Transient
            }
            Self::FieldConflict | Self::Refused | Self::Invalid | Self::Immutable => FailureClass::User,
            Self::UntrustedCertificate
            | Self::Unauthorised
            | Self::Forbidden
            | Self::NotFound
            | Self::UnknownKind => FailureClass::Permanent,
        }
    }
}

/// Waits between tries inside a stage: doubling from half a second, at most 20 s, five tries (then the run is parked and tried again later).
pub const STAGE_RETRIES: Backoff =
    Backoff { first: Duration::from_millis(500), cap: Duration::from_secs(20), tries: 5 };

/// Waits between tries of a parked run: doubling from 15 s, at most ten minutes, eight tries.
pub const RUN_RETRIES: Backoff =
    Backoff { first: Duration::from_secs(15), cap: Duration::from_mins(10), tries: 8 };

/// Waits between tries after objects were written, when the run can neither be parked nor given up lightly: a control plane that restarts is back
/// soon. [`OUTAGE_PATIENCE`] ends them.
pub const OUTAGE_RETRIES: Backoff =
    Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(15), tries: u32::MAX };

/// How long a cluster that does not answer is waited for after objects were written. Its silence says nothing about the release, so no
/// deadline runs meanwhile; but a cluster that is gone must not keep its environment for ever.
pub const OUTAGE_PATIENCE: Duration = Duration::from_mins(30);

/// Waits that double, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the second try.
    pub first: Duration,
    /// No wait is longer.
    pub cap: Duration,
    /// How many tries in all.
    pub tries: u32,
}

impl Backoff {
    /// The wait after `failed` tries, or none when there have been enough. `jitter` in 0..=1 takes up to half of it away, so that
    /// runners that failed together do not return together.
    pub fn wait_after(&self, failed: u32, jitter: f64) -> Option<Duration> {
        if failed >= self.tries {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << failed.saturating_sub(1).min(30));
        Some(doubled.min(self.cap).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::ClusterFailure::{Expired, ServerError, StaleWrite, Throttled, Unreachable};
    use super::*;

    #[test]
    fn every_cluster_failure_has_its_class() {
        let transient: Vec<_> =
            ClusterFailure::ALL.into_iter().filter(|kind| kind.class() == FailureClass::Transient).collect();
        assert_eq!(transient, [Unreachable, Throttled, ServerError, StaleWrite, Expired]);
        assert_eq!(ClusterFailure::Unauthorised.class(), FailureClass::Permanent);
        assert_eq!(ClusterFailure::Immutable.class(), FailureClass::User);
    }

    #[test]
    fn waits_double_up_to_the_cap_and_end() {
        let seconds: Vec<_> =
            (1..=8).map(|failed| RUN_RETRIES.wait_after(failed, 0.0).map(|wait| wait.as_secs())).collect();
        assert_eq!(seconds, [Some(15), Some(30), Some(60), Some(120), Some(240), Some(480), Some(600), None]);
        assert_eq!(RUN_RETRIES.wait_after(1, 1.0), Some(Duration::from_millis(7500)));
    }
}
