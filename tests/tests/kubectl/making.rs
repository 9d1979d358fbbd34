//! Making objects from words instead of manifests: `kubectl` sends them in protobuf.

use windlass_tests::testbed::Bed;

use crate::{columns, fails, run, shows};

#[test]
fn create_makes_a_namespace() {
    let space = Bed::shared().namespace();
    let name = format!("{}-made", space.name());
    assert_eq!(run(&space, &format!("create namespace {name}")), format!("namespace/{name} created\n"));
    let labels = run(&space, &format!("get namespace {name} -o jsonpath={{.metadata.labels}}"));
    assert_eq!(labels, format!("{{\"kubernetes.io/metadata.name\":\"{name}\"}}"));
    let again = format!("create namespace {name}");
    assert_eq!(
        fails(&space, &again),
        format!("Error from server (AlreadyExists): namespaces \"{name}\" already exists\n")
    );
    run(&space, &format!("delete namespace {name} --timeout=60s"));
}

#[test]
fn create_makes_data() {
    let space = Bed::shared().namespace();
    assert_eq!(
        run(&space, "create configmap settings --from-literal=colour=blue"),
        "configmap/settings created\n"
    );
    assert_eq!(run(&space, "get configmap settings -o jsonpath={.data}"), "{\"colour\":\"blue\"}");
    assert_eq!(
        run(&space, "create secret generic login --from-literal=password=open"),
        "secret/login created\n"
    );
    assert_eq!(run(&space, "get secret login -o jsonpath={.type}:{.data.password}"), "Opaque:b3Blbg==");
    shows(&columns(&run(&space, "get secrets login")), &["NAME TYPE DATA AGE\nlogin Opaque 1 "]);
    shows(
        &fails(&space, "create configmap Settings"),
        &["ConfigMap \"Settings\" is invalid: metadata.name: Invalid value: \"Settings\""],
    );
}

#[test]
fn create_makes_what_runs_and_how_it_is_reached() {
    let space = Bed::shared().namespace();
    assert_eq!(
        run(&space, "create deployment web --image=web:1 --replicas=2 --port=80"),
        "deployment.apps/web created\n"
    );
    run(&space, "rollout status deployment/web --timeout=60s");
    assert_eq!(run(&space, "expose deployment web --port=80"), "service/web exposed\n");
    shows(
        &columns(&run(&space, "get service web")),
        &["NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE\nweb ClusterIP ", " <none> 80/TCP "],
    );
    assert_eq!(
        run(&space, "create deployment idle --image=idle:1 --replicas=0"),
        "deployment.apps/idle created\n"
    );
    assert_eq!(run(&space, "get deployment idle -o jsonpath={.spec.replicas}"), "0");
    assert_eq!(run(&space, "run alone --image=alone:1"), "pod/alone created\n");
    run(&space, "wait --for=condition=Ready pod/alone --timeout=60s");
    assert_eq!(
        run(&space, "create cronjob nightly --image=once:1 --schedule=@daily"),
        "cronjob.batch/nightly created\n"
    );
    shows(&columns(&run(&space, "get cronjob nightly")), &["nightly @daily <none> False 0 <none> "]);
}

#[test]
fn a_dry_run_makes_nothing() {
    let space = Bed::shared().namespace();
    assert_eq!(
        run(&space, "create deployment web --image=web:1 --dry-run=server"),
        "deployment.apps/web created (server dry run)\n"
    );
    assert_eq!(run(&space, "get deployments --ignore-not-found"), "");
}

#[test]
fn label_annotate_and_patch_change_an_object() {
    let space = Bed::shared().namespace();
    run(&space, "create configmap a");
    assert_eq!(run(&space, "label configmap a tier=front"), "configmap/a labeled\n");
    shows(
        &fails(&space, "label configmap a tier=back"),
        &["'tier' already has a value (front), and --overwrite is false"],
    );
    run(&space, "annotate configmap a note=here");
    assert_eq!(
        run(&space, "patch configmap a --type=merge -p {\"data\":{\"k\":\"v\"}}"),
        "configmap/a patched\n"
    );
    let shown = "get configmap a -o jsonpath={.metadata.labels.tier}:{.metadata.annotations.note}:{.data.k}";
    assert_eq!(run(&space, shown), "front:here:v");
}
