//! Looking around: how environments stand, where one is, and the whole story of a run.

use crate::shop::{as_person, expect_held, id, in_policy, tag, world};

#[test]
fn status_tells_what_is_live_and_what_waits() {
    let (_space, world) = world();
    world.windlass(&["status"]).expect(0).says("○ local  nothing is deployed");
    world.windlass(&["status", "--exit-code"]).expect(0);
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    world.windlass(&["status", "-e", "local"]).expect(0).says("✓ local").says("live since").says("(r-1)");
    in_policy(&world, "local", "require_manual_approval: false", "require_manual_approval: true");
    tag(&world, "18-3.5");
    world.commit("To be approved");
    world.windlass(&["deploy", "-e", "local"]).expect(5);
    world.windlass(&["pause", "-e", "dev", "--reason", "audit week"]).expect(0);
    let ran = world.windlass(&["status", "--exit-code"]);
    ran.expect(3)
        .says("⏸ r-2 held: approval")
        .says("paused by ada: audit week")
        .says("windlass resume -e dev");
    world.windlass(&["status", "-e", "moon"]).expect(2).says("has no environment `moon`");
    let (_, all) = world.windlass_json(&["status"]);
    let local = all.as_array().expect("a list").iter().find(|one| one["name"] == "local");
    assert_eq!(local.expect("it is there")["live"]["verified"], true, "{all:#}");
}

#[test]
fn windlass_alone_says_where_one_is_and_what_to_do_next() {
    let (_space, world) = world();
    let ran = world.windlass(&[]);
    ran.expect(0)
        .says("infra/deploy-control.yaml: dev, local, prod, test")
        .says("next        windlass doctor -e dev");
    assert_eq!(ran.stdout.lines().count(), 5, "{}", ran.stdout);
    in_policy(&world, "local", "require_manual_approval: false", "require_manual_approval: true");
    world.commit("To be approved");
    world.windlass(&["deploy", "-e", "local"]).expect(5);
    let ran = world.windlass(&[]);
    ran.expect(0).says("r-1 of local waits for an approval").says("next        windlass runs explain r-1");
    let hidden = world.repository().with_file_name("elsewhere");
    std::fs::rename(world.repository(), hidden).expect("the repository is moved");
    let ran = world.windlass(&[]);
    ran.expect(0).says("next        windlass --help");
    assert_eq!(ran.stdout.lines().count(), 5, "{}", ran.stdout);
}

#[test]
fn explain_tells_the_whole_story_of_a_run() {
    let (_space, world) = world();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    let first = world.windlass(&["runs", "explain", "r-1"]);
    first.expect(0).says("way back  none: this is the first release").says("Gates for local");
    in_policy(&world, "local", "require_manual_approval: false", "require_manual_approval: true");
    tag(&world, "18-3.5");
    world.commit("To be approved");
    world.windlass(&["deploy", "-e", "local"]).expect(5);
    let run = id(&expect_held(&world, "local", "approval_missing"));
    as_person(&world, "grace", &["approve", &run, "--reason", "read the plan"]).expect(0);
    let story = world.windlass(&["runs", "explain", &run]);
    story
        .expect(0)
        .says("infra/deploy-control.yaml:")
        .says("approved by grace")
        .says("read the plan")
        .says("objects")
        .says("way back  the release of r-1")
        .says("~ change StatefulSet");
}

#[test]
fn completions_know_the_commands() {
    let (_space, world) = world();
    for shell in ["bash", "zsh", "fish"] {
        world.windlass(&["completions", shell]).expect(0).says("rollback").says("doctor");
    }
}
