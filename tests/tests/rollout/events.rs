//! What an event asks for: which runs a push makes, and how often.

use serde_json::json;
use windlass_tests::testbed::Bed;
use windlass_tests::world::World;

use crate::shop::{
    ask, change_base, change_overlay, expect_held, id, in_policy, newest, push, runs_by_environment,
    separate, versions, world,
};

#[test]
fn a_push_to_one_overlay_makes_one_run() {
    let (space, world) = world();
    separate(&world, &[("dev", &space)]);
    let before = world.commit("Volumes of the class that is there");
    change_overlay(&world, "dev", "150m");
    let after = world.commit("More for dev");
    push(&world, "one", &before, &after).expect(0).says("verified");
    assert_eq!(runs_by_environment(&world), json!({"dev": 1}));
    let run = newest(&world, "dev");
    assert_eq!((run["state"].as_str(), run["commit"].as_str()), (Some("verified"), Some(after.as_str())));
    let cpu = ".spec.template.spec.containers[0].resources.requests.cpu";
    assert_eq!(ask(&space, &["statefulset", "postgres"], cpu), "150m");
}

#[test]
fn a_push_to_the_base_makes_one_run_for_each_environment() {
    let spaces = [(); 4].map(|()| Bed::shared().namespace());
    let world = World::new(spaces[0].kubeconfig());
    let [dev, test, prod, local] = &spaces;
    separate(&world, &[("dev", dev), ("test", test), ("prod", prod), ("local", local)]);
    let before = world.commit("A namespace each");
    change_base(&world);
    let after = world.commit("For everybody");
    push(&world, "base", &before, &after).expect(5);
    assert_eq!(runs_by_environment(&world), json!({"dev": 1, "test": 1, "prod": 1, "local": 1}));
    for environment in ["dev", "test", "local"] {
        assert_eq!(newest(&world, environment)["state"], "verified", "{environment}");
    }
    expect_held(&world, "prod", "approval_missing");
    assert_eq!(ask(prod, &["statefulset"], ".items"), "[]", "a held run writes nothing");
}

#[test]
fn a_push_that_touches_nothing_deployed_makes_no_run_and_says_why() {
    let (_space, world) = world();
    let before = world.commit("Before");
    world.edit("README.md", |_| "Read me.\n".to_owned());
    let after = world.commit("Only words");
    push(&world, "words", &before, &after).expect(0).says("changes nothing that is deployed");
    assert_eq!(world.runs().len(), 0);
    let (_, events) = world.windlass_json(&["events", "list"]);
    assert_eq!(events[0]["status"], "ignored", "{events:#}");
    assert_eq!(events[0]["reason"], "it changes nothing that is deployed");
}

#[test]
fn a_second_identical_event_is_recognised_and_a_new_one_writes_nothing() {
    let (space, world) = world();
    separate(&world, &[("dev", &space)]);
    let before = world.commit("Volumes of the class that is there");
    change_overlay(&world, "dev", "150m");
    let after = world.commit("More for dev");
    push(&world, "same", &before, &after).expect(0);
    let written = versions(&space);
    push(&world, "same", &before, &after).expect(0).says("this event is known");
    assert_eq!(runs_by_environment(&world), json!({"dev": 1}));
    push(&world, "other", &before, &after).expect(0).says("verified").says("0 created, 0 changed");
    assert_eq!(runs_by_environment(&world), json!({"dev": 2}));
    assert_eq!(versions(&space), written);
}

#[test]
fn a_newer_push_takes_the_place_of_a_held_run() {
    let (_space, world) = world();
    let first = world.commit("First");
    change_overlay(&world, "prod", "600m");
    let second = world.commit("Second");
    push(&world, "older", &first, &second).expect(5);
    let older = id(&expect_held(&world, "prod", "approval_missing"));
    change_overlay(&world, "prod", "700m");
    let third = world.commit("Third");
    push(&world, "newer", &second, &third).expect(5);
    let newer = id(&expect_held(&world, "prod", "approval_missing"));
    assert_ne!(older, newer);
    let replaced = world.run(&older);
    assert_eq!(replaced["state"], "superseded", "{replaced:#}");
    assert_eq!(replaced["superseded_by"], newer.as_str());
    world.windlass(&["runs", "list"]).expect(0).says(&format!("superseded by {newer}"));
    world.windlass(&["approve", &older]).expect(9).says("waits for no approval");
}

#[test]
fn a_change_of_the_policy_concerns_its_environment_only() {
    let (space, world) = world();
    separate(&world, &[("test", &space)]);
    let before = world.commit("Volumes of the class that is there");
    in_policy(&world, "test", "timeout: 300s", "timeout: 240s");
    let after = world.commit("Less time for test");
    push(&world, "policy", &before, &after).expect(0).says("verified");
    assert_eq!(runs_by_environment(&world), json!({"test": 1}));
}

#[test]
fn a_push_to_a_branch_that_nobody_follows_makes_no_run() {
    let (_space, world) = world();
    let after = world.commit("Somewhere else");
    let data =
        json!({"repository": "example/shop", "ref": "refs/heads/feature", "before": null, "after": after});
    let event = world.event("branch", "dev.windlass.push", &data);
    let sent = world.windlass(&["events", "send", event.to_str().unwrap()]);
    sent.expect(0).says("no environment follows the branch `feature`");
    assert_eq!(world.runs().len(), 0);
}

#[test]
fn what_is_no_event_is_refused_with_its_place() {
    check_refused("{\"specversion\": \"1.0\",", &["line 1 column"]);
    check_refused(&event("dev.windlass.pusch", r#"{"repository": "a/b"}"#), &["dev.windlass.push", "hint:"]);
    check_refused(
        &event("dev.windlass.push", r#"{"repository": "a/b", "reff": "refs/heads/main"}"#),
        &["reff", "hint:"],
    );
    check_refused(
        &event("dev.windlass.deploy.requested", r#"{"environment": 7, "requester": "ada"}"#),
        &["data.environment", "hint:"],
    );
}

fn event(event_type: &str, data: &str) -> String {
    format!(
        r#"{{"specversion": "1.0", "id": "1", "source": "/test", "type": "{event_type}", "data": {data}}}"#
    )
}

/// Such a message is refused in these words, names its file, and leaves nothing behind.
#[track_caller]
fn check_refused(message: &str, words: &[&str]) {
    let world = World::new(Bed::shared().kubeconfig());
    let file = world.data_dir().with_file_name("message.json");
    std::fs::write(&file, message).expect("the message is written");
    let sent = world.windlass(&["events", "send", file.to_str().expect("a path is text")]);
    sent.expect(2).says("message.json");
    for word in words {
        sent.says(word);
    }
    assert_eq!(world.runs().len(), 0);
}
