//! What a writer should know of an object that is taken as it is.

use serde_json::Value;

use crate::objects::kinds::{CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, STATEFUL_SET};
use crate::objects::{Kind, meta};

/// Labels of nodes that have other names by now.
const DEPRECATED: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
];

/// What is said of an object that was written; of a change only if it is one of the wish.
pub(super) fn of(kind: &Kind, live: Option<&Value>, object: &Value) -> Vec<String> {
    if live.is_some_and(|live| meta::generation(live) == meta::generation(object)) {
        return Vec::new();
    }
    let Some((path, pod)) = pod_of(kind, object) else { return Vec::new() };
    let mut warnings = Vec::new();
    selectors(&format!("{path}.nodeSelector"), &pod["nodeSelector"], &mut warnings);
    let affinity = &pod["affinity"]["nodeAffinity"];
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in list(&affinity[required]["nodeSelectorTerms"]).enumerate() {
        let place = format!("{path}.affinity.nodeAffinity.{required}.nodeSelectorTerms[{index}]");
        expressions(&place, term, &mut warnings);
    }
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in list(&affinity[preferred]).enumerate() {
        let place = format!("{path}.affinity.nodeAffinity.{preferred}[{index}].preference");
        expressions(&place, &term["preference"], &mut warnings);
    }
    for (index, constraint) in list(&pod["topologySpreadConstraints"]).enumerate() {
        let place = format!("{path}.topologySpreadConstraints[{index}].topologyKey");
        key(&place, &constraint["topologyKey"], &mut warnings);
    }
    warnings
}

/// Where an object says how its pods are.
fn pod_of<'o>(kind: &Kind, object: &'o Value) -> Option<(&'static str, &'o Value)> {
    let spec = &object["spec"];
    if kind == &POD {
        Some(("spec", spec))
    } else if kind == &CRON_JOB {
        Some(("spec.jobTemplate.spec.template.spec", &spec["jobTemplate"]["spec"]["template"]["spec"]))
    } else if [&DEPLOYMENT, &REPLICA_SET, &STATEFUL_SET, &DAEMON_SET, &JOB].contains(&kind) {
        Some(("spec.template.spec", &spec["template"]["spec"]))
    } else {
        None
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn selectors(place: &str, selector: &Value, warnings: &mut Vec<String>) {
    for label in selector.as_object().into_iter().flatten().map(|(label, _)| label) {
        warnings.extend(deprecated(label).map(|why| format!("{place}[{label}]: {why}")));
    }
}

fn expressions(place: &str, term: &Value, warnings: &mut Vec<String>) {
    for (index, expression) in list(&term["matchExpressions"]).enumerate() {
        key(&format!("{place}.matchExpressions[{index}].key"), &expression["key"], warnings);
    }
}

fn key(place: &str, label: &Value, warnings: &mut Vec<String>) {
    let label = label.as_str().unwrap_or_default();
    warnings.extend(deprecated(label).map(|why| format!("{place}: {label} is {why}")));
}

fn deprecated(label: &str) -> Option<&'static str> {
    DEPRECATED.iter().find(|(name, _)| *name == label).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deprecated_labels_are_told_with_their_place() {
        let term =
            json!({"matchExpressions": [{"key": "zone"}, {"key": "failure-domain.beta.kubernetes.io/zone"}]});
        let pod = json!({
            "nodeSelector": {"beta.kubernetes.io/os": "linux", "disk": "ssd"},
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"preference": term}]}},
        });
        let object = json!({"metadata": {"generation": 1}, "spec": {"template": {"spec": pod}}});
        let expect = [
            "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
            "spec.template.spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[1].key: \
             failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
        ];
        assert_eq!(of(&DEPLOYMENT, None, &object), expect);
        assert_eq!(of(&DEPLOYMENT, Some(&object), &object), Vec::<String>::new());
    }
}
