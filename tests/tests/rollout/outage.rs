//! A control plane that does not answer for a while in the middle of a run: its silence says nothing about the release.

use std::process::Child;
use std::time::Duration;

use serde_json::Value;
use windlass_tests::line::Line;
use windlass_tests::testbed::Namespace;
use windlass_tests::world::World;

use crate::shop::{add_object, annotate, expect_ready, id, in_policy, newest, tag, world};

/// Longer than the tries within one call last, and than the time that the policies here give a rollout.
const OUTAGE: Duration = Duration::from_secs(15);

/// A world whose cluster is at the end of a line.
fn world_over_a_line() -> (Namespace<'static>, World, Line) {
    let (space, world) = world();
    let (line, kubeconfig) = Line::to_cluster(space.kubeconfig());
    world.configure(&kubeconfig);
    (space, world, line)
}

/// Waits until the newest run of `local` is so.
fn wait_until(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) {
    for _ in 0..2_000 {
        let runs = world.runs();
        if runs.first().is_some_and(&is_so) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no run came to {what}: {:#}", newest(world, "local"));
}

fn is_at(stage: &str) -> impl Fn(&Value) -> bool + use<'_> {
    move |run| run["state"] == stage
}

/// Cuts the line when the run is at a stage, and mends it after the outage.
fn cut_at(world: &World, line: &Line, stage: &str) {
    wait_until(world, stage, is_at(stage));
    line.cut();
    std::thread::sleep(OUTAGE);
    line.mend();
}

#[track_caller]
fn expect_exit(mut deploy: Child, world: &World, code: i32) -> Value {
    let ended = deploy.wait().expect("it is our child").code();
    let run = newest(world, "local");
    assert_eq!(ended, Some(code), "{run:#}");
    run
}

#[test]
fn a_release_that_becomes_ready_out_of_sight_is_verified() {
    let (space, world, line) = world_over_a_line();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    in_policy(&world, "local", "timeout: 300s", "timeout: 10s");
    tag(&world, "18-3.5");
    annotate(&world, "{testbed/fault: slow, testbed/seconds: \"4\"}");
    world.commit("Slow, in a hurry");
    let deploy = world.start(&["deploy", "-e", "local"]);
    cut_at(&world, &line, "wait");
    let run = expect_exit(deploy, &world, 0);
    assert_eq!(run["state"], "verified", "{run:#}");
    expect_ready(&space, 1);
}

#[test]
fn a_rollback_is_not_given_up_because_nobody_answers() {
    let (space, world, line) = world_over_a_line();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    tag(&world, "missing");
    world.commit("An image that is not there");
    let deploy = world.start(&["deploy", "-e", "local"]);
    cut_at(&world, &line, "rollback");
    let run = expect_exit(deploy, &world, 6);
    assert_eq!(run["state"], "rolled_back", "{run:#}");
    expect_ready(&space, 1);
}

#[test]
fn an_apply_that_is_cut_off_goes_on_where_it_was() {
    let (space, world, line) = world_over_a_line();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    let before = world.runs().len();
    let settings: Vec<String> = (0..150).map(|number| setting(&format!("setting-{number}"))).collect();
    add_object(&world, "settings.configmap.yaml", &settings.join("---\n"));
    world.commit("Many settings");
    let deploy = world.start(&["deploy", "-e", "local"]);
    wait_until(&world, "its apply", |run| run["state"] == "apply");
    // The first of them is written: the others are on their way.
    space.kubectl(&["wait", "--for=create", "configmap/setting-0", "--timeout=60s"]).expect_success();
    line.cut();
    std::thread::sleep(OUTAGE);
    line.mend();
    let run = expect_exit(deploy, &world, 0);
    assert_eq!(run["state"], "verified", "{run:#}");
    assert_eq!(world.runs().len(), before + 1, "one run does it all");
    let shown = world.windlass(&["runs", "show", &id(&run)]);
    shown.says("150 created");
}

fn setting(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  color: blue\n")
}
