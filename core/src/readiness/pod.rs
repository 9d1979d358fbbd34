//! Pod.

use serde_json::Value;

use crate::diagnosis::Cause;
use crate::object::{ObjectView, Status};

use super::Readiness;

/// A pod is ready when it serves (`Ready` is true, readiness gates included) or has done its work (`Succeeded`)
/// (Kubernetes docs, "Pod Lifecycle"). `Failed` is an end: the kubelet starts nothing again in such a pod.
pub(super) fn pod(view: ObjectView<'_>) -> Readiness {
    match view.text("/status/phase") {
        Some("Succeeded") => Readiness::Ready,
        Some("Failed") => ended(view),
        Some("Running") if view.is("Ready") => Readiness::Ready,
        _ => Readiness::progressing(waiting_for(view)),
    }
}

/// A pod that failed with a reason was refused or evicted by its node; one without ended because its containers did.
fn ended(view: ObjectView<'_>) -> Readiness {
    let message = view.text("/status/message").filter(|message| !message.is_empty());
    match view.text("/status/reason").filter(|reason| !reason.is_empty()) {
        Some(reason) => {
            let words = message.map_or(reason.to_owned(), |message| format!("{reason}: {message}"));
            Readiness::failed(Cause::PodRefused, words)
        }
        None => Readiness::failed(Cause::Crash, message.unwrap_or("its containers ended with an error")),
    }
}

/// What a pod waits for, the earliest stage of its life first: a node, an init container, a container, a gate.
fn waiting_for(view: ObjectView<'_>) -> String {
    if let Some(scheduled) = view.condition("PodScheduled")
        && scheduled.status == Status::False
    {
        return format!("no node yet: {}", scheduled.words());
    }
    let unready = |list: &str| {
        view.list(list)
            .iter()
            .find(|status| !ObjectView::new(status).flag("/ready"))
            .and_then(container_state)
    };
    if let Some(init) = unready("/status/initContainerStatuses") {
        return format!("init {init}");
    }
    if let Some(container) = unready("/status/containerStatuses") {
        return container;
    }
    match view.condition("Ready") {
        Some(ready) if !ready.words().is_empty() => ready.words().to_owned(),
        _ if view.text("/spec/nodeName").is_none() => "no node yet".to_owned(),
        _ => "its containers are not started yet".to_owned(),
    }
}

fn container_state(status: &Value) -> Option<String> {
    let view = ObjectView::new(status);
    let name = view.text("/name")?;
    if let Some(reason) = view.text("/state/waiting/reason") {
        return Some(format!("container `{name}`: {reason}"));
    }
    if let Some(code) = view.integer("/state/terminated/exitCode") {
        return Some(format!("container `{name}` ended with exit code {code}"));
    }
    Some(format!("container `{name}` is not ready"))
}
