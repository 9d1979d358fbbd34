use windlass_core::object::ObjectRef;

use super::*;

fn request(kind: &str) -> Request {
    let api_version = if kind == "StatefulSet" || kind == "Deployment" { "apps/v1" } else { "v1" };
    let object = ObjectRef {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: Some("shop".into()),
        name: "x".into(),
    };
    Request::of("apply", &object)
}

fn answer(code: u16, json: &str) -> Status {
    Status::read(code, json.as_bytes())
}

/// The failure and the message of an answer, as answers of Kubernetes 1.34 to an apply of `KIND shop/x`.
#[track_caller]
fn check(kind: &str, code: u16, json: &str, failure: ClusterFailure, message: &str) {
    let error = answer(code, json).into_error(&request(kind));
    assert_eq!(error.failure(), failure, "{error}");
    assert_eq!(error.to_string(), message);
}

#[test]
fn an_unknown_field_is_invalid_although_the_server_says_500() {
    check(
        "ConfigMap",
        500,
        r#"{"message":"failed to create typed patch object (/x; /v1, Kind=ConfigMap): .foo: field not declared in schema"}"#,
        ClusterFailure::Invalid,
        "cannot apply `ConfigMap shop/x`: `foo`: field not declared in schema",
    );
    check(
        "Deployment",
        500,
        r#"{"message":"failed to create typed patch object (/x; apps/v1, Kind=Deployment): errors:\n  .spec.template.spec.containers[name=\"a\"].env: duplicate entries for key [name=\"A\"]\n  .spec.replicas: expected numeric (int or float), got string"}"#,
        ClusterFailure::Invalid,
        "cannot apply `Deployment shop/x`: `spec.template.spec.containers[name=\"a\"].env`: duplicate entries for key [name=\"A\"]; `spec.replicas`: expected numeric (int or float)",
    );
}

#[test]
fn no_value_of_a_secret_is_repeated() {
    for (code, json) in [
        (
            500,
            r#"{"message":"failed to create typed patch object (/x; /v1, Kind=Secret): .stringData: expected map, got &{hunter2}"}"#,
        ),
        (
            500,
            r#"{"message":"failed to convert new object (/x; /v1, Kind=Secret) to proper version: hunter2"}"#,
        ),
        (
            422,
            r#"{"message":"Secret \"x\" is invalid: hunter2","reason":"Invalid","details":{"name":"x","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"hunter2\": hunter2 is wrong","field":"data[a]"}]}}"#,
        ),
        (400, r#"{"message":"cannot decode hunter2","reason":"BadRequest"}"#),
        (403, r#"{"message":"admission webhook \"w\" denied the request: hunter2","reason":"Forbidden"}"#),
        (500, r#"{"message":"hunter2"}"#),
        (409, r#"{"message":"hunter2"}"#),
    ] {
        let error = answer(code, json).into_error(&request("Secret"));
        let shown = format!("{error} {error:?} {:?} {:?}", error.hint(), error.fields());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn the_field_of_a_secret_is_named() {
    check(
        "Secret",
        500,
        r#"{"message":"failed to create typed patch object (/x; /v1, Kind=Secret): .data.a: expected string, got &value.valueUnstructured{Value:12345}"}"#,
        ClusterFailure::Invalid,
        "cannot apply `Secret shop/x`: `data.a`: expected string",
    );
}

#[test]
fn a_missing_namespace_is_not_an_unknown_kind() {
    check(
        "ConfigMap",
        404,
        r#"{"message":"namespaces \"shop\" not found","reason":"NotFound","details":{"name":"shop","kind":"namespaces"}}"#,
        ClusterFailure::NotFound,
        "cannot apply `ConfigMap shop/x`: namespaces \"shop\" not found",
    );
    check(
        "ConfigMap",
        404,
        "404 page not found\n",
        ClusterFailure::UnknownKind,
        "cannot apply `ConfigMap shop/x`: the cluster does not know this kind",
    );
    check(
        "ConfigMap",
        404,
        r#"{"message":"the server could not find the requested resource","reason":"NotFound","details":{}}"#,
        ClusterFailure::UnknownKind,
        "cannot apply `ConfigMap shop/x`: the cluster does not know this kind",
    );
}

#[test]
fn admission_and_authorization_are_told_apart() {
    let check = |message: &str, failure: ClusterFailure, cause: Option<Cause>| {
        let status =
            Status { code: 403, reason: "Forbidden".into(), message: message.into(), ..Status::default() };
        let error = status.into_error(&request("Pod"));
        assert_eq!((error.failure(), error.cause()), (failure, cause), "{message}");
    };
    check(
        r#"pods is forbidden: User "jane" cannot create resource "pods" in API group "" in the namespace "shop""#,
        ClusterFailure::Forbidden,
        None,
    );
    check(
        r#"roles.rbac.authorization.k8s.io "r" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#,
        ClusterFailure::Forbidden,
        None,
    );
    check(
        r#"pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"#,
        ClusterFailure::Refused,
        Some(Cause::QuotaExceeded),
    );
    check(
        r#"pods "x" is forbidden: failed quota: q: must specify limits.cpu for: a"#,
        ClusterFailure::Refused,
        Some(Cause::QuotaExceeded),
    );
    check(
        r#"pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
        ClusterFailure::Refused,
        Some(Cause::PodSecurityRefused),
    );
    check(
        r#"pods "x" is forbidden: maximum cpu usage per Container is 100m, but limit is 1"#,
        ClusterFailure::Refused,
        Some(Cause::LimitRangeRefused),
    );
    check(
        r#"admission webhook "w.example.com" denied the request: no"#,
        ClusterFailure::Refused,
        Some(Cause::AdmissionRefused),
    );
    check(
        r#"pods "x" is forbidden: error looking up service account shop/a: serviceaccount "a" not found"#,
        ClusterFailure::Refused,
        Some(Cause::AdmissionRefused),
    );
}

#[test]
fn a_webhook_that_is_down_refuses_and_is_asked_again() {
    let status = answer(
        500,
        r#"{"message":"Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/x?timeout=3s\": dial tcp 127.0.0.1:1: connect: connection refused","reason":"InternalError","details":{"causes":[{"message":"x"}]}}"#,
    );
    assert!(status.worth_another_try().0);
    let error = status.into_error(&request("Pod"));
    assert_eq!((error.failure(), error.cause()), (ClusterFailure::Refused, Some(Cause::WebhookDown)));
    assert!(error.to_string().contains("w.example.com"), "{error}");
}

#[test]
fn an_immutable_field_is_told_from_an_invalid_one() {
    let check = |message: &str, failure: ClusterFailure| {
        let cause = StatusCause { reason: String::new(), message: message.into(), field: "spec.a".into() };
        let status = Status {
            code: 422,
            details: Details { name: "x".into(), causes: vec![cause], ..Details::default() },
            ..Status::default()
        };
        assert_eq!(status.failure(), failure, "{message}");
    };
    check(r#"Invalid value: {"matchLabels":{"a":"c"}}: field is immutable"#, ClusterFailure::Immutable);
    check(
        "Forbidden: updates to statefulset spec for fields other than 'replicas' and 'template' are forbidden",
        ClusterFailure::Immutable,
    );
    check("Forbidden: field is immutable when `immutable` is set", ClusterFailure::Immutable);
    check(r#"Invalid value: ["10.0.0.77"]: may not change once set"#, ClusterFailure::Immutable);
    check("Forbidden: spec is immutable after creation except resources.requests", ClusterFailure::Immutable);
    check("Forbidden: updates to provisioner are forbidden.", ClusterFailure::Immutable);
    check(
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        ClusterFailure::Immutable,
    );
    check("Required value", ClusterFailure::Invalid);
    check(r#"Unsupported value: "x": supported values: "a""#, ClusterFailure::Invalid);
}

#[test]
fn what_may_change_is_read_from_the_answer() {
    let status = answer(
        422,
        r#"{"details":{"causes":[{"message":"Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals' and 'template' are forbidden","field":"spec"}]}}"#,
    );
    assert_eq!(status.changeable_fields(), ["replicas", "ordinals", "template"]);
}

#[test]
fn values_are_cut_from_the_problem_of_a_field() {
    let check = |message: &str, expected: &str| assert_eq!(without_value(message), expected);
    check(r#"Invalid value: {"matchLabels":{"a":"c: d"}}: field is immutable"#, "field is immutable");
    check(r#"Invalid value: "a: \"b\" c": must be x"#, r#"Invalid value: "a: \"b\" c": must be x"#);
    check(
        "Invalid value: 70000: must be between 1 and 65535, inclusive",
        "Invalid value: 70000: must be between 1 and 65535, inclusive",
    );
    check(
        "Required value: must specify at least one container",
        "Required value: must specify at least one container",
    );
    check(
        "Forbidden: spec is immutable after creation\n@@ -6,7 +6,7 @@\n-1\n+2\n",
        "Forbidden: spec is immutable after creation",
    );
    check(r#"Invalid value: ""#, r#"Invalid value: ""#);
    check("Duplicate value: map[a:b]", "Duplicate value");
    check("free words", "free words");
}

#[test]
fn conflicts_name_manager_and_field() {
    let status = answer(
        409,
        r#"{"reason":"Conflict","details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl-client-side-apply\" using apps/v1","field":".spec.replicas"}]}}"#,
    );
    assert_eq!(status.failure(), ClusterFailure::FieldConflict);
    let error = status.into_error(&request("Deployment"));
    assert_eq!(
        error.to_string(),
        "cannot apply `Deployment shop/x`: `spec.replicas` is owned by `kubectl-client-side-apply`"
    );
}

#[test]
fn codes_decide_what_has_no_reason() {
    for (code, failure) in [
        (401, ClusterFailure::Unauthorised),
        (409, ClusterFailure::StaleWrite),
        (410, ClusterFailure::Expired),
        (429, ClusterFailure::Throttled),
        (500, ClusterFailure::ServerError),
        (503, ClusterFailure::ServerError),
        (504, ClusterFailure::ServerError),
        (400, ClusterFailure::Invalid),
    ] {
        assert_eq!(answer(code, "").failure(), failure, "{code}");
    }
}

proptest::proptest! {
    #[test]
    fn no_words_of_a_server_make_it_panic(code in 100_u16..600, message in ".*", field in ".*", kind in "(Secret|Pod)") {
        let cause = StatusCause { reason: "FieldManagerConflict".into(), message: message.clone(), field };
        let status = Status {
            code, message, reason: String::new(),
            details: Details { causes: vec![cause], ..Details::default() },
        };
        status.changeable_fields();
        let _ = status.into_error(&request(&kind)).to_string();
    }
}
