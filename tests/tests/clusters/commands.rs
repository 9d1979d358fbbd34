//! What a person types, and a push that changes a cluster.

use windlass_tests::world::Ran;

use crate::yard::Yard;

const CONFIG: &str = "infra/k8s/hetzner/dev/cluster/cluster-config.yaml";
const CLUSTER: &str = "hetzner-dev-cluster";

#[test]
fn a_push_that_changes_the_cluster_ends_in_a_verified_deploy() {
    let yard = Yard::new();
    let before = yard.world.git(&["rev-parse", "HEAD"]);
    yard.world.edit(CONFIG, |text| format!("{text}# one more node\n"));
    let after = yard.world.commit("Change the cluster");
    let event = yard.world.push_event("1", &before, &after);
    let sent = yard.windlass(&["events", "send", event.to_str().unwrap()]);
    sent.expect(0).says("server is there").says("3 to create; 12.05 EUR a month").says("takes work");
    let runs = yard.world.runs();
    let told: Vec<_> =
        runs.iter().map(|run| (run["kind"].as_str().unwrap(), run["state"].as_str().unwrap())).collect();
    assert_eq!(told, [("deploy", "verified"), ("cluster", "verified")], "{runs:#?}");
    assert_eq!(runs[0]["commit"], after.as_str());
}

#[test]
fn a_cluster_is_planned_made_listed_and_removed() {
    let yard = Yard::new();
    yard.windlass(&["cluster", "plan", "dev", "--exit-code"])
        .expect(3)
        .says("+ create server of")
        .says("12.05 EUR");
    yard.windlass(&["cluster", "list"]).expect(0).says("no run has made a cluster");
    yard.windlass(&["cluster", "kubeconfig", "dev"]).expect(2).says("windlass cluster create dev");
    yard.windlass(&["cluster", "create", "dev"]).expect(0).says("3 nodes are ready");
    yard.windlass(&["cluster", "plan", "dev", "--exit-code"]).expect(0).says("nothing to change");
    yard.windlass(&["cluster", "list"]).expect(0).says(CLUSTER).says("r-1");
    yard.windlass(&["runs", "explain", "r-1"])
        .expect(0)
        .says("What `hetzner` told of ensure")
        .says("volume is there");
    check_way_in(&yard);

    yard.windlass(&["cluster", "delete", "dev", "--dry-run"])
        .expect(0)
        .says("2 to remove, 1 left")
        .says("0.44 EUR");
    for wrong in
        [&["cluster", "delete", "dev"][..], &["cluster", "delete", "dev", "--yes", "hetzner-prod-cluster"]]
    {
        yard.windlass(wrong).expect(2).says(&format!("--yes {CLUSTER}"));
    }
    assert_eq!(yard.log().len(), 3, "nothing is removed unless the cluster is named");
    yard.windlass(&["cluster", "delete", "dev", "--yes", CLUSTER])
        .expect(0)
        .says("is gone")
        .says("! left   volume");
    assert_eq!(yard.log()[3..], ["remove network", "remove server"]);
    yard.windlass(&["cluster", "list"]).expect(0).says("no run has made a cluster");
}

/// What is printed leads into the cluster, and is written nowhere in the clear.
fn check_way_in(yard: &Yard) {
    let printed = yard.windlass(&["cluster", "kubeconfig", "dev"]);
    let token = yard.token();
    assert!(printed.expect(0).stdout.contains(&token), "what is asked for is printed");
    let file = yard.path("printed");
    std::fs::write(&file, &printed.stdout).unwrap();
    let everything = yard.world.everything_written();
    let is_open = everything.windows(token.len()).any(|window| window == token.as_bytes());
    assert!(!is_open, "the token lies open in the data directory");
    for command in
        [&["runs", "explain", "r-1"][..], &["-o", "json", "runs", "show", "r-1"], &["cluster", "list"]]
    {
        let told: Ran = yard.windlass(command);
        assert!(!told.text().contains(&token), "{command:?} shows the token");
    }
}

#[test]
fn a_cluster_that_exists_is_not_made() {
    let yard = Yard::new();
    yard.world.configure_more("[clusters.dev]\nkubeconfig = \"elsewhere\"\n");
    yard.windlass(&["cluster", "create", "dev"]).expect(2).says("windlass does not make its cluster");
    yard.windlass(&["cluster", "delete", "dev", "--yes", CLUSTER]).expect(2).says("cluster_not_made");
    assert!(yard.log().is_empty());
}
