//! Releases that fail, and the way back from them; what a deployment removes, and what it never does.

use windlass_tests::testbed::Namespace;

use crate::shop::{
    add_object, annotate, ask, expect_held, expect_ready, id, in_policy, newest, push, remove_object,
    replicas, tag, versions, world,
};

const GOOD: &str = "postgis/postgis:18-3.4";
const EXTRA: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\ndata:\n  color: blue\n";
const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: archive\nspec:\n  \
                     accessModes: [ReadWriteOnce]\n  storageClassName: local-path\n  resources:\n    requests:\n      storage: 1Gi\n";

#[test]
fn a_bad_image_is_named_and_rolled_back_with_nobody_helping() {
    let (space, world) = world();
    replicas(&world, 3);
    let good = world.commit("Three replicas");
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    expect_ready(&space, 3);
    tag(&world, "missing");
    let bad = world.commit("An image that is not there");
    let deployed = world.windlass(&["deploy", "-e", "local"]);
    deployed
        .expect(6)
        .says("postgis/postgis:missing")
        .says("not found")
        .says("rolled back to the release of");
    let run = newest(&world, "local");
    assert_eq!(run["state"], "rolled_back", "{run:#}");
    assert_eq!(run["diagnosis"]["cause"], "image_not_found", "{:#}", run["diagnosis"]);
    expect_ready(&space, 3);
    assert_eq!(images(&space), [GOOD; 3]);

    push(&world, "again", &good, &bad);
    let held = expect_held(&world, "local", "commit_barred");
    assert_eq!(held["commit"], bad.as_str());
    world.windlass(&["resume", "-e", "local"]).expect(0);
    world.windlass(&["runs", "watch", &id(&held)]).expect(6);
    expect_ready(&space, 3);
}

#[test]
fn a_service_that_wants_no_rollback_stays_as_it_failed_until_a_fix() {
    let (space, world) = world();
    replicas(&world, 2);
    in_policy(&world, "local", "rollback_on_failure: true", "rollback_on_failure: false");
    world.commit("Forward only");
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    tag(&world, "missing");
    world.commit("An image that is not there");
    world.windlass(&["deploy", "-e", "local"]).expect(7).says("rollback_on_failure: false");
    assert_eq!(newest(&world, "local")["state"], "failed");
    assert_eq!(template_image(&space), "postgis/postgis:missing");

    tag(&world, "18-3.5");
    world.commit("The fix");
    world.windlass(&["deploy", "-e", "local"]).expect(0).says("verified");
    expect_ready(&space, 2);
    assert_eq!(images(&space), ["postgis/postgis:18-3.5"; 2]);
}

#[test]
fn a_first_release_that_fails_has_nothing_to_return_to() {
    let (_space, world) = world();
    tag(&world, "missing");
    world.commit("An image that is not there");
    world.windlass(&["deploy", "-e", "local"]).expect(7).says("not rolled back: ").says("return to");
    assert_eq!(newest(&world, "local")["state"], "failed");
    world.windlass(&["rollback", "-e", "local"]).says("cannot be rolled back");
}

#[test]
fn a_rollback_by_hand_goes_to_the_release_before_or_to_the_one_named() {
    let (space, world) = world();
    let mut commits = Vec::new();
    for version in ["18-3.4", "18-3.5", "18-3.6"] {
        tag(&world, version);
        commits.push(world.commit(version));
        world.windlass(&["deploy", "-e", "local"]).expect(0);
    }
    world.windlass(&["rollback", "-e", "local", "--reason", "slow queries"]).expect(0).says("verified");
    assert_eq!(template_image(&space), "postgis/postgis:18-3.5");
    expect_ready(&space, 1);

    push(&world, "left", &commits[1], &commits[2]);
    expect_held(&world, "local", "commit_barred");

    world.windlass(&["rollback", "-e", "local", "--to", &commits[0]]).expect(0).says("verified");
    assert_eq!(template_image(&space), GOOD);
    world.windlass(&["rollback", "-e", "local", "--to", "0000000"]).says("cannot be rolled back");
    assert_eq!(template_image(&space), GOOD);
}

#[test]
fn what_a_bad_release_added_goes_with_it() {
    let (space, world) = world();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    add_object(&world, "extra.configmap.yaml", EXTRA);
    tag(&world, "missing");
    world.commit("More, and an image that is not there");
    world.windlass(&["deploy", "-e", "local"]).expect(6);
    space.kubectl(&["get", "configmap", "extra"]).expect_failure();
    expect_ready(&space, 1);
}

#[test]
fn what_left_the_overlay_is_removed_and_claims_are_kept() {
    let (space, world) = world();
    add_object(&world, "extra.configmap.yaml", EXTRA);
    add_object(&world, "archive.persistentvolumeclaim.yaml", CLAIM);
    replicas(&world, 2);
    world.commit("With more");
    // A claim that no pod uses stays unbound, which is no fault of it.
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    assert_eq!(ask(&space, &["configmap", "extra"], ".data.color"), "blue");

    remove_object(&world, "extra.configmap.yaml");
    remove_object(&world, "archive.persistentvolumeclaim.yaml");
    replicas(&world, 1);
    world.commit("With less");
    world.windlass(&["deploy", "-e", "local"]).expect(0).says("1 removed");
    space.kubectl(&["get", "configmap", "extra"]).expect_failure();
    let claims = ask(&space, &["persistentvolumeclaim"], ".items[*].metadata.name");
    assert_eq!(claims, "archive data-postgres-0 data-postgres-1");
    assert_eq!(ask(&space, &["persistentvolumeclaim"], ".items[*].metadata.deletionTimestamp"), "");
}

#[test]
fn a_crash_is_shown_with_its_exit_code_and_last_words() {
    let (space, world) = world();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    annotate(
        &world,
        r#"{testbed/fault: crash, testbed/exit-code: "3", testbed/log: "FATAL: no such role", testbed/speed: "10"}"#,
    );
    world.commit("It does not start");
    world.windlass(&["deploy", "-e", "local"]).expect(6).says("FATAL: no such role");
    let diagnosis = &newest(&world, "local")["diagnosis"];
    assert_eq!(diagnosis["cause"], "crash", "{diagnosis:#}");
    assert!(diagnosis.to_string().contains("\"code\":3"), "{diagnosis:#}");
    expect_ready(&space, 1);
}

#[test]
fn a_configmap_that_is_missing_is_named() {
    let (space, world) = world();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    let statefulset = "infra/k8s/base/statefulsets/postgres.statefulset.yaml";
    world.replace(statefulset, "            name: postgres-init\n", "            name: postgres-absent\n");
    world.commit("A name that nobody has");
    world.windlass(&["deploy", "-e", "local"]).expect(6).says("postgres-absent");
    expect_ready(&space, 1);
}

#[test]
fn a_changed_secret_is_written_and_restarts_what_takes_it() {
    let (space, mut world) = world();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    let (pod, mark, written) = (pod(&space), mark(&space), versions(&space));

    world.windlass(&["deploy", "-e", "local"]).expect(0).says("0 created, 0 changed");
    assert_eq!(versions(&space), written, "an unchanged value is not written");

    world.set_secret("POSTGRES_SA_PASSWORD", Some("canary-another-Ohb7eeph"));
    world.windlass(&["deploy", "-e", "local"]).expect(0).says("verified");
    let value = ask(&space, &["secret", "postgres-passwords"], ".data.POSTGRES_SA_PASSWORD");
    assert_eq!(value, "Y2FuYXJ5LWFub3RoZXItT2hiN2VlcGg=");
    assert_ne!(self::mark(&space), mark, "the pods are marked with what they take");
    assert_ne!(self::pod(&space), pod, "the pod was restarted");
    expect_ready(&space, 1);
}

#[test]
fn a_change_of_configuration_leaves_the_pod_alone() {
    let (space, world) = world();
    world.windlass(&["deploy", "-e", "local"]).expect(0);
    let pod = pod(&space);
    let config = "infra/k8s/base/configmaps/postgres-init.configmap.yaml";
    world.edit(config, |text| format!("{text}  extra.sql: |\n    SELECT 1;\n"));
    world.commit("One more script");
    world.windlass(&["deploy", "-e", "local"]).expect(0).says("0 created, 1 changed");
    assert_eq!(ask(&space, &["configmap", "postgres-init"], ".data.extra\\.sql"), "SELECT 1;\n");
    assert_eq!(self::pod(&space), pod);
}

fn template_image(space: &Namespace<'_>) -> String {
    ask(space, &["statefulset", "postgres"], ".spec.template.spec.containers[0].image")
}

fn images(space: &Namespace<'_>) -> Vec<String> {
    let images = ask(space, &["pod", "-l", "app=postgres"], ".items[*].spec.containers[0].image");
    images.split(' ').map(str::to_owned).collect()
}

fn pod(space: &Namespace<'_>) -> String {
    ask(space, &["pod", "postgres-0"], ".metadata.uid")
}

fn mark(space: &Namespace<'_>) -> String {
    ask(space, &["statefulset", "postgres"], ".spec.template.metadata.annotations.windlass\\.dev/secrets")
}
