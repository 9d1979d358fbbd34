//! Named points at which a crash test ends the process, and the operations that carry them.

use std::fmt;

use windlass_core::run::Stage;

/// A write of the store. Its name is the middle of its two kill points: `store.NAME.before` and `store.NAME.after` its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Lead,
    Publish,
    Receive,
    Settle,
    TakeOver,
    TakeOverFromQueue,
    RecordDead,
    IgnoreEvent,
    Plan,
    Claim,
    Renew,
    Release,
    Begin(Stage),
    Finish(Stage),
    Fail(Stage),
    Advance,
    Hold,
    End,
    Wake,
    Cancel,
    Approve,
    AcquireLease,
    RenewLease,
    ReleaseLease,
    RaiseEpoch,
    Environment,
    PutArtefact,
    RecordRelease,
    MarkVerified,
    Progress,
    PublishCluster,
    WithdrawCluster,
    Emit,
}

impl Operation {
    const PLAIN: [Self; 30] = [
        Self::Lead,
        Self::Publish,
        Self::Receive,
        Self::Settle,
        Self::TakeOver,
        Self::TakeOverFromQueue,
        Self::RecordDead,
        Self::IgnoreEvent,
        Self::Plan,
        Self::Claim,
        Self::Renew,
        Self::Release,
        Self::Advance,
        Self::Hold,
        Self::End,
        Self::Wake,
        Self::Cancel,
        Self::Approve,
        Self::AcquireLease,
        Self::RenewLease,
        Self::ReleaseLease,
        Self::RaiseEpoch,
        Self::Environment,
        Self::PutArtefact,
        Self::RecordRelease,
        Self::MarkVerified,
        Self::Progress,
        Self::PublishCluster,
        Self::WithdrawCluster,
        Self::Emit,
    ];

    /// What is the same for every stage, and the three writes of each stage.
    fn all() -> impl Iterator<Item = Self> {
        let staged = |stage| [Self::Begin(stage), Self::Finish(stage), Self::Fail(stage)];
        Self::PLAIN.into_iter().chain(Stage::ALL.into_iter().flat_map(staged))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Begin(stage) => return write!(formatter, "begin_stage.{stage}"),
            Self::Finish(stage) => return write!(formatter, "finish_stage.{stage}"),
            Self::Fail(stage) => return write!(formatter, "fail_stage.{stage}"),
            Self::Lead => "lead",
            Self::Publish => "publish",
            Self::Receive => "receive",
            Self::Settle => "settle",
            Self::TakeOver => "take_over",
            Self::TakeOverFromQueue => "take_over_from_queue",
            Self::RecordDead => "record_dead",
            Self::IgnoreEvent => "ignore_event",
            Self::Plan => "plan",
            Self::Claim => "claim",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Advance => "advance",
            Self::Hold => "hold",
            Self::End => "end",
            Self::Wake => "wake",
            Self::Cancel => "cancel",
            Self::Approve => "approve",
            Self::AcquireLease => "acquire_lease",
            Self::RenewLease => "renew_lease",
            Self::ReleaseLease => "release_lease",
            Self::RaiseEpoch => "raise_epoch",
            Self::Environment => "environment",
            Self::PutArtefact => "put_artefact",
            Self::RecordRelease => "record_release",
            Self::MarkVerified => "mark_verified",
            Self::Progress => "progress",
            Self::PublishCluster => "publish_cluster",
            Self::WithdrawCluster => "withdraw_cluster",
            Self::Emit => "emit",
        };
        formatter.write_str(word)
    }
}

/// The name of every kill point in the store, for a test that visits them all.
pub fn kill_points() -> Vec<String> {
    let around = |operation| [format!("store.{operation}.before"), format!("store.{operation}.after")];
    Operation::all().flat_map(around).collect()
}

/// The moment before or after the commit of `operations`.
pub(crate) fn around_commit(operations: &[Operation], moment: &str) {
    if cfg!(feature = "kill-points") {
        for operation in operations {
            kill_point(&format!("store.{operation}.{moment}"));
        }
    }
}

/// Ends this process by SIGKILL if `WINDLASS_KILL_AT` names the point: `NAME` at the first visit, `NAME:3` at the third.
///
/// Writes the name down in the file that `WINDLASS_KILL_VISITS` names, so that a test learns where a process can be killed at all.
///
/// Does nothing unless the crate was built with the feature `kill-points`.
#[cfg(feature = "kill-points")]
pub fn kill_point(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static VISITS: AtomicU32 = AtomicU32::new(0);

    if let Some(file) = std::env::var_os("WINDLASS_KILL_VISITS") {
        use std::io::Write as _;
        let mut file =
            std::fs::File::options().create(true).append(true).open(file).expect("visits can be written");
        file.write_all(format!("{name}\n").as_bytes()).expect("visits can be written");
    }
    let Ok(wanted) = std::env::var("WINDLASS_KILL_AT") else { return };
    let (wanted, visit) = match wanted.rsplit_once(':') {
        Some((wanted, visit)) => (wanted, visit.parse().unwrap_or(1)),
        None => (wanted.as_str(), 1),
    };
    if wanted == name && VISITS.fetch_add(1, Ordering::SeqCst) + 1 == visit {
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::KILL)
            .expect("a process may always end itself");
        // The signal may take a moment to arrive on another thread than this one.
        loop {
            std::thread::park();
        }
    }
}

/// Ends this process by SIGKILL where a crash test asks for it: not in this build, which lacks the feature `kill-points`.
#[cfg(not(feature = "kill-points"))]
pub fn kill_point(_name: &str) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_its_own_name() {
        let points = kill_points();
        let distinct: std::collections::BTreeSet<_> = points.iter().collect();
        assert_eq!(points.len(), distinct.len());
        assert!(points.contains(&"store.begin_stage.apply.after".to_owned()));
        assert!(points.contains(&"store.take_over.before".to_owned()));
    }
}
