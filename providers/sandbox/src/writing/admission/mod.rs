//! What a cluster adds to and refuses of what is written, beyond what makes an object valid.

mod limits;
pub(crate) mod quota;
mod security;

use serde_json::{Value, json};

use crate::api::problem::Problem;
use crate::objects::kinds::{NAMESPACE, PERSISTENT_VOLUME_CLAIM, POD, PRIORITY_CLASS, SERVICE_ACCOUNT};
use crate::objects::{Kind, Objects, meta};

/// Where a pod finds the token of its account.
const TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How long a pod stays on a node that is not ready, in seconds, where it does not say.
const TOLERATED: i64 = 300;

const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";

/// The namespaces without which there is no cluster.
const KEPT_NAMESPACES: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Adds to and may refuse a new object.
pub(super) fn admit_new(objects: &Objects, kind: &Kind, object: &mut Value) -> Result<(), Problem> {
    if kind == &POD {
        admit_pod(objects, object)?;
    }
    if kind == &PERSISTENT_VOLUME_CLAIM {
        protect(object, CLAIM_PROTECTION);
    }
    limits::check_claim(objects, kind, object)?;
    quota::check(objects, kind, object)
}

/// May refuse the next state of an object.
pub(super) fn admit_next(_: &Objects, kind: &Kind, live: &Value, object: &mut Value) -> Result<(), Problem> {
    // Once an object goes, nothing new may hold it.
    let finalizers =
        |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let is_leaving = !meta::text(live, "deletionTimestamp").is_empty();
    let held = finalizers(live);
    if is_leaving && finalizers(object).iter().any(|one| !held.contains(one)) {
        let why = "no new finalizers can be added if the object is being deleted";
        return Err(Problem::forbidden(&kind.resource(), meta::text(object, "name"), why));
    }
    Ok(())
}

/// Refuses to delete what a cluster cannot be without.
pub(crate) fn admit_deletion(kind: &Kind, name: &str) -> Result<(), Problem> {
    if kind == &NAMESPACE && KEPT_NAMESPACES.contains(&name) {
        return Err(Problem::forbidden(&kind.resource(), name, "this namespace may not be deleted"));
    }
    Ok(())
}

/// A claim in use is not deleted under whoever uses it; its controller takes the finalizer away.
fn protect(object: &mut Value, finalizer: &str) {
    let metadata = meta::metadata(object);
    let list = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut().filter(|list| !list.iter().any(|one| one == finalizer)) {
        list.push(finalizer.into());
    }
}

fn admit_pod(objects: &Objects, pod: &mut Value) -> Result<(), Problem> {
    limits::fill(objects, pod);
    give_account(objects, pod)?;
    give_priority(objects, pod)?;
    let spec = &mut pod["spec"];
    if spec.get("enableServiceLinks").is_none() {
        spec["enableServiceLinks"] = true.into();
    }
    tolerate(spec);
    limits::check_pod(objects, pod)?;
    security::check(objects, pod)
}

/// The account that a pod runs as, and the volume in which it finds the account's token.
fn give_account(objects: &Objects, pod: &mut Value) -> Result<(), Problem> {
    let namespace = meta::text(pod, "namespace").to_owned();
    let name = pod["spec"]["serviceAccountName"]
        .as_str()
        .filter(|name| !name.is_empty())
        .unwrap_or("default")
        .to_owned();
    let Some(account) = objects.get(&SERVICE_ACCOUNT, Some(&namespace), &name) else {
        let why =
            format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        return Err(Problem::forbidden(&POD.resource(), meta::text(pod, "name"), &why));
    };
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = name.as_str().into();
    spec["serviceAccount"] = name.as_str().into();
    let wants_token =
        spec["automountServiceAccountToken"].as_bool().or(account["automountServiceAccountToken"].as_bool());
    if wants_token.unwrap_or(true) {
        mount_token(spec);
    }
    Ok(())
}

fn mount_token(spec: &mut Value) {
    let mut given = json!({"metadata": {"generateName": "kube-api-access-"}});
    meta::generate_name(&mut given);
    let volume = meta::text(&given, "name").to_owned();
    let mut is_mounted = false;
    for field in ["initContainers", "containers"] {
        for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if !mounts.iter().any(|mount| mount["mountPath"] == TOKEN_FOLDER) {
                let own = json!({"name": volume, "readOnly": true, "mountPath": TOKEN_FOLDER});
                container["volumeMounts"] = mounts.into_iter().chain([own]).collect();
                is_mounted = true;
            }
        }
    }
    if !is_mounted {
        return;
    }
    let namespace =
        json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    let sources = json!([
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]);
    let own = json!({"name": volume, "projected": {"sources": sources, "defaultMode": 0o644}});
    let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    spec["volumes"] = volumes.into_iter().chain([own]).collect();
}

fn give_priority(objects: &Objects, pod: &mut Value) -> Result<(), Problem> {
    let name = pod["spec"]["priorityClassName"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let (mut priority, mut policy) = (json!(0), json!("PreemptLowerPriority"));
    if let Some(name) = name {
        let Some(class) = objects.get(&PRIORITY_CLASS, None, &name) else {
            let why = format!("no PriorityClass with name {name} was found");
            return Err(Problem::forbidden(&POD.resource(), meta::text(pod, "name"), &why));
        };
        priority = class["value"].clone();
        policy = class.get("preemptionPolicy").cloned().unwrap_or(policy);
    }
    pod["spec"]["priority"] = priority;
    if pod["spec"].get("preemptionPolicy").is_none() {
        pod["spec"]["preemptionPolicy"] = policy;
    }
    Ok(())
}

fn tolerate(spec: &mut Value) {
    let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let is_tolerated = tolerations.iter().any(|one| {
            (one["key"] == key || one["key"].as_str().unwrap_or_default().is_empty())
                && (one["effect"] == "NoExecute" || one["effect"].as_str().unwrap_or_default().is_empty())
        });
        if !is_tolerated {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED}));
        }
    }
    spec["tolerations"] = tolerations.into();
}
