//! `windlass demo` as a person starts it, on the sandbox and on the test bed: every scene ends as it must, and this machine keeps nothing of it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use windlass_tests::testbed::Bed;
use windlass_tests::world::{Ran, windlass};

/// What the demo makes on a cluster.
const LEFT: [&str; 4] =
    ["namespace/shop-dev", "namespace/shop-prod", "configmap/windlass-dev", "configmap/windlass-prod"];

fn demo(temporary: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(windlass());
    command.env("TMPDIR", temporary).env("HOME", temporary).current_dir(temporary);
    Ran::of(command.arg("demo").args(arguments))
}

#[track_caller]
fn expect_every_scene(ran: &Ran) {
    ran.expect(0);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found: Vec<_> = told["scenes"].as_array().unwrap().iter().map(|scene| &scene["found"]).collect();
    assert_eq!(found, ["verified", "held", "verified", "rolled_back"]);
    assert_eq!(told["ok"], true);
    let rolled_back = told["scenes"][3]["run"].to_string();
    assert!(rolled_back.contains("is barred from dev"), "{rolled_back}");
    assert!(rolled_back.contains("every object is ready"), "{rolled_back}");
}

#[test]
fn the_story_needs_no_cluster() {
    let temporary = tempfile::tempdir().unwrap();
    expect_every_scene(&demo(temporary.path(), &["-o", "json"]));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left");
}

#[test]
fn every_scene_ends_as_it_must_and_nothing_stays_here() {
    let (bed, temporary) = (Bed::shared(), tempfile::tempdir().unwrap());
    let kubeconfig = bed.kubeconfig().to_str().unwrap();
    let ran = demo(temporary.path(), &["--kubeconfig", kubeconfig, "-o", "json"]);
    expect_every_scene(&ran);

    let set =
        ["--namespace=shop-prod", "get", "statefulset/postgres", "--output=jsonpath={.status.readyReplicas}"];
    assert_eq!(bed.kubectl(&set).expect_success(), "3");
    let template = "--output=go-template={{range .data}}{{base64decode .}} {{end}}";
    let secret = bed.kubectl(&["--namespace=shop-dev", "get", "secret/postgres-passwords", template]);
    let secret = secret.expect_success();
    let values: Vec<_> = secret.split_whitespace().collect();
    assert_eq!(values.len(), 4);
    assert!(values.iter().all(|value| !ran.text().contains(value)), "a secret is shown");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left");

    let again = demo(temporary.path(), &["--kubeconfig", kubeconfig]);
    again.expect(9).says("Namespace `shop-dev`").says("delete --ignore-not-found");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left");
    bed.kubectl(&[&["delete", "--ignore-not-found", "--wait=false"][..], &LEFT].concat()).expect_success();
}

#[test]
fn a_cluster_that_is_not_there_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let ran = demo(temporary.path(), &["--kubeconfig", "nowhere.yaml"]);
    assert_ne!(ran.code, 0);
    ran.says("nowhere.yaml");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left");
}
