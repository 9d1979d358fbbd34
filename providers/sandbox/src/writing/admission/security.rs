//! Pod Security: what the level of a namespace allows of a pod (`pod-security.kubernetes.io/enforce`).
//!
//! The levels are those of Kubernetes' Pod Security Standards: `baseline` keeps pods from the node, `restricted` also from privileges within.

use serde_json::Value;

use crate::api::problem::Problem;
use crate::objects::kinds::{NAMESPACE, POD};
use crate::objects::{Objects, meta};

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The kinds of volumes that `restricted` allows.
const VOLUMES: [&str; 7] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"];

pub(super) fn check(objects: &Objects, pod: &Value) -> Result<(), Problem> {
    let namespace = objects.get(&NAMESPACE, None, meta::text(pod, "namespace"));
    let level =
        namespace.as_ref().and_then(|namespace| namespace["metadata"]["labels"].get(ENFORCE)?.as_str());
    let violations = match level {
        Some("baseline") => baseline(&pod["spec"]),
        Some("restricted") => baseline(&pod["spec"]).into_iter().chain(restricted(&pod["spec"])).collect(),
        _ => return Ok(()),
    };
    if violations.is_empty() {
        return Ok(());
    }
    let level = level.unwrap_or_default();
    let why = format!("violates PodSecurity \"{level}:latest\": {}", violations.join(", "));
    Err(Problem::forbidden(&POD.resource(), meta::text(pod, "name"), &why))
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"]
        .into_iter()
        .flat_map(|field| spec[field].as_array().into_iter().flatten())
}

/// `container "a"`, `containers "a", "b"`: those for which something holds.
fn those(spec: &Value, is_one: impl Fn(&Value) -> bool) -> Option<String> {
    let names: Vec<String> =
        containers(spec).filter(|one| is_one(one)).map(|one| one["name"].to_string()).collect();
    let word = if names.len() == 1 { "container" } else { "containers" };
    (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")))
}

fn baseline(spec: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| spec[*field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    if !shared.is_empty() {
        violations.push(format!("host namespaces ({})", shared.join(", ")));
    }
    let paths: Vec<String> = spec["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|volume| volume.get("hostPath").is_some())
        .map(|volume| volume["name"].to_string())
        .collect();
    if !paths.is_empty() {
        violations.push(format!("hostPath volumes (volume {})", paths.join(", ")));
    }
    if let Some(who) = those(spec, |one| one["securityContext"]["privileged"] == true) {
        violations.push(format!("privileged ({who} must not set securityContext.privileged=true)"));
    }
    let has_host_port = |one: &Value| {
        let ports = one["ports"].as_array().into_iter().flatten();
        ports.into_iter().any(|port| port["hostPort"].as_i64().is_some_and(|port| port != 0))
    };
    if let Some(who) = those(spec, has_host_port) {
        violations.push(format!("hostPort ({who} uses hostPort)"));
    }
    violations
}

fn restricted(spec: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    let pod = &spec["securityContext"];
    let own = |container: &Value, field: &str| container["securityContext"].get(field).cloned();
    if let Some(who) = those(spec, |one| own(one, "allowPrivilegeEscalation") != Some(false.into())) {
        violations.push(format!(
            "allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
        ));
    }
    let drops_all = |one: &Value| {
        let dropped = one["securityContext"]["capabilities"]["drop"].as_array();
        dropped.is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"))
    };
    if let Some(who) = those(spec, |one| !drops_all(one)) {
        violations.push(format!(
            "unrestricted capabilities ({who} must set securityContext.capabilities.drop=[\"ALL\"])"
        ));
    }
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let is_other = |volume: &&Value| !VOLUMES.iter().any(|kind| volume.get(*kind).is_some());
    let others: Vec<String> = volumes.filter(is_other).map(|volume| volume["name"].to_string()).collect();
    if !others.is_empty() {
        violations.push(format!("restricted volume types (volume {})", others.join(", ")));
    }
    let is_root =
        |one: &Value| own(one, "runAsNonRoot").unwrap_or_else(|| pod["runAsNonRoot"].clone()) != true;
    if let Some(who) = those(spec, is_root) {
        violations
            .push(format!("runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)"));
    }
    let profile = |one: &Value| {
        own(one, "seccompProfile").unwrap_or_else(|| pod["seccompProfile"].clone())["type"].clone()
    };
    if let Some(who) = those(spec, |one| profile(one) != "RuntimeDefault" && profile(one) != "Localhost") {
        violations.push(format!(
            "seccompProfile (pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
        ));
    }
    violations
}
