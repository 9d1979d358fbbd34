//! What makes pods.

use serde_json::{Value, json};

use super::{items, pod, set};
use crate::objects::meta;

/// The fields of a template that Kubernetes writes even when they are empty.
fn template(spec: &mut Value) {
    let template = &mut spec["template"];
    if template.is_null() {
        *template = json!({});
    }
    pod::fill(&mut template["spec"]);
}

pub(super) fn deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "progressDeadlineSeconds", 600);
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    let strategy = &mut spec["strategy"];
    set(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        set(&mut strategy["rollingUpdate"], "maxSurge", "25%");
        set(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
    }
    template(spec);
}

pub(super) fn replica_set(object: &mut Value) {
    set(&mut object["spec"], "replicas", 1);
    template(&mut object["spec"]);
}

pub(super) fn stateful_set(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "podManagementPolicy", "OrderedReady");
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    let retention = &mut spec["persistentVolumeClaimRetentionPolicy"];
    set(retention, "whenDeleted", "Retain");
    set(retention, "whenScaled", "Retain");
    let strategy = &mut spec["updateStrategy"];
    set(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        set(&mut strategy["rollingUpdate"], "partition", 0);
    }
    template(spec);
    for claim in items(spec, "volumeClaimTemplates") {
        set(claim, "apiVersion", "v1");
        set(claim, "kind", "PersistentVolumeClaim");
        set(&mut claim["spec"], "volumeMode", "Filesystem");
        set(&mut claim["status"], "phase", "Pending");
    }
}

pub(super) fn daemon_set(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "revisionHistoryLimit", 10);
    let strategy = &mut spec["updateStrategy"];
    set(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        set(&mut strategy["rollingUpdate"], "maxSurge", 0);
        set(&mut strategy["rollingUpdate"], "maxUnavailable", 1);
    }
    template(spec);
    set(&mut object["metadata"]["annotations"], "deprecated.daemonset.template.generation", "1");
}

pub(super) fn job(spec: &mut Value) {
    // Without both, one pod is wanted; parallel work without an end wants just its parallelism.
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        set(spec, "completions", 1);
    }
    set(spec, "parallelism", 1);
    let limit = if spec.get("backoffLimitPerIndex").is_some() { i64::from(i32::MAX) } else { 6 };
    set(spec, "backoffLimit", limit);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    set(spec, "manualSelector", false);
    let replacement = if spec.get("podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    set(spec, "podReplacementPolicy", replacement);
    template(spec);
}

/// A job knows its pods by its own identity.
pub(super) fn new_job(object: &mut Value) {
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (meta::text(object, "uid").to_owned(), meta::text(object, "name").to_owned());
    let template = &mut object["spec"]["template"]["metadata"]["labels"];
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        set(template, label, value.as_str());
    }
    let labels = template.clone();
    object["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    if object["metadata"].get("labels").is_none() {
        object["metadata"]["labels"] = labels;
    }
}

pub(super) fn cron_job(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "concurrencyPolicy", "Allow");
    set(spec, "failedJobsHistoryLimit", 1);
    set(spec, "successfulJobsHistoryLimit", 3);
    set(spec, "suspend", false);
    set(&mut spec["jobTemplate"], "metadata", json!({}));
    let template = &mut spec["jobTemplate"]["spec"]["template"];
    set(template, "metadata", json!({}));
    pod::fill(&mut template["spec"]);
}
