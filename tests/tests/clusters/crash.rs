//! A run that makes a cluster is killed everywhere, and always comes out as if nothing had happened.

use windlass_core::run::Stage;
use windlass_tests::points::{Visit, expect_boundaries, is_killed_at, visit_all, visits};

use crate::yard::Yard;

const CREATE: [&str; 3] = ["cluster", "create", "dev"];

const STAGES: [Stage; 5] = [Stage::Gate, Stage::Plan, Stage::Ensure, Stage::Verify, Stage::Publish];

#[test]
fn a_cluster_run_that_is_killed_anywhere_is_finished_by_the_next_start() {
    let undisturbed = Yard::new();
    let (ran, visits) = visits(undisturbed.with_kill_points().args(CREATE));
    ran.expect(0).says("takes work").says("verified");
    expect_boundaries(&visits, &STAGES, "finish_stage");
    let own = of_the_cluster_run(&visits);
    for point in [
        "provider.told",
        "provider.done",
        "store.progress.before",
        "store.publish_cluster.after",
        "store.emit.before",
        "store.emit.after",
    ] {
        assert!(own.iter().any(|visit| visit.point == point), "`{point}` is not among {own:?}");
    }
    // A case leaves nothing for the next: each makes a cluster of its own.
    visit_all(own, || (), |(), visit| case(visit, own));
}

/// The visits up to the planning of the deploy run, which is killed everywhere elsewhere.
fn of_the_cluster_run(visits: &[Visit]) -> &[Visit] {
    let plans = visits.iter().enumerate().filter(|(_, visit)| visit.point == "store.plan.after");
    let second = plans.map(|(index, _)| index).nth(1).expect("two runs are planned");
    &visits[..=second]
}

fn case(visit: &Visit, visits: &[Visit]) -> bool {
    let yard = Yard::new();
    let is_killed = is_killed_at(yard.with_kill_points().args(CREATE), visit, 0);
    yard.windlass(&["serve", "--until-idle"]).expect(0);
    if yard.world.runs().is_empty() {
        let published = visits.iter().position(|visit| visit.point == "store.publish.before");
        let here = visits.iter().position(|other| other == visit);
        assert!(here <= published, "the event is lost");
        yard.windlass(&CREATE).expect(0);
    }
    let runs = yard.world.runs();
    let told: Vec<_> = runs.iter().map(|run| format!("{} {}", run["kind"], run["state"])).collect();
    assert_eq!(told, ["\"deploy\" \"verified\"", "\"cluster\" \"verified\""], "{runs:#?}");
    let ends = yard.world.run("r-1")["stages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|stage| stage["ok"] == true)
        .count();
    assert_eq!(ends, STAGES.len(), "each stage ended once");
    assert_eq!(yard.log(), ["create network", "create server", "create volume"]);
    let (_, events) = yard.world.windlass_json(&["events", "list"]);
    let types: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(types, ["dev.windlass.cluster.ready", "dev.windlass.cluster.requested"], "{events:#}");
    is_killed
}
