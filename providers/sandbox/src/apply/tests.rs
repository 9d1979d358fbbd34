use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::objects::kinds::{CONFIG_MAP, DEPLOYMENT};
use crate::schema;

fn writer(manager: &str) -> Writer {
    Writer {
        manager: manager.to_owned(),
        operation: Operation::Apply,
        subresource: String::new(),
        api_version: "apps/v1".to_owned(),
    }
}

fn deployment_schema() -> &'static Schema {
    schema::of_kind(&DEPLOYMENT).unwrap()
}

fn by(manager: &str, live: Option<&Value>, wish: &Value) -> Value {
    apply(live, wish, deployment_schema(), &writer(manager), false).unwrap()
}

fn without_managers(mut object: Value) -> Value {
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    object
}

fn with_containers(containers: &Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": containers}}}})
}

#[test]
fn what_somebody_else_wished_stays() {
    let ours = by("us", None, &json!({"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 1}}));
    let both = by("them", Some(&ours), &json!({"metadata": {"labels": {"b": "2"}}}));
    assert_eq!(without_managers(both)["metadata"]["labels"], json!({"a": "1", "b": "2"}));
}

#[test]
fn another_value_for_a_field_of_somebody_else_is_a_conflict() {
    let ours = by("us", None, &json!({"metadata": {}, "spec": {"replicas": 1}}));
    let wish = json!({"metadata": {}, "spec": {"replicas": 2}});
    let conflicts = apply(Some(&ours), &wish, deployment_schema(), &writer("them"), false).unwrap_err();
    let found: Vec<_> = conflicts.iter().map(|one| (one.owner.manager.as_str(), one.path.as_str())).collect();
    assert_eq!(found, [("us", ".spec.replicas")]);
    let taken = apply(Some(&ours), &wish, deployment_schema(), &writer("them"), true).unwrap();
    assert_eq!(taken["spec"]["replicas"], 2);
    let owners: Vec<String> = Managers::of(&taken).0.into_iter().map(|owned| owned.writer.manager).collect();
    assert_eq!(owners, ["them"]);
}

#[test]
fn the_same_value_is_shared() {
    let wish = json!({"metadata": {}, "spec": {"replicas": 1}});
    let shared = by("them", Some(&by("us", None, &wish)), &wish);
    assert_eq!(Managers::of(&shared).0.len(), 2);
    let given_up = by("us", Some(&shared), &json!({"metadata": {}}));
    assert_eq!(given_up["spec"]["replicas"], 1, "they still wish it");
}

#[test]
fn items_are_known_by_their_keys() {
    let ours = by(
        "us",
        None,
        &with_containers(&json!([{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}])),
    );
    let added = by("them", Some(&ours), &with_containers(&json!([{"name": "side", "image": "s"}])));
    let changed = by("us", Some(&added), &with_containers(&json!([{"name": "b", "image": "b:2"}])));
    let containers = &changed["spec"]["template"]["spec"]["containers"];
    assert_eq!(*containers, json!([{"name": "side", "image": "s"}, {"name": "b", "image": "b:2"}]));
}

#[test]
fn a_field_that_is_given_up_goes_with_its_defaults() {
    let mut live = by(
        "us",
        None,
        &with_containers(&json!([{"name": "a", "livenessProbe": {"tcpSocket": {"port": 80}}}])),
    );
    live["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["periodSeconds"] = 10.into();
    let next = by("us", Some(&live), &with_containers(&json!([{"name": "a"}])));
    assert_eq!(next["spec"]["template"]["spec"]["containers"], json!([{"name": "a"}]));
}

#[test]
fn an_object_that_nobody_applied_belongs_to_before() {
    let live = json!({"metadata": {"name": "web"}, "spec": {"replicas": 3}});
    let wish = json!({"metadata": {}, "spec": {"replicas": 1}});
    let conflicts = apply(Some(&live), &wish, deployment_schema(), &writer("us"), false).unwrap_err();
    assert_eq!(conflicts[0].owner.manager, "before-first-apply");
}

#[test]
fn a_write_that_is_no_apply_owns_what_it_changed() {
    let live = by("us", None, &json!({"metadata": {}, "spec": {"replicas": 1, "paused": false}}));
    let mut new = live.clone();
    new["spec"]["replicas"] = 5.into();
    let scaler = Writer { operation: Operation::Update, ..writer("scaler") };
    track(Some(&live), &mut new, deployment_schema(), &scaler);
    let managers = Managers::of(&new);
    assert_eq!(managers.get(&scaler).unwrap().paths(), [".spec.replicas"]);
    assert_eq!(managers.get(&writer("us")).unwrap().paths(), [".spec.paused"]);
}

/// A wish for a Deployment: labels, keyed lists within keyed lists, atomic lists and atomic maps.
fn wishes() -> impl Strategy<Value = Value> {
    let texts = || proptest::collection::btree_map("[abc]", "[xy]", 0..3);
    let ports = proptest::collection::btree_set(1..4_u16, 0..3);
    let container = (ports, texts(), proptest::option::of("[pq]"), proptest::collection::vec("[mn]", 0..3));
    let containers = proptest::collection::btree_map("[def]", container, 0..3);
    (texts(), proptest::option::of(0..3_u8), texts(), containers).prop_map(|(labels, replicas, selector, containers)| {
        let containers: Vec<Value> = containers.into_iter().map(|(name, (ports, env, image, command))| {
            let ports: Vec<Value> = ports.into_iter().map(|port| json!({"containerPort": port})).collect();
            let env: Vec<Value> = env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            let mut container = json!({"name": name, "ports": ports, "env": env, "command": command});
            if let Some(image) = image { container["image"] = image.into(); }
            container
        }).collect();
        let mut wish = json!({"metadata": {"name": "web", "labels": labels},
            "spec": {"selector": {"matchLabels": selector}, "template": {"spec": {"containers": containers}}}});
        if let Some(replicas) = replicas { wish["spec"]["replicas"] = replicas.into(); }
        wish
    })
}

fn forced(manager: &str, live: Option<&Value>, wish: &Value) -> Value {
    apply(live, wish, deployment_schema(), &writer(manager), true).unwrap()
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(first in wishes(), theirs in wishes(), wish in wishes()) {
        let live = forced("them", Some(&forced("us", None, &first)), &theirs);
        let once = forced("us", Some(&live), &wish);
        prop_assert_eq!(forced("us", Some(&once), &wish), once);
    }

    #[test]
    fn wishing_nothing_removes_just_what_was_owned(ours in wishes()) {
        let nothing = json!({"metadata": {"name": "web"}});
        let theirs = json!({"metadata": {"name": "web", "annotations": {"of": "theirs"}}});
        let live = by("us", Some(&by("them", None, &theirs)), &ours);
        prop_assert_eq!(without_managers(by("us", Some(&live), &nothing)), theirs);
    }

    #[test]
    fn what_is_wished_is_there(first in wishes(), wish in wishes()) {
        let object = forced("us", Some(&forced("them", None, &first)), &wish);
        prop_assert_eq!(merge::merge(&object, &wish, deployment_schema()), object);
    }

    #[test]
    fn sets_of_fields_survive_being_written(wish in wishes()) {
        let set = FieldSet::managed(&wish, deployment_schema());
        prop_assert_eq!(FieldSet::from_json(&set.to_json()), set);
    }
}

#[test]
fn keys_of_maps_are_owned_one_by_one() {
    let schema = schema::of_kind(&CONFIG_MAP).unwrap();
    let one = apply(None, &json!({"data": {"a": "1"}}), schema, &writer("us"), false).unwrap();
    let two = apply(Some(&one), &json!({"data": {"b": "2"}}), schema, &writer("them"), false).unwrap();
    let less = apply(Some(&two), &json!({"metadata": {}}), schema, &writer("us"), false).unwrap();
    assert_eq!(less["data"], json!({"b": "2"}));
}
