//! `kubectl` 1.34 as people use it: what it shows, and how it ends.

mod asking;
mod making;
mod objects;
mod workloads;

use windlass_tests::testbed::Namespace;

/// A Deployment of two.
pub(crate) const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  progressDeadlineSeconds: 60
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'web:1', ports: [{containerPort: 80}]}]}
";

/// Runs a command that must end well, written as a person would write it.
#[track_caller]
pub(crate) fn run(space: &Namespace, command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    space.kubectl(&words).expect_success()
}

/// Runs a command that must fail; what it says about that.
#[track_caller]
pub(crate) fn fails(space: &Namespace, command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    space.kubectl(&words).expect_failure()
}

/// Fails unless a text holds each of these.
#[track_caller]
pub(crate) fn shows(text: &str, expect: &[&str]) {
    for one in expect {
        assert!(text.contains(one), "nothing shows `{one}`:\n{text}");
    }
}

/// The same with the space between columns made one: widths depend on names.
pub(crate) fn columns(text: &str) -> String {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Makes the Deployment and waits for it.
#[track_caller]
pub(crate) fn web(space: &Namespace) {
    space.apply(WEB);
    run(space, "rollout status deployment/web --timeout=60s");
}
