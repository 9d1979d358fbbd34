//! A deployment that goes well, and one that changes nothing.

use windlass_tests::testbed::Bed;
use windlass_tests::world::World;

#[test]
fn a_push_is_verified_and_the_same_content_again_writes_nothing() {
    let space = Bed::shared().namespace();
    let world = World::new(space.kubeconfig());
    world.windlass(&["deploy", "-e", "dev"]).expect(0).says("verified");
    let written = space.kubectl(&[
        "get",
        "statefulset,configmap,secret,service",
        "-o",
        "jsonpath={.items[*].metadata.resourceVersion}",
    ]);
    let written = written.expect_success().to_owned();
    world.commit("Nothing of it is deployed");
    world.windlass(&["deploy", "-e", "dev"]).expect(0).says("0 created, 0 changed");
    let now = space.kubectl(&[
        "get",
        "statefulset,configmap,secret,service",
        "-o",
        "jsonpath={.items[*].metadata.resourceVersion}",
    ]);
    assert_eq!(now.expect_success(), written);
}
