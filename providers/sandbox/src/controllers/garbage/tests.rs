use serde_json::{Value, json};

use crate::controllers::bench::Bench;
use crate::objects::kinds::{
    CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT, NAMESPACE, POD, REPLICA_SET, SECRET, SERVICE_ACCOUNT,
};
use crate::objects::{Deletion, Propagation};

fn owned_by(owner: &Value, name: &str) -> Value {
    let owner = json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
    });
    json!({ "metadata": { "name": name, "ownerReferences": [owner] } })
}

fn deployment() -> Value {
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": "web:1" }] },
            },
        },
    })
}

fn running() -> Bench {
    let mut bench = Bench::new();
    bench.create(&DEPLOYMENT, deployment());
    bench.run_pods(|_| false);
    for pod in bench.names(&POD) {
        bench.patch(&POD, &pod, &json!({ "spec": { "nodeName": "node-0" } }));
    }
    bench
}

fn how(propagation: Propagation) -> Deletion {
    Deletion { propagation: Some(propagation), ..Deletion::default() }
}

#[test]
fn what_is_owned_goes_with_its_owner() {
    let mut bench = running();
    bench.delete(&DEPLOYMENT, "web", &Deletion::default());
    assert!(!bench.exists(&DEPLOYMENT, "web"));
    bench.run_pods(|_| false);
    assert!(bench.names(&REPLICA_SET).is_empty() && bench.names(&POD).is_empty());
}

#[test]
fn in_the_foreground_the_owner_goes_last() {
    let mut bench = running();
    bench.delete(&DEPLOYMENT, "web", &how(Propagation::Foreground));
    bench.settle();
    assert!(bench.exists(&DEPLOYMENT, "web"));
    assert!(bench.all(&POD).iter().all(|pod| pod["metadata"]["deletionTimestamp"].is_string()));
    bench.run_pods(|_| false);
    assert!(!bench.exists(&DEPLOYMENT, "web") && bench.names(&REPLICA_SET).is_empty());
}

#[test]
fn orphans_stay_and_are_taken_up_by_the_next_owner() {
    let mut bench = running();
    let pods = bench.names(&POD);
    bench.delete(&DEPLOYMENT, "web", &how(Propagation::Orphan));
    bench.settle();
    assert!(!bench.exists(&DEPLOYMENT, "web"));
    assert_eq!(bench.names(&POD), pods);
    bench.create(&DEPLOYMENT, deployment());
    bench.run_pods(|_| false);
    assert_eq!(bench.names(&POD), pods);
}

#[test]
fn one_living_owner_is_enough() {
    let mut bench = Bench::new();
    let first = bench.create(&CONFIG_MAP, json!({ "metadata": { "name": "first" } }));
    let second = bench.create(&CONFIG_MAP, json!({ "metadata": { "name": "second" } }));
    let mut owned = owned_by(&first, "owned");
    let other = owned_by(&second, "owned")["metadata"]["ownerReferences"][0].clone();
    owned["metadata"]["ownerReferences"].as_array_mut().unwrap().push(other);
    bench.create(&SECRET, owned);
    bench.delete(&CONFIG_MAP, "first", &Deletion::default());
    bench.settle();
    assert!(bench.exists(&SECRET, "owned"));
    bench.delete(&CONFIG_MAP, "second", &Deletion::default());
    bench.settle();
    assert!(!bench.exists(&SECRET, "owned"));
}

#[test]
fn what_definitions_add_is_collected_too() {
    let mut bench = Bench::new();
    let names = json!({ "kind": "Shop", "plural": "shops" });
    let versions = json!([{ "name": "v1", "served": true, "storage": true }]);
    let spec = json!({ "group": "example.org", "scope": "Namespaced", "names": names, "versions": versions });
    let definition = bench.create(
        &CUSTOM_RESOURCE_DEFINITION,
        json!({ "metadata": { "name": "shops.example.org" }, "spec": spec }),
    );
    bench.settle();
    let kind = crate::api::served::kinds_of(&definition).remove(0).0;
    let owner = bench.create(&kind, json!({ "metadata": { "name": "first" } }));
    bench.create(&CONFIG_MAP, owned_by(&owner, "owned"));
    bench.create(&kind, owned_by(&owner, "second"));
    bench.settle();
    assert!(bench.exists(&kind, "second") && bench.exists(&CONFIG_MAP, "owned"));
    bench.delete(&kind, "first", &Deletion::default());
    bench.settle();
    assert!(!bench.exists(&kind, "second") && !bench.exists(&CONFIG_MAP, "owned"));
}

#[test]
fn a_namespace_goes_with_all_that_is_in_it() {
    let mut bench = running();
    bench.patch(&NAMESPACE, "shop", &json!({ "spec": { "finalizers": ["kubernetes"] } }));
    bench.settle();
    assert!(bench.exists(&SERVICE_ACCOUNT, "default"));
    bench.delete(&NAMESPACE, "shop", &Deletion::default());
    bench.settle();
    assert_eq!(bench.get(&NAMESPACE, "shop")["status"]["phase"], "Terminating");
    bench.run_pods(|_| false);
    assert!(!bench.exists(&NAMESPACE, "shop"));
    assert!(bench.names(&DEPLOYMENT).is_empty() && bench.names(&CONFIG_MAP).is_empty());
}
