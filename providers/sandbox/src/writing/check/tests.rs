use super::*;
use crate::objects::kinds::KINDS;
use crate::schema;

fn of_kind(object: &Value) -> (&'static Kind, KindSchema) {
    let kind = *KINDS.iter().find(|kind| kind.kind == object["kind"].as_str().unwrap()).unwrap();
    (kind, KindSchema::BuiltIn(schema::of_kind(kind).unwrap()))
}

fn lines(problems: &Problems) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
}

fn check_new(object: &Value, expect: &[&str]) {
    let (kind, schema) = of_kind(object);
    assert_eq!(lines(&new(kind, &schema, object)), expect);
}

fn check_next(old: &Value, change: impl FnOnce(&mut Value), expect: &[&str]) {
    let (kind, schema) = of_kind(old);
    let mut object = old.clone();
    change(&mut object);
    assert_eq!(lines(&next(kind, &schema, old, &object)), expect);
}

fn workload(kind: &str, container: &Value) -> Value {
    json!({"kind": kind, "metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {
        "metadata": {"labels": {"app": "a"}}, "spec": {"restartPolicy": "Always", "containers": [container]}}}})
}

fn container() -> Value {
    json!({"name": "main", "image": "a:1"})
}

#[test]
fn names_and_keys_are_checked() {
    check_new(
        &json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {}}),
        &["spec.ports: Required value"],
    );
    let problems = new(
        &CONFIG_MAP,
        &of_kind(&json!({"kind": "ConfigMap"})).1,
        &json!({"metadata": {"name": "Bad_"}, "data": {"a b": "1"}}),
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0]
            .message
            .starts_with("Invalid value: \"Bad_\": a lowercase RFC 1123 subdomain must consist of")
    );
    assert!(problems[1].message.starts_with("Invalid value: \"a b\": a valid config key must consist of"));
}

#[test]
fn containers_are_checked_as_a_real_api_server_checks_them() {
    let broken = json!({"name": "a", "ports": [{"containerPort": 0}], "volumeMounts": [{"name": "nope", "mountPath": ""}],
        "imagePullPolicy": "x", "resources": {"requests": {"cpu": "2", "x": "1"}, "limits": {"cpu": "1"}}});
    let at = "spec.containers[0]";
    check_new(
        &json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [broken]}}),
        &[
            &format!("{at}.image: Required value"),
            &format!("{at}.ports[0].containerPort: Required value"),
            &format!("{at}.volumeMounts[0].name: Not found: \"nope\""),
            &format!("{at}.volumeMounts[0].mountPath: Required value"),
            &format!(
                "{at}.resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"
            ),
            &format!(
                "{at}.resources.requests[x]: Invalid value: \"x\": must be a standard resource type or fully qualified"
            ),
            &format!(
                "{at}.resources.requests[x]: Invalid value: \"x\": must be a standard resource for containers"
            ),
            &format!(
                "{at}.imagePullPolicy: Unsupported value: \"x\": supported values: \"Always\", \"IfNotPresent\", \"Never\""
            ),
        ],
    );
}

#[test]
fn a_selector_must_select_its_template() {
    let mut deployment = workload("Deployment", &container());
    deployment["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
    check_new(
        &deployment,
        &[
            "spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`",
        ],
    );
}

#[test]
fn a_job_must_say_when_it_starts_again() {
    let mut job = workload("Job", &container());
    job["spec"]["template"]["spec"]["containers"] = json!([container(), container()]);
    check_new(
        &job,
        &[
            "spec.template.spec.containers[1].name: Duplicate value: \"main\"",
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
        ],
    );
}

#[test]
fn what_is_set_once_cannot_be_changed() {
    check_next(&workload("StatefulSet", &container()), |set| set["spec"]["replicas"] = 2.into(), &[]);
    check_next(
        &workload("StatefulSet", &container()),
        |set| set["spec"]["serviceName"] = "other".into(),
        &[
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
           'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ],
    );
    check_next(
        &workload("Deployment", &container()),
        |deployment| {
            deployment["spec"]["selector"]["matchLabels"]["app"] = "b".into();
            deployment["spec"]["template"]["metadata"]["labels"]["app"] = "b".into();
        },
        &["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable"],
    );
    check_next(
        &json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "immutable": true}),
        |object| object["data"] = json!({"a": "b"}),
        &["data: Forbidden: field is immutable when `immutable` is set"],
    );
    check_next(
        &json!({"kind": "Secret", "metadata": {"name": "c"}, "type": "Opaque"}),
        |object| object["type"] = "x".into(),
        &["type: Invalid value: \"x\": field is immutable"],
    );
}

#[test]
fn secrets_hold_what_their_type_promises() {
    let secret = |of: &str, data: &Value| json!({"kind": "Secret", "metadata": {"name": "a"}, "type": of, "data": data});
    check_new(&secret("kubernetes.io/tls", &json!({"tls.crt": ""})), &["data[tls.key]: Required value"]);
    check_new(&secret("kubernetes.io/tls", &json!({"tls.crt": "", "tls.key": ""})), &[]);
    check_new(
        &secret("kubernetes.io/basic-auth", &json!({})),
        &["data[username]: Required value", "data[password]: Required value"],
    );
    check_new(&secret("kubernetes.io/basic-auth", &json!({"password": ""})), &[]);
    check_new(
        &secret("kubernetes.io/dockerconfigjson", &json!({".dockerconfigjson": "bm8="})),
        &["data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": must be a JSON object"],
    );
    check_new(&secret("kubernetes.io/dockerconfigjson", &json!({".dockerconfigjson": "e30="})), &[]);
    check_new(&secret("example.org/own", &json!({})), &[]);
}
