//! What cannot be changed once an object exists.

use serde_json::{Value, json};

use super::Problems;
use crate::api::problem::FieldProblem;
use crate::objects::Kind;
use crate::objects::kinds::{
    CLUSTER_ROLE_BINDING, CONFIG_MAP, DAEMON_SET, DEPLOYMENT, JOB, PERSISTENT_VOLUME_CLAIM, POD, REPLICA_SET,
    ROLE_BINDING, SECRET, SERVICE, STATEFUL_SET, STORAGE_CLASS,
};

const IMMUTABLE: &str = "field is immutable";

/// What of a StatefulSet's wish can be changed.
const STATEFUL_SET_FIELDS: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(super) fn check(kind: &Kind, old: &Value, new: &Value, problems: &mut Problems) {
    let (old_spec, spec) = (&old["spec"], &new["spec"]);
    match kind {
        kind if kind == &STATEFUL_SET => stateful_set(old_spec, spec, problems),
        kind if kind == &DEPLOYMENT || kind == &REPLICA_SET || kind == &DAEMON_SET => {
            same(old_spec, spec, "spec", "selector", problems);
        }
        kind if kind == &JOB => {
            // The template of a job that has not begun can be scheduled anew; nothing else of it can be changed.
            for field in [
                "completions",
                "selector",
                "template",
                "completionMode",
                "podFailurePolicy",
                "backoffLimitPerIndex",
            ] {
                same(old_spec, spec, "spec", field, problems);
            }
        }
        kind if kind == &SERVICE => service(old_spec, spec, problems),
        kind if kind == &PERSISTENT_VOLUME_CLAIM => claim(old, new, problems),
        kind if kind == &CONFIG_MAP || kind == &SECRET => {
            if kind == &SECRET {
                same(old, new, "", "type", problems);
            }
            sealed(old, new, problems);
        }
        kind if kind == &ROLE_BINDING || kind == &CLUSTER_ROLE_BINDING => role(old, new, problems),
        kind if kind == &STORAGE_CLASS => {
            for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
                if old[field] != new[field] {
                    problems
                        .push(FieldProblem::forbidden(field, &format!("updates to {field} are forbidden.")));
                }
            }
        }
        kind if kind == &POD => pod(old_spec, spec, problems),
        _ => {}
    }
}

fn same(old: &Value, new: &Value, path: &str, field: &str, problems: &mut Problems) {
    if old[field] != new[field] {
        let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        problems.push(FieldProblem::invalid(path, &new[field], IMMUTABLE));
    }
}

fn role(old: &Value, new: &Value, problems: &mut Problems) {
    if old["roleRef"] != new["roleRef"] {
        problems.push(FieldProblem::invalid("roleRef", &new["roleRef"], "cannot change roleRef"));
    }
}

fn without(spec: &Value, fields: &[&str]) -> Value {
    let mut spec = spec.clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|name, _| !fields.contains(&name.as_str()));
    }
    spec
}

fn stateful_set(old: &Value, new: &Value, problems: &mut Problems) {
    if without(old, &STATEFUL_SET_FIELDS) != without(new, &STATEFUL_SET_FIELDS) {
        let (last, others) = STATEFUL_SET_FIELDS.split_last().expect("there are some");
        let others: Vec<String> = others.iter().map(|field| format!("'{field}'")).collect();
        let detail = format!(
            "updates to statefulset spec for fields other than {} and '{last}' are forbidden",
            others.join(", ")
        );
        problems.push(FieldProblem::forbidden("spec", &detail));
    }
}

fn service(old: &Value, new: &Value, problems: &mut Problems) {
    let address = |spec: &Value| spec["clusterIP"].as_str().unwrap_or_default().to_owned();
    let has_address = new["type"] != "ExternalName" && old["type"] != "ExternalName";
    if has_address && !address(old).is_empty() && address(old) != address(new) {
        problems.push(FieldProblem::invalid(
            "spec.clusterIPs[0]",
            &json!([address(new)]),
            "may not change once set",
        ));
    }
}

/// A bound claim may grow; nothing else of any claim changes but the volume that it is bound to.
fn claim(old: &Value, new: &Value, problems: &mut Problems) {
    let is_bound = old["status"]["phase"] == "Bound";
    let rest = |spec: &Value| {
        let mut rest = without(spec, &["volumeName", "volumeAttributesClassName"]);
        if is_bound {
            rest["resources"]["requests"]["storage"] = Value::Null;
        }
        rest
    };
    let was_bound_to = &old["spec"]["volumeName"];
    let moves = !was_bound_to.is_null() && *was_bound_to != new["spec"]["volumeName"];
    if rest(&old["spec"]) != rest(&new["spec"]) || moves {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        problems.push(FieldProblem::forbidden("spec", detail));
        return;
    }
    let size = |claim: &Value| super::Quantity::parse(&claim["spec"]["resources"]["requests"]["storage"]);
    if size(new) < size(old) {
        let detail = "field can not be less than previous value";
        problems.push(FieldProblem::forbidden("spec.resources.requests.storage", detail));
    }
}

fn sealed(old: &Value, new: &Value, problems: &mut Problems) {
    if old["immutable"] != true {
        return;
    }
    if new["immutable"] != true {
        problems.push(FieldProblem::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for field in ["data", "binaryData"] {
        if old[field] != new[field] {
            problems.push(FieldProblem::forbidden(field, "field is immutable when `immutable` is set"));
        }
    }
}

fn pod(old: &Value, new: &Value, problems: &mut Problems) {
    let rest = |spec: &Value| {
        let mut rest = without(
            spec,
            &["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"],
        );
        for field in ["containers", "initContainers"] {
            for container in rest.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        rest
    };
    let moves = !old["nodeName"].is_null() && old["nodeName"] != new["nodeName"];
    if rest(old) != rest(new) || moves {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                      `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                      `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        problems.push(FieldProblem::forbidden("spec", detail));
    }
}
