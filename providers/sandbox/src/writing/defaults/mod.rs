//! What an object is given that its writer left out, as the API server of Kubernetes 1.34 gives it.

mod pod;
mod service;
mod workload;

use serde_json::{Map, Value, json};

use crate::objects::kinds::{
    CRON_JOB, CUSTOM_RESOURCE_DEFINITION, DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, HORIZONTAL_POD_AUTOSCALER,
    INGRESS, JOB, NAMESPACE, NETWORK_POLICY, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD,
    POD_DISRUPTION_BUDGET, REPLICA_SET, RESOURCE_QUOTA, SECRET, SERVICE, STATEFUL_SET, STORAGE_CLASS,
};
use crate::objects::{Kind, Objects, meta};
use crate::schema::{KindSchema, Schema, Shape};

/// Fills in what is the same for every write of an object.
pub(super) fn fill(kind: &Kind, schema: &KindSchema, object: &mut Value) {
    if let KindSchema::Custom(schema) = schema {
        fill_custom(schema, object);
        return;
    }
    match kind {
        kind if kind == &POD => pod::fill(&mut object["spec"]),
        kind if kind == &DEPLOYMENT => workload::deployment(object),
        kind if kind == &REPLICA_SET => workload::replica_set(object),
        kind if kind == &STATEFUL_SET => workload::stateful_set(object),
        kind if kind == &DAEMON_SET => workload::daemon_set(object),
        kind if kind == &JOB => workload::job(&mut object["spec"]),
        kind if kind == &CRON_JOB => workload::cron_job(object),
        kind if kind == &SERVICE => service::fill(object),
        kind if kind == &SECRET => secret(object),
        kind if kind == &NAMESPACE => namespace(object),
        kind if kind == &PERSISTENT_VOLUME => persistent_volume(&mut object["spec"]),
        kind if kind == &PERSISTENT_VOLUME_CLAIM => claim(object),
        kind if kind == &STORAGE_CLASS => {
            set(object, "reclaimPolicy", "Delete");
            set(object, "volumeBindingMode", "Immediate");
        }
        kind if kind == &NETWORK_POLICY => network_policy(&mut object["spec"]),
        kind if kind == &HORIZONTAL_POD_AUTOSCALER => autoscaler(&mut object["spec"]),
        kind if kind == &CUSTOM_RESOURCE_DEFINITION => definition(&mut object["spec"]),
        _ => {}
    }
}

/// Fills in what only a new object gets.
pub(super) fn fill_new(objects: &Objects, kind: &Kind, object: &mut Value) {
    if kind == &SERVICE {
        service::give_address(objects, object);
    } else if kind == &JOB {
        workload::new_job(object);
    } else if kind == &PERSISTENT_VOLUME_CLAIM {
        give_class(objects, object);
    }
    if let Some(status) = first_status(kind, object) {
        object["status"] = status;
    }
}

/// Carries over what is given once and kept where a later write leaves it out.
pub(super) fn keep(kind: &Kind, live: &Value, object: &mut Value) {
    if kind == &SERVICE {
        service::keep(live, object);
    }
    if kind == &SERVICE || kind == &PERSISTENT_VOLUME_CLAIM {
        for field in ["volumeName", "storageClassName"] {
            if object["spec"].get(field).is_none() && live["spec"].get(field).is_some() {
                object["spec"][field] = live["spec"][field].clone();
            }
        }
    }
}

/// The status of an object that nobody has looked at yet.
fn first_status(kind: &Kind, object: &Value) -> Option<Value> {
    let status = match kind {
        kind if kind == &NAMESPACE => json!({"phase": "Active"}),
        kind if kind == &POD => {
            json!({"phase": "Pending", "qosClass": pod::quality_of_service(&object["spec"])})
        }
        kind if kind == &PERSISTENT_VOLUME => {
            json!({"phase": "Pending", "lastPhaseTransitionTime": meta::now()})
        }
        kind if kind == &PERSISTENT_VOLUME_CLAIM => json!({"phase": "Pending"}),
        kind if kind == &SERVICE || kind == &INGRESS => json!({"loadBalancer": {}}),
        kind if kind == &STATEFUL_SET => json!({"replicas": 0, "availableReplicas": 0}),
        kind if kind == &REPLICA_SET => json!({"replicas": 0}),
        kind if kind == &DAEMON_SET => {
            json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0})
        }
        kind if kind == &POD_DISRUPTION_BUDGET => {
            json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0})
        }
        kind if kind == &DEPLOYMENT || kind == &JOB || kind == &CRON_JOB || kind == &RESOURCE_QUOTA => {
            json!({})
        }
        kind if kind == &HORIZONTAL_POD_AUTOSCALER => json!({"desiredReplicas": 0, "currentMetrics": null}),
        kind if kind == &CUSTOM_RESOURCE_DEFINITION => definition_status(&object["spec"]),
        kind if kind == &ENDPOINT_SLICE => return None,
        _ => return None,
    };
    Some(status)
}

/// Sets a field that is not there.
fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let fields = object.as_object_mut().expect("it is one now");
    if !fields.contains_key(field) {
        fields.insert(field.to_owned(), value.into());
    }
}

/// The items of a list, to be changed.
fn items<'o>(object: &'o mut Value, field: &str) -> impl Iterator<Item = &'o mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// `data` holds what `stringData` says, in base64.
fn secret(object: &mut Value) {
    use base64::Engine as _;
    set(object, "type", "Opaque");
    let texts = object.as_object_mut().and_then(|secret| secret.shift_remove("stringData"));
    let Some(Value::Object(texts)) = texts else { return };
    set(object, "data", json!({}));
    for (key, text) in texts {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
        object["data"][key] = encoded.into();
    }
}

fn namespace(object: &mut Value) {
    if meta::text(object, "deletionTimestamp").is_empty() {
        set(&mut object["spec"], "finalizers", json!(["kubernetes"]));
    }
    let name = meta::text(object, "name").to_owned();
    set(&mut object["metadata"]["labels"], "kubernetes.io/metadata.name", name);
}

fn persistent_volume(spec: &mut Value) {
    set(spec, "persistentVolumeReclaimPolicy", "Retain");
    set(spec, "volumeMode", "Filesystem");
    if spec.get("hostPath").is_some() {
        set(&mut spec["hostPath"], "type", "");
    }
}

fn claim(object: &mut Value) {
    set(&mut object["spec"], "volumeMode", "Filesystem");
}

/// The default class of the cluster: the newest that says it is one.
fn give_class(objects: &Objects, claim: &mut Value) {
    let classes = objects.list(&STORAGE_CLASS, None).items;
    let is_default = |class: &&std::sync::Arc<Value>| {
        class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    };
    let newest = classes
        .iter()
        .filter(is_default)
        .max_by_key(|class| meta::text(class, "creationTimestamp").to_owned());
    if let Some(class) = newest {
        set(&mut claim["spec"], "storageClassName", meta::text(class, "name"));
    }
}

fn network_policy(spec: &mut Value) {
    let mut types = vec!["Ingress"];
    if spec.get("egress").is_some() {
        types.push("Egress");
    }
    set(spec, "policyTypes", json!(types));
    for rule in ["ingress", "egress"] {
        for rule in items(spec, rule) {
            items(rule, "ports").for_each(|port| set(port, "protocol", "TCP"));
        }
    }
}

fn autoscaler(spec: &mut Value) {
    set(spec, "minReplicas", 1);
    let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}});
    set(spec, "metrics", json!([{"type": "Resource", "resource": cpu}]));
}

fn definition(spec: &mut Value) {
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    set(&mut spec["names"], "singular", kind.to_lowercase());
    set(&mut spec["names"], "listKind", format!("{kind}List"));
    set(spec, "conversion", json!({"strategy": "None"}));
}

/// A definition is served as soon as it is stored.
fn definition_status(spec: &Value) -> Value {
    let versions = spec["versions"].as_array().into_iter().flatten();
    let stored: Vec<&Value> = versions.filter(|one| one["storage"] == true).map(|one| &one["name"]).collect();
    let condition = |name: &str, reason: &str, message: &str| json!({"type": name, "status": "True", "reason": reason, "message": message, "lastTransitionTime": meta::now()});
    json!({
        "acceptedNames": spec["names"],
        "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    })
}

/// The defaults of a custom resource are in its schema.
fn fill_custom(schema: &Schema, value: &mut Value) {
    match (&schema.shape, value) {
        (Shape::Object(object), Value::Object(fields)) => {
            for (name, field) in &object.fields {
                if let Some(default) = field.default.as_ref().filter(|_| !fields.contains_key(name)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut().filter(|(name, _)| *name != "metadata") {
                if let Some(schema) = schema.field(name) {
                    fill_custom(schema, value);
                }
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for item in items {
                fill_custom(list.items.schema(), item);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
