use serde_json::json;

use super::kinds::{CONFIG_MAP, DEPLOYMENT, JOB, POD};
use super::*;

fn objects() -> Objects {
    let objects = Objects::new();
    let shop = json!({"metadata": {"name": "shop"}, "spec": {"finalizers": ["kubernetes"]}});
    objects.create(&NAMESPACE, shop).unwrap();
    objects
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}})
}

fn bound_pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 7}})
}

fn version(object: &Value) -> Option<u64> {
    text(object, "resourceVersion").parse().ok()
}

fn get(objects: &Objects, kind: &Kind, name: &str) -> Option<Arc<Value>> {
    objects.get(kind, Some("shop"), name)
}

fn delete(objects: &Objects, kind: &Kind, name: &str, deletion: &Deletion) -> Deleted {
    objects.delete(kind, Some("shop"), name, deletion).unwrap()
}

#[test]
fn a_new_object_gets_identity_time_and_version() {
    let objects = objects();
    let made = objects.create(&DEPLOYMENT, named("web")).unwrap();
    assert_eq!((made["apiVersion"].as_str(), made["kind"].as_str()), (Some("apps/v1"), Some("Deployment")));
    assert_eq!(text(&made, "uid").len(), 36);
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(version(&made), Some(objects.version()));
    assert_eq!(get(&objects, &DEPLOYMENT, "web"), Some(made));
}

#[test]
fn a_name_is_taken_once() {
    let objects = objects();
    objects.create(&CONFIG_MAP, named("c")).unwrap();
    let error = objects.create(&CONFIG_MAP, named("c")).unwrap_err();
    assert_eq!(error.to_string(), "configmaps \"c\" already exists");
}

#[test]
fn nothing_is_made_in_a_namespace_that_is_not_there_or_goes() {
    let objects = objects();
    let elsewhere = json!({"metadata": {"name": "c", "namespace": "nowhere"}});
    let error = objects.create(&CONFIG_MAP, elsewhere).unwrap_err();
    assert_eq!(error.to_string(), "namespaces \"nowhere\" not found");
    let marked = objects.delete(&NAMESPACE, None, "shop", &Deletion::default()).unwrap();
    assert!(matches!(marked, Deleted::Marked(_)), "its content goes first");
    let error = objects.create(&CONFIG_MAP, named("c")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configmaps \"c\" is forbidden: unable to create new content in namespace shop because it is being terminated"
    );
    objects.update(&NAMESPACE, None, "shop", |shop| shop["spec"]["finalizers"] = json!([])).unwrap();
    assert_eq!(objects.get(&NAMESPACE, None, "shop"), None);
}

#[test]
fn a_stale_write_is_refused_and_one_that_changes_nothing_is_none() {
    let objects = objects();
    let first = objects.create(&CONFIG_MAP, named("c")).unwrap();
    let mut second = Value::clone(&first);
    second["data"] = json!({"a": "1"});
    let written = objects.replace(&CONFIG_MAP, second.clone()).unwrap();
    assert!(version(&written) > version(&first));
    assert!(matches!(objects.replace(&CONFIG_MAP, second), Err(ObjectError::Stale { .. })));
    assert_eq!(objects.replace(&CONFIG_MAP, Value::clone(&written)).unwrap(), written);
}

#[test]
fn object_and_status_are_written_apart() {
    let objects = objects();
    objects.create(&DEPLOYMENT, named("web")).unwrap();
    let mut both = named("web");
    both["spec"] = json!({"replicas": 2});
    both["status"] = json!({"replicas": 1});
    let replaced = objects.replace(&DEPLOYMENT, both.clone()).unwrap();
    assert_eq!((&replaced["spec"], replaced.get("status")), (&both["spec"], None));
    both["spec"] = json!({"replicas": 9});
    let status = objects.replace_status(&DEPLOYMENT, both.clone()).unwrap();
    assert_eq!((&status["spec"]["replicas"], &status["status"]), (&json!(2), &both["status"]));
    assert_eq!(meta::generation(&status), 2);
}

#[test]
fn a_dry_run_answers_and_leaves_nothing() {
    let objects = objects();
    let before = objects.version();
    let tried = objects.create_in(Mode::DryRun, &CONFIG_MAP, named("c")).unwrap();
    assert_eq!(text(&tried, "name"), "c");
    assert_eq!((get(&objects, &CONFIG_MAP, "c"), objects.version()), (None, before));
}

#[test]
fn a_deletion_means_one_object() {
    let objects = objects();
    let made = objects.create(&CONFIG_MAP, named("c")).unwrap();
    let other = Deletion { uid: Some("other".to_owned()), ..Deletion::default() };
    let error = objects.delete(&CONFIG_MAP, Some("shop"), "c", &other).unwrap_err();
    let words = format!(
        "Operation cannot be fulfilled on ConfigMap \"c\": the UID in the precondition (other) does not match the UID in record ({}). The object might have been deleted and then recreated",
        text(&made, "uid")
    );
    assert_eq!(error.to_string(), words);
    let same = Deletion { uid: Some(text(&made, "uid").to_owned()), ..Deletion::default() };
    assert!(matches!(delete(&objects, &CONFIG_MAP, "c", &same), Deleted::Gone(_)));
}

#[test]
fn a_finalizer_holds_an_object_until_it_is_taken_away() {
    let objects = objects();
    let mut held = named("c");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    objects.create(&CONFIG_MAP, held).unwrap();
    let Deleted::Marked(marked) = delete(&objects, &CONFIG_MAP, "c", &Deletion::default()) else {
        panic!("it is held");
    };
    let again = delete(&objects, &CONFIG_MAP, "c", &Deletion::default());
    assert_eq!(again, Deleted::Marked(marked), "deleting twice is deleting once");
    let release = |object: &mut Value| object["metadata"]["finalizers"] = json!([]);
    objects.update(&CONFIG_MAP, Some("shop"), "c", release).unwrap();
    assert_eq!(get(&objects, &CONFIG_MAP, "c"), None);
}

#[test]
fn propagation_is_told_to_the_garbage_collector() {
    let check = |kind: &Kind, propagation: Option<Propagation>, expect: Option<&str>| {
        let objects = objects();
        objects.create(kind, named("a")).unwrap();
        let deletion = Deletion { propagation, ..Deletion::default() };
        let finalizers = match delete(&objects, kind, "a", &deletion) {
            Deleted::Gone(_) => None,
            Deleted::Marked(object) => object["metadata"]["finalizers"][0].as_str().map(str::to_owned),
        };
        assert_eq!(finalizers.as_deref(), expect);
    };
    check(&DEPLOYMENT, None, None);
    check(&JOB, None, Some("orphan"));
    check(&JOB, Some(Propagation::Background), None);
    check(&DEPLOYMENT, Some(Propagation::Foreground), Some("foregroundDeletion"));
    check(&DEPLOYMENT, Some(Propagation::Orphan), Some("orphan"));
}

#[test]
fn a_pod_that_runs_is_ended_by_its_kubelet() {
    let objects = objects();
    objects.create(&POD, bound_pod("db-0")).unwrap();
    let Deleted::Marked(marked) = delete(&objects, &POD, "db-0", &Deletion::default()) else {
        panic!("it runs");
    };
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 7);
    let at_once = Deletion { grace: Some(0), ..Deletion::default() };
    assert!(matches!(delete(&objects, &POD, "db-0", &at_once), Deleted::Gone(_)));
    objects.create(&POD, named("unbound")).unwrap();
    assert!(matches!(delete(&objects, &POD, "unbound", &Deletion::default()), Deleted::Gone(_)));
}

#[tokio::test]
async fn a_watch_tells_what_happened_after_its_version() {
    let objects = objects();
    objects.create(&CONFIG_MAP, named("before")).unwrap();
    let from = objects.version();
    let mut watch = objects.watch(&CONFIG_MAP, Some("shop"), from).unwrap();
    let made = objects.create(&CONFIG_MAP, named("c")).unwrap();
    objects.create(&POD, named("other-kind")).unwrap();
    delete(&objects, &CONFIG_MAP, "c", &Deletion::default());
    let added = watch.next().await.unwrap().unwrap();
    assert_eq!((added.kind, &added.object, added.previous), (ChangeKind::Added, &made, None));
    let deleted = watch.next().await.unwrap().unwrap();
    assert_eq!((deleted.kind, deleted.previous), (ChangeKind::Deleted, Some(made)));
    let waiting = tokio::spawn(async move { watch.next().await.unwrap().unwrap().version });
    let late = objects.create(&CONFIG_MAP, named("late")).unwrap();
    assert_eq!(waiting.await.ok(), version(&late));
}

#[tokio::test]
async fn a_watch_of_one_namespace_hears_of_no_other() {
    let objects = objects();
    objects.create(&NAMESPACE, json!({"metadata": {"name": "other"}})).unwrap();
    let mut watch = objects.watch(&CONFIG_MAP, Some("shop"), objects.version()).unwrap();
    objects.create(&CONFIG_MAP, json!({"metadata": {"name": "c", "namespace": "other"}})).unwrap();
    let here = objects.create(&CONFIG_MAP, named("c")).unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().object, here);
}

#[tokio::test]
async fn what_is_too_old_has_expired() {
    let objects = objects();
    objects.create(&CONFIG_MAP, named("c")).unwrap();
    let from = objects.version();
    let mut behind = objects.watch(&CONFIG_MAP, None, from).unwrap();
    for round in 0..1_100 {
        objects
            .update(&CONFIG_MAP, Some("shop"), "c", |object| object["data"] = json!({"r": round}))
            .unwrap();
    }
    assert!(objects.watch(&CONFIG_MAP, None, from).is_err());
    assert!(behind.next().await.unwrap().is_err(), "a slow watch is told to list again");
}

#[tokio::test]
async fn a_kind_that_is_forgotten_ends_its_watches() {
    let objects = objects();
    let mut watch = objects.watch(&CONFIG_MAP, None, objects.version()).unwrap();
    objects.forget(&CONFIG_MAP.resource());
    assert!(watch.next().await.is_none());
}
