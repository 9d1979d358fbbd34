use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Compares the changes as lines `path: old -> new`.
#[track_caller]
fn check(live: &Value, would: &Value, expected: &[&str]) {
    let lines: Vec<String> = diff(live, would)
        .iter()
        .map(|change| format!("{}: {} -> {}", change.path, change.old, change.new))
        .collect();
    assert_eq!(lines, expected);
}

fn workload(containers: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"},
        "spec": {"template": {"spec": {"containers": containers}}}})
}

#[test]
fn list_items_are_named_by_their_key() {
    check(
        &workload(&json!([{"name": "side", "image": "s:1"}, {"name": "postgres", "image": "postgres:1"}])),
        &workload(&json!([{"name": "postgres", "image": "postgres:2"}, {"name": "side", "image": "s:1"}])),
        &["spec.template.spec.containers[postgres].image: `postgres:1` -> `postgres:2`"],
    );
}

#[test]
fn an_item_that_comes_or_goes_is_one_change() {
    check(
        &workload(&json!([{"name": "a", "image": "a"}])),
        &workload(&json!([{"name": "b", "image": "b"}])),
        &[
            r#"spec.template.spec.containers[b]: nothing -> `{"name":"b","image":"b"}`"#,
            r#"spec.template.spec.containers[a]: `{"name":"a","image":"a"}` -> nothing"#,
        ],
    );
}

#[test]
fn another_order_is_a_change() {
    let env = |names: &[&str]| {
        let env: Vec<Value> = names.iter().map(|name| json!({"name": name, "value": "x"})).collect();
        workload(&json!([{"name": "a", "env": env}]))
    };
    check(
        &env(&["A", "B"]),
        &env(&["B", "A"]),
        &[r#"spec.template.spec.containers[a].env: `["A","B"]` -> `["B","A"]`"#],
    );
}

#[test]
fn mounts_of_one_volume_are_told_apart_by_their_path() {
    let mounts = |read_only: bool| {
        workload(&json!([{"name": "a", "volumeMounts": [
            {"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b", "readOnly": read_only}]}]))
    };
    check(
        &mounts(false),
        &mounts(true),
        &["spec.template.spec.containers[a].volumeMounts[/b].readOnly: `false` -> `true`"],
    );
}

#[test]
fn values_of_a_secret_are_not_shown() {
    let secret = |password: &str, more: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "data": {"PASSWORD": password, "same": "c2FtZQ=="}, more: "dGhlcmU=",
            "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": format!("{{{password}}}")}}})
    };
    let changes = diff(&secret("b2xk", "a"), &secret("bmV3", "b"));
    let shown = format!("{changes:?}{}", serde_json::to_string(&changes).unwrap());
    assert!(!shown.contains("b2xk") && !shown.contains("bmV3") && !shown.contains("dGhlcmU="), "{shown}");
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(
        paths,
        ["data.PASSWORD", "b", "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]", "a"]
    );
}

#[test]
fn what_the_server_keeps_is_left_out() {
    check(
        &json!({"kind": "Service", "metadata": {"resourceVersion": "1", "generation": 1, "managedFields": [1]}, "status": {"a": 1}}),
        &json!({"kind": "Service", "metadata": {"resourceVersion": "2", "generation": 2, "uid": "u"}, "status": {"a": 2}}),
        &[],
    );
}

#[test]
fn an_annotation_with_a_domain_stands_in_brackets() {
    check(
        &json!({"metadata": {"annotations": {"example.com/a": "1"}}}),
        &json!({"metadata": {"annotations": {"example.com/a": "2"}}}),
        &["metadata.annotations[example.com/a]: `1` -> `2`"],
    );
}

#[test]
fn an_absent_field_and_null_are_the_same() {
    check(&json!({"spec": {"a": null}}), &json!({"spec": {}}), &[]);
}

#[test]
fn immutable_fields_are_found_under_the_one_the_server_names() {
    let live = json!({"kind": "StatefulSet", "spec": {"serviceName": "a", "replicas": 1, "podManagementPolicy": "OrderedReady"}});
    let wanted = json!({"kind": "StatefulSet", "spec": {"serviceName": "b", "replicas": 2}});
    let found = differing(&live, &wanted, &["spec".to_owned()], &["replicas".to_owned()]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "`spec.serviceName` is `a` and would be `b`");
}

#[test]
fn a_service_address_is_found_where_manifests_write_it() {
    let live = json!({"kind": "Service", "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}});
    let wanted = json!({"kind": "Service", "spec": {"clusterIP": "10.0.0.2"}});
    let found = differing(&live, &wanted, &["spec.clusterIPs[0]".to_owned()], &[]);
    assert_eq!(found[0].path, "spec.clusterIP");
}

#[test]
fn fields_are_found_as_the_server_writes_them() {
    let object = json!({"spec": {"ports": [{"port": 80}]}, "data": {".dockerconfigjson": "x"}});
    assert_eq!(find(&object, "spec.ports[0].port"), Some(&json!(80)));
    assert_eq!(find(&object, "data[.dockerconfigjson]"), Some(&json!("x")));
    assert_eq!(find(&object, "spec.ports[1]"), None);
    assert_eq!(find(&object, "spec[ports"), None);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z./\n]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("(name|type|data|metadata|status|[a-c])", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_object_does_not_differ_from_itself(object in any_value()) {
        prop_assert_eq!(diff(&object, &object), vec![]);
    }

    #[test]
    fn changes_are_seen_both_ways(one in any_value(), other in any_value()) {
        let (there, back) = (diff(&one, &other), diff(&other, &one));
        prop_assert_eq!(there.len(), back.len());
        let paths = |changes: &[FieldChange]| changes.iter().map(|change| change.path.clone()).collect::<BTreeSet<_>>();
        prop_assert_eq!(paths(&there), paths(&back));
    }

    #[test]
    fn no_field_of_any_object_makes_lookup_panic(object in any_value(), field in "[a-c.\\[\\]0-9]{0,12}") {
        find(&object, &field);
    }
}
