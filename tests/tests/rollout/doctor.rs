//! `windlass doctor`: what is well is said to be so, and what is not comes with what mends it.

use serde_json::Value;
use windlass_tests::world::{Ran, World};

use crate::shop::world;

/// The check of this name in this part.
#[track_caller]
fn found(report: &Value, part: &str, name: &str) -> Value {
    let checks = report["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["part"] == part && check["name"] == name);
    check.unwrap_or_else(|| panic!("nothing looked at {name} of {part}: {report:#}")).clone()
}

/// Examines `local`, and holds that one check came out so.
#[track_caller]
fn comes_out(world: &World, code: i32, name: &str, verdict: &str, fix: &str) {
    let (exit, report) = world.windlass_json(&["doctor", "-e", "local"]);
    let check = found(&report, "local", name);
    assert_eq!((exit, &check["verdict"]), (code, &Value::from(verdict)), "{report:#}");
    let given = check["fix"].as_str().unwrap_or_default();
    assert!(given.contains(fix), "{check:#}");
}

#[test]
fn a_world_in_order_is_well() {
    let (space, world) = world();
    let (code, report) = world.windlass_json(&["doctor", "-e", "local"]);
    assert_eq!(code, 0, "{report:#}");
    for name in ["overlay", "secrets", "cluster", "clock", "rights", "release"] {
        assert_eq!(found(&report, "local", name)["verdict"], "ok", "{report:#}");
    }
    let secrets = found(&report, "local", "secrets")["found"].to_string();
    assert!(secrets.contains("4 from variables") && !secrets.contains("canary"), "{secrets}");
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    let ran = world.windlass(&["doctor", "-e", "local"]);
    ran.expect(0).says("✓ release").says("of r-1").says("✓ cluster").says(space.name());
    assert!(!ran.text().contains("canary"), "{}", ran.text());
}

#[test]
fn a_secret_without_a_value_is_found_before_a_deploy() {
    let (_space, mut world) = world();
    world.set_secret("POSTGRES_SA_PASSWORD", None);
    comes_out(&world, 1, "secret", "failed", "export POSTGRES_SA_PASSWORD__LOCAL");
}

#[test]
fn a_cluster_that_does_not_answer_is_named_with_the_way_in() {
    let (space, world) = world();
    space.kubectl(&["config", "set", "clusters.testbed.server", "https://127.0.0.1:1"]).expect_success();
    comes_out(&world, 1, "cluster", "failed", "version");
}

#[test]
fn missing_rights_are_listed() {
    let (space, world) = world();
    let token = space.token("nobody");
    space.kubectl(&["config", "set-credentials", "nobody", "--token", &token]).expect_success();
    space.kubectl(&["config", "set-context", "--current", "--user=nobody"]).expect_success();
    comes_out(&world, 1, "rights", "failed", "kubectl auth can-i --list");
    let (_, report) = world.windlass_json(&["doctor", "-e", "local"]);
    let says = found(&report, "local", "rights")["found"].to_string();
    assert!(says.contains("patch StatefulSet") && says.contains("get Pod/log"), "{says}");
}

#[test]
fn what_should_be_looked_at_fails_only_where_it_is_strict() {
    let (_space, world) = world();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    std::fs::rename(world.data_dir(), world.data_dir().with_extension("elsewhere"))
        .expect("the state is moved");
    comes_out(&world, 0, "release", "warning", "windlass deploy -e local");
    world.windlass(&["doctor", "-e", "local", "--strict"]).expect(1).says("to look at");
    world.windlass(&["doctor", "-e", "moon"]).expect(2).says("has no environment `moon`");
}

#[test]
fn a_broker_that_does_not_answer_is_named() {
    let (_space, world) = world();
    let mut program = world.program();
    program.env("WINDLASS_QUEUE__URL", "amqp://127.0.0.1:1").args(["doctor", "-e", "local"]);
    let ran = Ran::of(&mut program);
    ran.expect(1).says("× broker").says("127.0.0.1:1").says("fix: ");
}
