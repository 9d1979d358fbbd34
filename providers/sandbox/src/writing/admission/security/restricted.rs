//! What `restricted` forbids beyond `baseline`: privileges within the pod.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Violation, baseline, plural, quoted, setters, those, values};

/// The kinds of volumes that it allows.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Everything that it forbids, what `baseline` does first.
pub(super) fn violations(spec: &Value) -> Vec<String> {
    let own =
        [escalation(spec), capabilities(spec), volumes(spec), non_root(spec), user(spec), seccomp(spec)];
    baseline::violations_beside_restricted(spec).into_iter().chain(own.into_iter().flatten()).collect()
}

fn escalation(spec: &Value) -> Violation {
    let who = those(spec, |one| one["securityContext"]["allowPrivilegeEscalation"] != false)?;
    Some(format!(
        "allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
    ))
}

fn capabilities(spec: &Value) -> Violation {
    let drops_all = |one: &Value| {
        let dropped = one["securityContext"]["capabilities"]["drop"].as_array();
        dropped.is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"))
    };
    let keeps = those(spec, |one| !drops_all(one))
        .map(|who| format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    let adds = baseline::added_besides(spec, &["NET_BIND_SERVICE"])
        .map(|(who, added)| format!("{who} must not include {added} in securityContext.capabilities.add"));
    let found: Vec<String> = keeps.into_iter().chain(adds).collect();
    (!found.is_empty()).then(|| format!("unrestricted capabilities ({})", found.join("; ")))
}

fn volumes(spec: &Value) -> Violation {
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let others: Vec<&Value> =
        volumes.filter(|volume| !VOLUMES.iter().any(|kind| volume.get(*kind).is_some())).collect();
    let names: Vec<&str> = others.iter().filter_map(|volume| volume["name"].as_str()).collect();
    let fields = others.iter().filter_map(|volume| volume.as_object());
    let kinds: BTreeSet<&String> =
        fields.flat_map(|volume| volume.keys().filter(|key| *key != "name")).collect();
    let (volume, kind) = (plural("volume", names.len()), plural("restricted volume type", kinds.len()));
    let uses = if names.len() == 1 { "uses" } else { "use" };
    (!names.is_empty()).then(|| {
        format!("restricted volume types ({volume} {} {uses} {kind} {})", quoted(&names), quoted(kinds))
    })
}

/// Who forbids it is told before who only does not ask for it.
fn non_root(spec: &Value) -> Violation {
    let words = if let Some(who) = setters(spec, |context| context["runAsNonRoot"] == false) {
        format!("{who} must not set securityContext.runAsNonRoot=false")
    } else {
        let who = left_open(spec, |context| context["runAsNonRoot"] == true)?;
        format!("pod or {who} must set securityContext.runAsNonRoot=true")
    };
    Some(format!("runAsNonRoot != true ({words})"))
}

/// The containers for which neither they nor the pod say what they must.
fn left_open(spec: &Value, says: impl Fn(&Value) -> bool) -> Option<String> {
    if says(&spec["securityContext"]) { None } else { those(spec, |one| !says(&one["securityContext"])) }
}

fn user(spec: &Value) -> Violation {
    let who = setters(spec, |context| context["runAsUser"] == 0)?;
    Some(format!("runAsUser=0 ({who} must not set runAsUser=0)"))
}

fn seccomp(spec: &Value) -> Violation {
    fn profile(context: &Value) -> Option<&str> {
        context["seccompProfile"]["type"].as_str()
    }
    let is_allowed = |name: &str| ["RuntimeDefault", "Localhost"].contains(&name);
    let other = |context| profile(context).filter(|name| !is_allowed(name));
    let words = if let Some(who) =
        setters(spec, |context| profile(context).is_some_and(|name| !is_allowed(name)))
    {
        format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&values(spec, other)))
    } else {
        let who = left_open(spec, |context| profile(context).is_some())?;
        format!(
            "pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""
        )
    };
    Some(format!("seccompProfile ({words})"))
}
