//! A bad release is killed everywhere on its way there and back, and always comes out rolled back.

use windlass_core::run::Stage;

use crate::shop::{DEPLOY, Shop, expect_journal, text};
use windlass_tests::points::{Visit, expect_boundaries, is_killed_at, visit_all, visits};

/// The exit code of a run that was rolled back.
const ROLLED_BACK: i32 = 6;

const KUSTOMIZATION: &str = "infra/k8s/base/kustomization.yaml";
const PATCH: &str = "infra/k8s/podman/local/patches/postgres.statefulset.yaml";

const JOURNAL: [(Stage, bool); 6] = [
    (Stage::Gate, true),
    (Stage::Render, true),
    (Stage::Secrets, true),
    (Stage::Apply, true),
    (Stage::Wait, false),
    (Stage::Rollback, true),
];

#[test]
fn a_bad_release_that_is_killed_anywhere_is_rolled_back_by_the_next_start() {
    let undisturbed = verified();
    commit_bad_image(&undisturbed);
    let (ran, visits) = visits(&mut undisturbed.with_kill_points(&DEPLOY));
    ran.expect(ROLLED_BACK);
    let stages = [Stage::Gate, Stage::Render, Stage::Secrets, Stage::Apply, Stage::Rollback];
    expect_boundaries(&visits, &stages, "finish_stage");
    expect_boundaries(&visits, &[Stage::Wait], "fail_stage");
    visit_all(&visits, verified, case);
}

/// A shop with a release to return to.
fn verified() -> Shop {
    let shop = Shop::new();
    shop.world.windlass(&DEPLOY).expect(0);
    shop
}

/// A commit whose image is in no registry. Each differs from those before: what is stored already would not be stored again.
fn commit_bad_image(shop: &Shop) {
    let nth = shop.world.runs().len();
    shop.world.edit(KUSTOMIZATION, |text| text.replace("18-3.4", "missing"));
    shop.world.edit(PATCH, |text| {
        let asked = text.lines().find(|line| line.trim_start().starts_with("memory: ")).unwrap();
        text.replacen(asked, &format!("              memory: {}Mi", 128 + nth), 1)
    });
    shop.world.commit("Name an image that is not there");
}

fn case(shop: &mut Shop, visit: &Visit) -> bool {
    let (before, runs, releases) = (shop.standing(), shop.world.runs().len(), shop.releases().len());
    let good = shop.marked_release();
    commit_bad_image(shop);
    let is_killed = is_killed_at(&mut shop.with_kill_points(&DEPLOY), visit, ROLLED_BACK);
    shop.world.windlass(&["serve", "--until-idle"]).expect(0);
    if shop.world.runs().len() == runs {
        assert_eq!(visit.point, "store.publish.before", "the event is lost");
        shop.world.windlass(&DEPLOY).expect(ROLLED_BACK);
    }
    let now = shop.world.runs();
    assert_eq!(now.len(), runs + 1, "one run more");
    let run = shop.world.run(&text(&now[0]["id"]));
    assert_eq!(run["state"], "rolled_back", "{run:#}");
    expect_journal(&run, &JOURNAL);
    // The bad one and the one that serves again, each once.
    let added = shop.releases().split_off(releases);
    let own = text(&run["id"]).parse().unwrap();
    assert_eq!(added, [(own, false), (own, false)]);
    assert_eq!(shop.marked_release(), good);
    let mut standing = shop.standing();
    // There and back: one change each, whoever makes it.
    assert_eq!(standing.generation, before.generation + 2);
    standing.generation = before.generation;
    assert_eq!(standing.objects(), before.objects());
    is_killed
}
