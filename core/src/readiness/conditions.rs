//! Kinds without a rule of their own: custom resources, and built-in kinds that have nothing to wait for.

use crate::diagnosis::Cause;
use crate::object::{Condition, ObjectView, Status};

use super::Readiness;

/// Conditions that mean "done" when true, the strongest word first.
const GOALS: [&str; 7] =
    ["Ready", "Available", "Succeeded", "Complete", "Established", "Healthy", "Programmed"];

/// Judges by conditions, in the order of kstatus (sigs.k8s.io/cli-utils): `Reconciling` and `Stalled` are the two conditions
/// that API conventions ask of "abnormal true" controllers, then the usual words for a goal.
///
/// An object without any of them is ready as soon as it is stored: a `ConfigMap`, a Role, a custom resource without a controller.
pub(super) fn any_kind(view: ObjectView<'_>) -> Readiness {
    if let Some(stalled) = holds(view, "Stalled") {
        return Readiness::failed(Cause::Stalled, said(&stalled));
    }
    if let Some(reconciling) = holds(view, "Reconciling") {
        return Readiness::progressing(said(&reconciling));
    }
    if let Some(failed) = holds(view, "Failed") {
        return Readiness::failed(Cause::Stalled, said(&failed));
    }
    GOALS.iter().find_map(|goal| view.condition(goal)).map_or(Readiness::Ready, |goal| by_goal(&goal))
}

fn by_goal(goal: &Condition<'_>) -> Readiness {
    match goal.status {
        Status::True => Readiness::Ready,
        // `Succeeded=False` is an end (Tekton, Knative jobs); `Ready=False` is where every controller begins.
        Status::False if goal.kind == "Succeeded" => Readiness::failed(Cause::Stalled, said(goal)),
        Status::False | Status::Unknown => Readiness::progressing(said(goal)),
    }
}

fn holds<'a>(view: ObjectView<'a>, kind: &str) -> Option<Condition<'a>> {
    view.condition(kind).filter(|condition| condition.status == Status::True)
}

/// The condition in words: `Ready is False: waiting for DNS`.
pub(super) fn said(condition: &Condition<'_>) -> String {
    let status = match condition.status {
        Status::True => "True",
        Status::False => "False",
        Status::Unknown => "Unknown",
    };
    match condition.words() {
        "" => format!("{} is {status}", condition.kind),
        words => format!("{} is {status}: {words}", condition.kind),
    }
}
