//! What holds a run, what lets it go, and what it says meanwhile.

use serde_json::{Value, json};
use windlass_tests::world::World;

use crate::shop::{
    another_day, as_person, ask, expect_held, id, in_policy, newest, push, separate, tag, windows, world,
};

#[test]
fn prod_is_held_until_somebody_else_approves() {
    let (space, world) = world();
    separate(&world, &[("prod", &space)]);
    world.commit("Volumes of the class that is there");
    world.windlass(&["deploy", "-e", "prod"]).expect(5).says("approval");
    let run = id(&expect_held(&world, "prod", "approval_missing"));
    assert_eq!(ask(&space, &["statefulset"], ".items"), "[]", "a held run writes nothing");

    world.windlass(&["approve", &run]).expect(5);
    expect_held(&world, "prod", "approval_missing");

    as_person(&world, "grace", &["approve", &run, "--reason", "looked at it"]).expect(0).says("verified");
    let run = world.run(&run);
    assert_eq!(run["state"], "verified", "{run:#}");
    let decided: Vec<_> = run["approvals"].as_array().unwrap().iter().map(|by| &by["approver"]).collect();
    assert_eq!(decided, ["ada", "grace"]);
    assert_eq!(ask(&space, &["statefulset", "postgres"], ".status.readyReplicas"), "3");
}

#[test]
fn whoever_asked_may_approve_where_the_policy_allows_it() {
    let (_space, world) = world();
    world.edit("infra/deploy-control.yaml", |policy| {
        policy.replace("    timeout:", "    approval: {allow_self: true}\n    timeout:")
    });
    needs_approval(&world);
    world.commit("One may approve oneself");
    let run = held_deploy(&world, &[], "approval_missing");
    world.windlass(&["approve", &run]).expect(0).says("verified");
}

#[test]
fn a_rejected_run_is_refused() {
    let (space, world) = world();
    needs_approval(&world);
    world.commit("Approval");
    let run = held_deploy(&world, &[], "approval_missing");
    as_person(&world, "grace", &["reject", &run, "--reason", "not today"]).expect(5);
    let run = world.run(&run);
    assert_eq!((&run["state"], &run["reason"]["code"]), (&json!("refused"), &json!("approval_rejected")));
    assert_eq!(ask(&space, &["statefulset"], ".items"), "[]");
}

#[test]
fn an_approval_of_another_render_is_void() {
    let (_space, world) = world();
    needs_approval(&world);
    world.commit("Approval");
    let run = held_deploy(&world, &[], "approval_missing");
    let of_another = "0".repeat(64);
    approve_by_event(&world, "stale", &run, &of_another);
    world.windlass(&["runs", "watch", &run]).expect(5);
    expect_held(&world, "local", "approval_missing");
    let digest = newest(&world, "local")["digest"].as_str().unwrap().to_owned();
    approve_by_event(&world, "true", &run, &digest);
    world.windlass(&["runs", "watch", &run]).expect(0).says("verified");
}

#[test]
fn an_approval_of_files_does_not_reach_what_they_became() {
    let (space, world) = world();
    needs_approval(&world);
    let run = held_deploy(&world, &["--worktree"], "approval_missing");
    tag(&world, "18-3.5");
    as_person(&world, "grace", &["approve", &run]).expect(2).says("are no longer those of");
    assert_ne!(world.run(&run)["state"], "verified");
    assert_eq!(ask(&space, &["statefulset"], ".items"), "[]", "what nobody looked at is not applied");
    let again = held_deploy(&world, &["--worktree"], "approval_missing");
    assert_ne!(world.run(&again)["digest"], world.run(&run)["digest"]);
    as_person(&world, "grace", &["approve", &again]).expect(0).says("verified");
}

#[test]
fn a_closed_window_holds_and_says_when_it_opens() {
    let (space, world) = world();
    let day = another_day();
    windows(&world, "local", day, "");
    world.commit("Closed today");
    world.windlass(&["deploy", "-e", "local"]).expect(5).says("window").says(&format!("{day} 00:00 UTC"));
    let run = expect_held(&world, "local", "window_closed");
    assert!(run["held"]["until"].is_string(), "{run:#}");
    assert_eq!(ask(&space, &["statefulset"], ".items"), "[]");

    let override_it = ["deploy", "-e", "local", "--override", "the shop is down"];
    world.windlass(&override_it).expect(0).says("the shop is down");
}

#[test]
fn an_override_passes_the_window_and_nothing_else() {
    let (_space, world) = world();
    windows(&world, "local", another_day(), "");
    needs_approval(&world);
    world.commit("Closed, and to be approved");
    held_deploy(&world, &["--override", "urgent"], "approval_missing");
    in_policy(&world, "local", "\n    enabled: true\n", "\n    enabled: false\n");
    world.commit("Off");
    held_deploy(&world, &["--override", "urgent"], "environment_disabled");
}

#[test]
fn a_freeze_wins_over_an_open_window() {
    let (_space, world) = world();
    let freeze = r#"{from: "2020-01-01T00:00", until: "2120-01-01T00:00", reason: the long holidays}"#;
    windows(&world, "local", "Mon, Tue, Wed, Thu, Fri, Sat, Sun", freeze);
    world.commit("Frozen");
    world.windlass(&["deploy", "-e", "local"]).expect(5).says("the long holidays");
    expect_held(&world, "local", "window_freeze");
}

#[test]
fn a_rollback_is_held_by_neither_window_nor_approval() {
    let (space, world) = world();
    windows(&world, "local", another_day(), "");
    needs_approval(&world);
    for version in ["18-3.4", "18-3.5"] {
        tag(&world, version);
        world.commit(version);
        let run = held_deploy(&world, &["--override", "the first two"], "approval_missing");
        as_person(&world, "grace", &["approve", &run]).expect(0);
    }
    world.windlass(&["rollback", "-e", "local"]).expect(0).says("verified");
    let image = ask(&space, &["statefulset", "postgres"], ".spec.template.spec.containers[0].image");
    assert_eq!(image, "postgis/postgis:18-3.4");
}

#[test]
fn a_disabled_environment_takes_nothing() {
    let (space, world) = world();
    let before = world.commit("Before");
    in_policy(&world, "local", "\n    enabled: true\n", "\n    enabled: false\n");
    let after = world.commit("Off");
    push(&world, "off", &before, &after).expect(5);
    expect_held(&world, "local", "environment_disabled");
    held_deploy(&world, &[], "environment_disabled");
    assert_eq!(ask(&space, &["statefulset"], ".items"), "[]");
}

#[test]
fn without_auto_deploy_a_push_is_held_and_a_person_is_not() {
    let (_space, world) = world();
    let before = world.commit("Before");
    in_policy(&world, "local", "\n    auto_deploy: true\n", "\n    auto_deploy: false\n");
    let after = world.commit("By hand only");
    push(&world, "automatic", &before, &after).expect(5);
    expect_held(&world, "local", "environment_auto_deploy_off");
    world.windlass(&["deploy", "-e", "local"]).expect(0).says("verified");
}

#[test]
fn a_paused_environment_takes_pushes_up_again_when_it_is_resumed() {
    let (_space, world) = world();
    let before = world.commit("Before");
    tag(&world, "18-3.5");
    in_policy(&world, "local", "timeout: 300s", "timeout: 240s");
    let after = world.commit("After");
    for environment in ["dev", "test", "prod", "local"] {
        world.windlass(&["pause", "-e", environment, "--reason", "audit week"]).expect(0);
    }
    push(&world, "paused", &before, &after).expect(5).says("audit week");
    let run = id(&expect_held(&world, "local", "paused"));
    world.windlass(&["resume", "-e", "local"]).expect(0);
    world.windlass(&["runs", "watch", &run]).expect(0).says("verified");
    expect_held(&world, "dev", "paused");
}

#[test]
fn a_pause_does_not_hold_a_person() {
    let (_space, world) = world();
    world.windlass(&["pause", "-e", "local", "--reason", "audit week"]).expect(0);
    world.windlass(&["deploy", "-e", "local"]).expect(0).says("verified");
}

#[test]
fn a_pause_ends_by_itself_when_its_time_is_over() {
    let (space, world) = world();
    let before = world.commit("Before");
    tag(&world, "18-3.5");
    let after = world.commit("After");
    let until = in_seconds(4);
    for environment in ["dev", "test", "prod"] {
        world.windlass(&["freeze", "-e", environment, "--reason", "not these"]).expect(0);
    }
    world
        .windlass(&["pause", "-e", "local", "--reason", "for a moment", "--until", &until])
        .expect(0)
        .says("until");
    push(&world, "paused", &before, &after).expect(5).says("for a moment");
    let run = expect_held(&world, "local", "paused");
    assert!(run["held"]["until"].is_string(), "{run:#}");
    let mut serving = world.start(&["serve", "--listen", "none"]);
    // Nobody lets it go on: what serves wakes it at its time.
    space.kubectl(&["wait", "--for=create", "statefulset/postgres", "--timeout=60s"]).expect_success();
    world.windlass(&["runs", "watch", &id(&run)]).expect(0).says("verified");
    serving.kill().expect("it still serves");
    serving.wait().expect("it ends");
}

#[test]
fn a_pause_cannot_end_in_the_past() {
    let (_space, world) = world();
    let over = ["pause", "-e", "local", "--reason", "too late", "--until", "2020-01-01T00:00:00Z"];
    world.windlass(&over).expect(2).says("in the past");
}

#[test]
fn a_freeze_holds_everybody_until_it_is_lifted() {
    let (space, world) = world();
    tag(&world, "18-3.4");
    world.commit("First");
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    tag(&world, "18-3.5");
    world.commit("Second");
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    world
        .windlass(&["freeze", "-e", "local", "--reason", "the audit"])
        .expect(0)
        .says("every run but a rollback")
        .says("windlass resume -e local");
    tag(&world, "18-3.6");
    world.commit("Third");
    world.windlass(&["deploy", "-e", "local"]).expect(5).says("frozen by ada").says("the audit");
    let run = id(&expect_held(&world, "local", "frozen"));
    world
        .windlass(&["pause", "-e", "local", "--reason", "less"])
        .expect(5)
        .says("is frozen by ada")
        .says("hint:");
    world.windlass(&["rollback", "-e", "local"]).expect(0).says("verified");
    let image = || ask(&space, &["statefulset", "postgres"], ".spec.template.spec.containers[0].image");
    assert_eq!(image(), "postgis/postgis:18-3.4", "the way back is never held");
    world.windlass(&["resume", "-e", "local"]).expect(0);
    world.windlass(&["runs", "watch", &run]).expect(0).says("verified");
    assert_eq!(image(), "postgis/postgis:18-3.6");
}

/// A time to come, as RFC 3339 writes it.
fn in_seconds(seconds: u64) -> String {
    let mut date = std::process::Command::new("date");
    let date = date.args(["--utc", "--date", &format!("{seconds} seconds"), "+%Y-%m-%dT%H:%M:%SZ"]);
    String::from_utf8(date.output().expect("date is there").stdout).expect("a date is text").trim().to_owned()
}

#[test]
fn the_gate_answers_for_any_time() {
    let (_space, world) = world();
    windows(&world, "local", "Mon", "");
    check_gate(&world, "local", "2026-11-23T12:00:00Z", "pass");
    check_gate(&world, "local", "2026-11-24T00:00:00Z", "window_closed");
    check_gate(&world, "local", "2026-11-23T23:30[America/New_York]", "window_closed");
    check_gate(&world, "prod", "2026-11-23T12:00:00Z", "approval_missing");
    world.windlass(&["gate", "check", "-e", "local", "--time", "tomorrow"]).expect(2).says("tomorrow");
    world.windlass(&["gate", "check", "-e", "moon"]).expect(2).says("`moon`").says("hint:");
}

#[track_caller]
fn check_gate(world: &World, environment: &str, time: &str, code: &str) {
    let (exit, answer) = world.windlass_json(&["gate", "check", "-e", environment, "--time", time]);
    assert_eq!(answer["code"], code, "{time}: {answer:#}");
    assert_eq!(exit, if code == "pass" { 0 } else { 5 }, "{time}");
}

#[test]
fn a_held_run_can_be_cancelled() {
    let (space, world) = world();
    needs_approval(&world);
    world.commit("Approval");
    let run = held_deploy(&world, &[], "approval_missing");
    world.windlass(&["runs", "cancel", &run]).expect(0);
    as_person(&world, "grace", &["approve", &run]).expect(9);
    assert_eq!(world.run(&run)["state"], "cancelled");
    assert_eq!(ask(&space, &["statefulset"], ".items"), "[]");
}

fn needs_approval(world: &World) {
    in_policy(world, "local", "require_manual_approval: false", "require_manual_approval: true");
}

/// Deploys `local`, which is held for this reason, and answers with the run.
#[track_caller]
fn held_deploy(world: &World, flags: &[&str], code: &str) -> String {
    world.windlass(&[&["deploy", "-e", "local"], flags].concat()).expect(5);
    id(&expect_held(world, "local", code))
}

fn approve_by_event(world: &World, event: &str, run: &str, digest: &str) {
    let data: Value = json!({"run": run, "approver": "grace", "decision": "approved", "digest": digest});
    let file = world.event(event, "dev.windlass.approval.given", &data);
    world
        .windlass(&["events", "send", file.to_str().expect("a path is text")])
        .expect(0)
        .says("recorded with");
}
