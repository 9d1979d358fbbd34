use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use windlass_cluster::{AppliedObject, ApplyHook, ApplyOptions, Change, NoHook, Planned, Wrote};
use windlass_core::failure::{ClusterFailure, FailureClass};

use crate::space::{Space, config_map, workload};

fn release(image: &str) -> Vec<serde_json::Value> {
    vec![
        workload("StatefulSet", "db", image),
        config_map("init", "one"),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"PASSWORD": "hunter2"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 5432}]}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "postgres-serv"}, "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]}}),
    ]
}

fn changes(planned: &[Planned]) -> Vec<String> {
    let line = |planned: &Planned| match &planned.change {
        Change::Created => format!("+ {}", planned.reference),
        Change::Unchanged => format!("= {}", planned.reference),
        Change::Changed { fields } => {
            let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
            format!("~ {} {}", planned.reference, fields.join(", "))
        }
    };
    planned.iter().map(line).collect()
}

#[tokio::test]
async fn a_release_is_created_in_order_and_then_left_alone() {
    let space = Space::new().await;
    let planned = space.plan(&release("db:1")).await;
    assert_eq!(
        changes(&planned),
        ["+ ConfigMap/init", "+ Secret/login", "+ Service/db", "+ Service/postgres-serv", "+ StatefulSet/db"]
    );
    assert!(space.get("v1", "ConfigMap", "init").await.is_none(), "a dry run writes nothing");

    let first = space.apply(&release("db:1")).await;
    assert!(first.iter().all(|object| object.wrote == Wrote::Created && !object.uid.is_empty()));
    let second = space.plan(&release("db:1")).await;
    assert!(second.iter().all(|planned| planned.change == Change::Unchanged), "{second:?}");
    let second = space.apply(&release("db:1")).await;
    assert!(second.iter().all(|object| object.wrote == Wrote::Nothing));
    let stored = |applied: &[AppliedObject]| -> Vec<_> {
        let configuration = applied.iter().filter(|object| object.reference.kind != "StatefulSet");
        configuration
            .map(|object| (object.reference.to_string(), object.uid.clone(), object.resource_version.clone()))
            .collect()
    };
    assert_eq!(stored(&first), stored(&second), "an unchanged object is not written");
    assert_eq!(first[4].generation, second[4].generation);
}

#[tokio::test]
async fn a_change_is_told_field_by_field_and_written_alone() {
    let space = Space::new().await;
    space.apply(&release("db:1")).await;
    let planned = space.plan(&release("db:2")).await;
    assert_eq!(
        changes(&planned),
        [
            "= ConfigMap/init",
            "= Secret/login",
            "= Service/db",
            "= Service/postgres-serv",
            "~ StatefulSet/db `spec.template.spec.containers[main].image` is `db:1` and would be `db:2`",
        ]
    );
    let applied = space.apply(&release("db:2")).await;
    let written: Vec<String> = applied
        .iter()
        .filter(|object| object.wrote != Wrote::Nothing)
        .map(|object| object.reference.to_string())
        .collect();
    assert_eq!(written, ["StatefulSet/db"]);
    assert_eq!(applied[4].generation, Some(2));
}

#[tokio::test]
async fn a_field_that_left_the_release_is_removed() {
    let space = Space::new().await;
    let with = |data: serde_json::Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
    space.apply(&[with(json!({"a": "1", "b": "2"}))]).await;
    let planned = space.plan(&[with(json!({"a": "1"}))]).await;
    assert_eq!(changes(&planned), ["~ ConfigMap/c `data.b` is `2` and would be nothing"]);
    space.apply(&[with(json!({"a": "1"}))]).await;
    assert_eq!(space.get("v1", "ConfigMap", "c").await.unwrap()["data"], json!({"a": "1"}));
}

#[tokio::test]
async fn a_secret_changes_without_showing_values() {
    let space = Space::new().await;
    space.apply(&release("db:1")).await;
    let mut next = release("db:1");
    next[2]["stringData"]["PASSWORD"] = "correct horse".into();
    let planned = space.plan(&next).await;
    assert_eq!(
        changes(&planned)[1],
        "~ Secret/login `data.PASSWORD` is a secret value and would be a secret value"
    );
    let shown = format!("{planned:?}");
    for value in ["hunter2", "aHVudGVyMg", "correct horse", "Y29ycmVjdCBob3JzZQ"] {
        assert!(!shown.contains(value), "{shown}");
    }
}

#[tokio::test]
async fn fields_of_others_are_taken_and_told() {
    let space = Space::new().await;
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {key: theirs, other: theirs}\n";
    space
        .namespace
        .bed()
        .kubectl_with(&["apply", "--namespace", space.name(), "--filename", "-"], file)
        .expect_success();
    let planned = space.plan(&[config_map("c", "ours")]).await;
    let taken = &planned[0].taken;
    assert_eq!(taken.len(), 1);
    assert_eq!(
        (taken[0].manager.as_str(), taken[0].path.as_str()),
        ("kubectl-client-side-apply", "data.key")
    );
    assert!(taken[0].since.is_some());
    space.apply(&[config_map("c", "ours")]).await;
    let data = space.get("v1", "ConfigMap", "c").await.unwrap()["data"].clone();
    assert_eq!(data, json!({"key": "ours"}), "windlass takes the place of `kubectl apply`");
    assert!(space.plan(&[config_map("c", "ours")]).await[0].taken.is_empty());
}

#[tokio::test]
async fn what_kubectl_applied_and_the_release_does_not_hold_goes() {
    let space = Space::new().await;
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {old: label}}\ndata: {key: same, old: value}\n";
    let apply = ["apply", "--namespace", space.name(), "--filename", "-"];
    space.namespace.bed().kubectl_with(&apply, file).expect_success();
    space.namespace.kubectl(&["annotate", "configmap", "c", "a-person=was-here"]).expect_success();
    let planned = space.plan(&[config_map("c", "same")]).await;
    assert_eq!(
        changes(&planned),
        [
            "~ ConfigMap/c `data.old` is `value` and would be nothing, `metadata.labels.old` is `label` and would be nothing"
        ]
    );
    space.cluster.apply(&planned, &NoHook).await.unwrap();
    let stored = space.get("v1", "ConfigMap", "c").await.unwrap();
    assert_eq!(stored["data"], json!({"key": "same"}));
    assert_eq!(stored["metadata"]["labels"], json!(null));
    assert_eq!(stored["metadata"]["annotations"], json!({"a-person": "was-here"}));
    assert_eq!(space.plan(&[config_map("c", "same")]).await[0].change, Change::Unchanged);
}

#[tokio::test]
async fn what_others_wrote_as_wanted_becomes_ours() {
    let space = Space::new().await;
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {key: same}\n";
    space
        .namespace
        .bed()
        .kubectl_with(&["apply", "--namespace", space.name(), "--filename", "-"], file)
        .expect_success();
    let planned = space.plan(&[config_map("c", "same")]).await;
    assert_eq!(planned[0].change, Change::Changed { fields: Vec::new() });
    space.apply(&[config_map("c", "same")]).await;
    assert_eq!(space.plan(&[config_map("c", "same")]).await[0].change, Change::Unchanged);
}

#[tokio::test]
async fn a_conflict_can_be_refused() {
    let space = Space::new().await;
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {key: theirs}\n";
    space.namespace.apply(file);
    let options = ApplyOptions { refuse_conflicts: Box::new(|_| true) };
    let refused = space.cluster.dry_run(&[config_map("c", "ours")], &options).await.unwrap_err();
    let error = &refused.errors()[0];
    assert_eq!(error.failure(), ClusterFailure::FieldConflict);
    assert_eq!(
        error.to_string(),
        format!("cannot apply `ConfigMap {}/c`: `data.key` is owned by `kubectl`", space.name())
    );
}

#[tokio::test]
async fn an_immutable_field_is_named_with_both_values() {
    let space = Space::new().await;
    space.apply(&[workload("StatefulSet", "db", "db:1"), workload("Deployment", "web", "web:1")]).await;
    let mut set = workload("StatefulSet", "db", "db:1");
    set["spec"]["serviceName"] = "other".into();
    set["spec"]["replicas"] = 2.into();
    let mut deployment = workload("Deployment", "web", "web:1");
    deployment["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    deployment["spec"]["template"]["metadata"]["labels"]["app"] = "other".into();
    let refused = space.cluster.dry_run(&[set, deployment], &ApplyOptions::default()).await.unwrap_err();
    let lines: Vec<String> = refused.errors().iter().map(|error| error.words().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "cannot be changed once the object exists: `spec.selector.matchLabels.app` is `web` and would be `other`",
            "cannot be changed once the object exists: `spec.serviceName` is `db` and would be `other`",
        ]
    );
    assert!(refused.errors().iter().all(|error| error.failure() == ClusterFailure::Immutable));
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let space = Space::new().await;
    let mut unknown_field = workload("Deployment", "web", "web:1");
    unknown_field["spec"]["replica"] = 2.into();
    let mut invalid = workload("Deployment", "api", "api:1");
    invalid["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"containerPort": 70000}]);
    let objects = [
        config_map("good", "x"),
        unknown_field,
        invalid,
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"PASSWORD": 12345}}),
        json!({"apiVersion": "example.com/v1", "kind": "Cup", "metadata": {"name": "c"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "nowhere"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
    ];
    let refused = space.cluster.dry_run(&objects, &ApplyOptions::default()).await.unwrap_err();
    let lines: Vec<String> = refused.errors().iter().map(ToString::to_string).collect();
    let space = space.name();
    assert_eq!(
        lines,
        [
            "cannot apply an object of the release: object has no `metadata.name`".to_owned(),
            "cannot apply `ConfigMap nowhere/c`: namespaces \"nowhere\" not found".to_owned(),
            format!("cannot apply `Secret {space}/s`: `stringData.PASSWORD`: expected string"),
            "cannot apply `Cup c`: the cluster does not know the kind `Cup` of `example.com/v1`".to_owned(),
            format!(
                "cannot apply `Deployment {space}/api`: `spec.template.spec.containers[0].ports[0].containerPort`: Invalid value: 70000: must be between 1 and 65535, inclusive"
            ),
            format!("cannot apply `Deployment {space}/web`: `spec.replica`: field not declared in schema"),
        ]
    );
    assert_eq!(refused.class(), FailureClass::User);
}

#[tokio::test]
async fn warnings_of_the_server_are_kept() {
    let space = Space::new().await;
    let mut object = workload("Deployment", "web", "web:1");
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({"beta.kubernetes.io/os": "linux"});
    let warnings = &space.plan(&[object]).await[0].warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("deprecated since v1.14"), "{warnings:?}");
}

#[tokio::test]
async fn an_object_that_stands_twice_in_a_release_is_refused() {
    let space = Space::new().await;
    let refused = space
        .cluster
        .dry_run(&[config_map("c", "1"), config_map("c", "2")], &ApplyOptions::default())
        .await
        .unwrap_err();
    assert_eq!(refused.errors()[0].words(), "the release holds it twice");
}

/// Stops before the write of this number.
struct StopAt(usize, AtomicUsize);

impl ApplyHook for StopAt {
    fn may_write(&self, _: &Planned) -> bool {
        self.1.fetch_add(1, Ordering::Relaxed) < self.0
    }

    fn written(&self, _: &AppliedObject) {}
}

#[tokio::test]
async fn the_hook_ends_an_apply_between_two_writes() {
    let space = Space::new().await;
    let planned = space.plan(&release("db:1")).await;
    let stopped = space.cluster.apply(&planned, &StopAt(2, AtomicUsize::new(0))).await.unwrap_err();
    assert!(stopped.refusals.is_none() && stopped.has_written());
    assert_eq!(stopped.applied.len(), 2);
    assert!(space.get("apps/v1", "StatefulSet", "db").await.is_none());
}

#[tokio::test]
async fn the_first_error_ends_the_stage_and_says_what_is_written() {
    let space = Space::new().await;
    let planned = space.plan(&[config_map("a", "1"), workload("Deployment", "web", "web:1")]).await;
    // Between the plan and the apply somebody else makes the workload in a way that cannot be changed.
    let mut other = workload("Deployment", "web", "web:1");
    other["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    other["spec"]["template"]["metadata"]["labels"]["app"] = "other".into();
    space.namespace.apply(&other.to_string());
    let stopped = space.cluster.apply(&planned, &NoHook).await.unwrap_err();
    assert_eq!(stopped.applied.len(), 1);
    assert_eq!(stopped.class(), Some(FailureClass::User));
    assert!(stopped.unsure.is_empty());
}
