//! Job and CronJob.

use crate::diagnosis::Cause;
use crate::object::{ObjectView, Status};

use super::Readiness;

/// A Job is ready when it is complete, and failed when its controller says so; a running Job is progressing (kstatus takes it
/// for done).
///
/// `FailureTarget` precedes `Failed` by the time its pods need to end (Kubernetes docs, "Jobs", terminal conditions): the
/// outcome is certain from then on. `SuccessCriteriaMet` is not taken for success before `Complete`, because a deploy that
/// follows a migration must not run beside its last pods.
pub(super) fn job(view: ObjectView<'_>) -> Readiness {
    let holds = |kind| view.condition(kind).filter(|condition| condition.status == Status::True);
    if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
        let cause = match failed.reason {
            "DeadlineExceeded" => Cause::DeadlineExceeded,
            _ => Cause::JobFailed,
        };
        return Readiness::failed(cause, failed.words());
    }
    if view.is("Complete") {
        return Readiness::Ready;
    }
    if view.flag("/spec/suspend") {
        return Readiness::progressing("it is suspended (`spec.suspend`): nothing runs until it is resumed");
    }
    let count = |field: &str| view.integer(&format!("/status/{field}")).unwrap_or(0);
    let want = view.integer("/spec/completions").unwrap_or(1);
    let (succeeded, active, failed) = (count("succeeded"), count("active"), count("failed"));
    Readiness::progressing(match failed {
        0 => format!("{succeeded} of {want} pods succeeded, {active} running"),
        _ => format!("{succeeded} of {want} pods succeeded, {active} running, {failed} failed"),
    })
}

/// A CronJob is ready when it is stored: its Jobs run when their time comes, and are no part of a rollout.
pub(super) fn cron_job(_view: ObjectView<'_>) -> Readiness {
    Readiness::Ready
}
