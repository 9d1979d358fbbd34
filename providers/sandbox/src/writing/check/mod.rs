//! Whether an object is valid, in the words of the API server of Kubernetes 1.34.

mod immutable;
mod names;
mod pod;
mod quantity;
mod secret;

use serde_json::{Value, json};

pub(crate) use quantity::Quantity;

use crate::api::problem::FieldProblem;
use crate::objects::kinds::{
    CONFIG_MAP, CRON_JOB, CUSTOM_RESOURCE_DEFINITION, DAEMON_SET, DEPLOYMENT, JOB, NAMESPACE,
    PERSISTENT_VOLUME_CLAIM, POD, REPLICA_SET, SECRET, SERVICE, STATEFUL_SET,
};
use crate::objects::{Kind, meta};
use crate::schema::{KindSchema, Schema, Shape};

/// What is wrong, in the order in which it was found.
pub(super) type Problems = Vec<FieldProblem>;

/// What is wrong with a new object.
pub(super) fn new(kind: &Kind, schema: &KindSchema, object: &Value) -> Problems {
    let mut problems = Vec::new();
    names::metadata(kind, object, &mut problems);
    content(kind, schema, object, &mut problems);
    problems
}

/// What is wrong with the next state of an object.
pub(super) fn next(kind: &Kind, schema: &KindSchema, old: &Value, object: &Value) -> Problems {
    let mut problems = Vec::new();
    names::labels(&object["metadata"]["labels"], "metadata.labels", &mut problems);
    content(kind, schema, object, &mut problems);
    immutable::check(kind, old, object, &mut problems);
    problems
}

fn content(kind: &Kind, schema: &KindSchema, object: &Value, problems: &mut Problems) {
    if let KindSchema::Custom(schema) = schema {
        custom(schema, object, String::new(), problems);
        return;
    }
    let spec = &object["spec"];
    match kind {
        kind if kind == &CONFIG_MAP => data_keys(object, problems),
        kind if kind == &SECRET => {
            data_keys(object, problems);
            secret::content(object, problems);
        }
        kind if kind == &POD => pod::spec(spec, "spec", problems),
        kind if kind == &DEPLOYMENT
            || kind == &REPLICA_SET
            || kind == &DAEMON_SET
            || kind == &STATEFUL_SET =>
        {
            replicas(spec, problems);
            selector(spec, problems);
            template(spec, "spec", &["Always"], problems);
        }
        kind if kind == &JOB => job(spec, "spec", problems),
        kind if kind == &CRON_JOB => {
            schedule(spec, problems);
            job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", problems);
        }
        kind if kind == &SERVICE => service(spec, problems),
        kind if kind == &PERSISTENT_VOLUME_CLAIM => claim(spec, problems),
        kind if kind == &CUSTOM_RESOURCE_DEFINITION => definition(object, problems),
        kind if kind == &NAMESPACE => {}
        _ => {}
    }
    allowed(schema, object, String::new(), problems);
}

fn data_keys(object: &Value, problems: &mut Problems) {
    for field in ["data", "binaryData"] {
        for (key, value) in object[field].as_object().into_iter().flatten() {
            let is_key =
                key.len() <= 253 && key.chars().all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one));
            if !is_key || key.is_empty() || key == "." || key == ".." {
                let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  \
                              or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                problems.push(FieldProblem::invalid(format!("{field}[{key}]"), &json!(key), detail));
            }
            let is_bytes = field == "binaryData" || object["kind"] == "Secret";
            if is_bytes && !is_base64(value.as_str().unwrap_or_default()) {
                let detail = "must be a base64 encoded string";
                problems.push(FieldProblem::invalid(format!("{field}[{key}]"), &json!("<hidden>"), detail));
            }
        }
    }
}

fn is_base64(text: &str) -> bool {
    use base64::Engine as _;
    let text: String = text.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

fn replicas(spec: &Value, problems: &mut Problems) {
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        not_negative(spec, "spec", field, problems);
    }
}

fn not_negative(object: &Value, path: &str, field: &str, problems: &mut Problems) {
    if object[field].as_i64().is_some_and(|number| number < 0) {
        let detail = "must be greater than or equal to 0";
        problems.push(FieldProblem::invalid(format!("{path}.{field}"), &object[field], detail));
    }
}

fn selector(spec: &Value, problems: &mut Problems) {
    let selector = &spec["selector"];
    let labels = &spec["template"]["metadata"]["labels"];
    let is_empty = ["matchLabels", "matchExpressions"].iter().all(|field| {
        selector[*field].as_object().is_none_or(serde_json::Map::is_empty)
            && selector[*field].as_array().is_none_or(Vec::is_empty)
    });
    if selector.is_null() {
        problems.push(FieldProblem::required("spec.selector", ""));
    } else if is_empty {
        problems.push(FieldProblem::invalid(
            "spec.selector",
            selector,
            "empty selector is invalid for deployment",
        ));
    }
    if is_empty || !fits(selector, labels) {
        let detail = "`selector` does not match template `labels`";
        problems.push(FieldProblem::invalid("spec.template.metadata.labels", labels, detail));
    }
}

/// Whether labels are those that a selector wants.
pub(crate) fn fits(selector: &Value, labels: &Value) -> bool {
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let matches = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    matches.into_iter().all(|(key, value)| label(key) == value.as_str())
        && expressions.into_iter().all(|expression| {
            let found = label(expression["key"].as_str().unwrap_or_default());
            let values = expression["values"].as_array();
            let is_in =
                found.is_some_and(|found| values.is_some_and(|values| values.iter().any(|one| one == found)));
            match expression["operator"].as_str() {
                Some("In") => is_in,
                Some("NotIn") => !is_in,
                Some("Exists") => found.is_some(),
                _ => found.is_none(),
            }
        })
}

fn template(spec: &Value, path: &str, restart_policies: &[&str], problems: &mut Problems) {
    let path = format!("{path}.template");
    names::labels(&spec["template"]["metadata"]["labels"], &format!("{path}.metadata.labels"), problems);
    let mut pod = spec["template"]["spec"].clone();
    // The claims of a StatefulSet are volumes of its pods.
    for claim in spec["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let volume = json!({"name": claim["metadata"]["name"]});
        match pod.get_mut("volumes").and_then(Value::as_array_mut) {
            Some(volumes) if volumes.iter().any(|one| one["name"] == volume["name"]) => {}
            Some(volumes) => volumes.push(volume),
            None => pod["volumes"] = json!([volume]),
        }
    }
    pod::spec(&pod, &format!("{path}.spec"), problems);
    let policy = &pod["restartPolicy"];
    if policy.as_str().is_some_and(|policy| !restart_policies.contains(&policy)) {
        let field = format!("{path}.spec.restartPolicy");
        let allowed: Vec<String> = restart_policies.iter().map(|one| (*one).to_owned()).collect();
        problems.push(if restart_policies == ["Always"] {
            FieldProblem::unsupported(field, policy, &allowed)
        } else {
            FieldProblem::required(field, "valid values: \"OnFailure\", \"Never\"")
        });
    }
}

fn job(spec: &Value, path: &str, problems: &mut Problems) {
    for field in
        ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"]
    {
        not_negative(spec, path, field, problems);
    }
    template(spec, path, &["OnFailure", "Never"], problems);
}

fn schedule(spec: &Value, problems: &mut Problems) {
    let schedule = spec["schedule"].as_str().unwrap_or_default();
    if schedule.is_empty() {
        problems.push(FieldProblem::required("spec.schedule", ""));
        return;
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if !schedule.starts_with('@') && fields.len() != 5 {
        let detail = format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" "));
        problems.push(FieldProblem::invalid("spec.schedule", &spec["schedule"], &detail));
    }
}

fn service(spec: &Value, problems: &mut Problems) {
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    if ports.is_empty() && spec["clusterIP"] != "None" && spec["type"] != "ExternalName" {
        problems.push(FieldProblem::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        pod::port_number(&port["port"], &format!("{path}.port"), problems);
        if ports.len() > 1 && port["name"].as_str().unwrap_or_default().is_empty() {
            problems.push(FieldProblem::required(format!("{path}.name"), ""));
        }
        if port["targetPort"].is_number() {
            pod::port_number(&port["targetPort"], &format!("{path}.targetPort"), problems);
        }
        let is_same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        if ports[..index].iter().any(|other| is_same(&other)) {
            let value = json!({"port": port["port"], "protocol": port["protocol"]});
            problems.push(FieldProblem::duplicate(path, &value));
        }
    }
}

fn claim(spec: &Value, problems: &mut Problems) {
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        problems.push(FieldProblem::required("spec.accessModes", "at least 1 access mode is required"));
    }
    match spec["resources"]["requests"].get("storage") {
        None => problems.push(FieldProblem::required("spec.resources[storage]", "")),
        Some(size) => quantity::check(size, "spec.resources.requests.storage", problems),
    }
}

fn definition(object: &Value, problems: &mut Problems) {
    let spec = &object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let expected = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    if meta::text(object, "name") != expected {
        let name = &object["metadata"]["name"];
        let detail = "must be spec.names.plural+\".\"+spec.group";
        problems.push(FieldProblem::invalid("metadata.name", name, detail));
    }
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        problems.push(FieldProblem::invalid("spec.versions", &spec["versions"], detail));
    }
    for (index, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
            problems.push(FieldProblem::required(field, "schemas are required"));
        }
    }
}

/// Values that a field does not allow, and fields that an item must have.
fn allowed(schema: &Schema, value: &Value, path: String, problems: &mut Problems) {
    if path == "status" || path == "metadata" {
        return;
    }
    if let Some(text) = value.as_str() {
        let is_reported = problems.iter().any(|problem| problem.field == path);
        if !schema.allowed.is_empty() && !schema.allowed.iter().any(|one| one == text) && !is_reported {
            problems.push(FieldProblem::unsupported(path, value, &schema.allowed));
        }
        return;
    }
    match (&schema.shape, value) {
        (Shape::Object(_), Value::Object(fields)) => {
            for (name, value) in fields {
                if let Some(schema) = schema.field(name) {
                    allowed(schema, value, joined(&path, name), problems);
                }
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                allowed(list.items.schema(), item, format!("{path}[{index}]"), problems);
            }
        }
        _ => {}
    }
}

/// A custom resource has what its schema requires, and only values that it allows.
fn custom(schema: &Schema, value: &Value, path: String, problems: &mut Problems) {
    if let (Shape::Object(object), Value::Object(fields)) = (&schema.shape, value) {
        for name in object.required.iter().filter(|name| !fields.contains_key(*name)) {
            problems.push(FieldProblem::required(joined(&path, name), ""));
        }
        for (name, value) in fields.iter().filter(|(name, _)| !path.is_empty() || *name != "metadata") {
            if let Some(schema) = schema.field(name) {
                custom(schema, value, joined(&path, name), problems);
            }
        }
        return;
    }
    if let (Shape::List(list), Value::Array(items)) = (&schema.shape, value) {
        for (index, item) in items.iter().enumerate() {
            custom(list.items.schema(), item, format!("{path}[{index}]"), problems);
        }
        return;
    }
    allowed(schema, value, path, problems);
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
