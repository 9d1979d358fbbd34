//! A first deployment is killed everywhere, and always comes out as if nothing had happened.

use windlass_core::run::Stage;

use crate::shop::{DEPLOY, Shop, Standing, expect_journal, text};
use windlass_tests::points::{Visit, expect_boundaries, is_killed_at, visit_all, visits};

const STAGES: [Stage; 6] =
    [Stage::Gate, Stage::Render, Stage::Secrets, Stage::Apply, Stage::Wait, Stage::Verify];

#[test]
fn a_deployment_that_is_killed_anywhere_is_finished_by_the_next_start() {
    let undisturbed = Shop::new();
    let (ran, visits) = visits(&mut undisturbed.with_kill_points(&DEPLOY));
    ran.expect(0);
    expect_boundaries(&visits, &STAGES, "finish_stage");
    let standing = undisturbed.standing();
    assert_eq!(standing.generation, 1);
    // A case leaves nothing for the next: each is a first deployment.
    visit_all(&visits, || (), |(), visit| case(visit, &visits, &standing));
}

fn case(visit: &Visit, visits: &[Visit], undisturbed: &Standing) -> bool {
    let shop = Shop::new();
    let is_killed = is_killed_at(&mut shop.with_kill_points(&DEPLOY), visit, 0);
    shop.world.windlass(&["serve", "--until-idle"]).expect(0);
    if shop.world.runs().is_empty() {
        assert!(is_before_the_event_is_durable(visit, visits), "the event is lost");
        shop.world.windlass(&DEPLOY).expect(0);
    }
    let [run] = shop.world.runs().try_into().expect("one run");
    let run = shop.world.run(&text(&run["id"]));
    assert_eq!(run["state"], "verified", "{run:#}");
    expect_journal(&run, &STAGES.map(|stage| (stage, true)));
    assert_eq!(shop.releases(), [(text(&run["id"]).parse().unwrap(), true)]);
    assert_eq!(shop.marked_release(), text(&run["digest"]));
    assert_eq!(shop.standing(), *undisturbed);
    is_killed
}

/// Nothing was promised yet: whoever sent the event knows that it was not taken, and sends it again.
fn is_before_the_event_is_durable(visit: &Visit, visits: &[Visit]) -> bool {
    let published = visits.iter().position(|visit| visit.point == "store.publish.before");
    visits.iter().position(|other| other == visit) <= published
}
