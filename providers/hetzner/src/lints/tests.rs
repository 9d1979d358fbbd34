//! Each lint on files that it finds something in, and on files beside them.

use super::*;
use crate::config::Presence;
use crate::tests::file;

/// What a lint finds, as `line: message`. The further lines begin in line 6.
fn check(lint: &str, lines: &str, expected: &[&str]) {
    assert!(LINTS.contains(&lint), "{lint}");
    let found: Vec<_> = findings(&file(lines))
        .into_iter()
        .filter(|finding| finding.lint == lint)
        .map(|finding| format!("{}: {}", finding.place.line, finding.message))
        .collect();
    assert_eq!(found, expected, "{lint}\n{lines}");
}

fn rules(rules: &str) -> String {
    format!("networking:\n  allowed_networks:\n    custom_firewall_rules: [{rules}]\n")
}

#[test]
fn outbound_rules_that_forget_something() {
    let open = "no outbound rule: nodes and pods reach every address there is";
    check("egress-rules", "", &[&format!("1: {open}")]);
    check("egress-rules", &rules("{port: 80, source_ips: [0.0.0.0/0]}"), &[&format!("8: {open}")]);
    check(
        "egress-rules",
        &rules("{direction: out, destination_ips: [0.0.0.0/0]}"),
        &[
            "8: no outbound rule lets out udp 123: clocks drift until certificates are refused",
            "8: no outbound rule lets out udp 53: no name can be resolved",
        ],
    );
}

#[test]
fn more_rules_than_slots() {
    let many: Vec<_> =
        (0..60).map(|at| format!("{{port: {}, source_ips: [10.0.0.0/8]}}", 1 + 2 * at)).collect();
    check(
        "firewall-slots",
        &rules(&many.join(", ")),
        &["8: the firewall would have 65 rules, at most 50 are taken"],
    );
    let adjacent: Vec<_> =
        (0..60).map(|at| format!("{{port: {}, source_ips: [10.0.0.0/8]}}", 1000 + at)).collect();
    check("firewall-slots", &rules(&adjacent.join(", ")), &[]);
}

#[test]
fn wireguard_over_the_wrong_protocol() {
    check(
        "wireguard-tcp",
        &rules("{port: 51820, source_ips: [0.0.0.0/0]}"),
        &["8: port 51820 is open for TCP, and WireGuard speaks UDP"],
    );
    check(
        "wireguard-tcp",
        &rules(
            "{port: 51820, protocol: udp, source_ips: [0.0.0.0/0]}, {port: any, source_ips: [10.0.0.0/8]}",
        ),
        &[],
    );
}

#[test]
fn networks_that_cannot_work() {
    check(
        "cluster-networks",
        "networking:\n  cluster_cidr: 10.0.0.0/16\n  cluster_dns: 10.9.0.1\n",
        &[
            "7: `networking.private_network.subnet` and `networking.cluster_cidr` share 10.0.0.0/16",
            "8: the cluster's DNS cannot be 10.9.0.1: it has an address of 10.43.0.0/16, not the first",
        ],
    );
    check("cluster-networks", "", &[]);
}

#[test]
fn a_registry_mirror_that_is_not_there() {
    check("registry-mirror", "", &["1: the cluster does not say whether it has an embedded registry mirror"]);
    let addons = |enabled| format!("addons:\n  embedded_registry_mirror:\n    enabled: {enabled}\n");
    check("registry-mirror", &addons("false"), &["8: the embedded registry mirror is switched off"]);
    check("registry-mirror", &addons("true"), &[]);
}

#[test]
fn clusters_open_to_the_internet() {
    check(
        "open-access",
        "",
        &[
            "1: SSH is open to the internet, because the file does not say from where",
            "1: the Kubernetes API is open to the internet, because the file does not say from where",
        ],
    );
    let stated = "networking:\n  allowed_networks:\n    ssh: [203.0.113.0/24]\n    api: [0.0.0.0/0]\n";
    check("open-access", stated, &["9: the Kubernetes API of a protected cluster is open to the internet"]);
    check("open-access", &format!("{stated}protect_against_deletion: false\n"), &[]);
}

#[test]
fn a_load_balancer_that_no_firewall_guards() {
    let text = |masters: &str, api: &str| {
        let least = crate::tests::text("").replace("{instance_type: cx23}", masters);
        format!(
            "{least}create_load_balancer_for_the_kubernetes_api: true\nnetworking: {{allowed_networks: {{ssh: [10.0.0.0/8], api: [{api}]}}}}\n"
        )
    };
    let found = |text: String| {
        findings(&ClusterFile::parse("c.yaml", &text).unwrap())
            .into_iter()
            .filter(|finding| finding.lint == "open-access")
            .count()
    };
    let three = "{instance_type: cx23, instance_count: 3, locations: [fsn1, nbg1, hel1]}";
    assert_eq!(found(text(three, "203.0.113.0/24")), 1);
    assert_eq!(found(text("{instance_type: cx23}", "203.0.113.0/24")), 0, "one master has no load balancer");
}

#[test]
fn credentials_in_the_file() {
    check(
        "cluster-token",
        "hetzner_token: canary\n",
        &["6: `hetzner_token` holds a credential that everyone who reads the repository has"],
    );
    check("cluster-token", "datastore: {etcd: {s3_access_key: \"\"}}\n", &[]);
    let shown = format!("{:?}", findings(&file("hetzner_token: canary\n")));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn an_even_number_of_masters() {
    let masters = |count: usize| {
        let lines = format!(
            "masters_pool: {{instance_type: cx23, instance_count: {count}, locations: [{}]}}",
            vec!["fsn1"; count].join(", ")
        );
        crate::tests::text("").replace("masters_pool: {instance_type: cx23}", &lines)
    };
    let found = |count| {
        findings(&ClusterFile::parse("c.yaml", &masters(count)).unwrap())
            .iter()
            .filter(|finding| finding.lint == "even-masters")
            .count()
    };
    assert_eq!((1..=5).map(found).collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
}

#[test]
fn locations_that_no_network_spans() {
    let pool =
        |location| format!("worker_node_pools:\n- name: w\n  instance_type: cx23\n  location: {location}\n");
    check(
        "network-zone",
        &pool("ash"),
        &["9: `ash` is in zone us-east, and `fsn1` in eu-central: no network spans both"],
    );
    for location in ["nbg1", "hel1", "xyz9"] {
        check("network-zone", &pool(location), &[]);
    }
}

#[test]
fn architectures_that_do_not_mix() {
    let pool = |rest: &str| format!("image: 42\nworker_node_pools:\n- name: w\n{rest}");
    check(
        "architecture",
        &pool("  instance_type: cax11\n"),
        &["9: snapshot 42 boots `cx23`, which is x86, or `cax11`, which is Arm, not both"],
    );
    check("architecture", &pool("  instance_type: cax11\n  image: 43\n"), &[]);
    check(
        "architecture",
        &pool("  instance_type: cx33\n  fallback_instance_types: [cpx22, cax11]\n"),
        &["10: `cax11` is Arm, and `cx33` x86: images run on one of them"],
    );
}

#[test]
fn commands_that_no_server_can_be_told() {
    let noise: Vec<_> = (0..9_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_string()).collect();
    let noise = noise.concat();
    let lines = format!("additional_pre_k3s_commands: [\"echo {noise}\"]\n");
    let found: Vec<_> =
        findings(&file(&lines)).into_iter().filter(|finding| finding.lint == "cluster-config").collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place.line, 6);
    check(
        "cluster-config",
        &format!("additional_pre_k3s_commands: [\"{}\"]\n", "echo hello; ".repeat(5_000)),
        &[],
    );
}

#[test]
fn names_that_no_server_can_have() {
    let pool = |name: &str| format!("worker_node_pools:\n- name: {name}\n  instance_type: cx23\n");
    check("cluster-config", &pool("Big_one"), &["7: no server can be named `shop-pool-Big_one-worker1`"]);
    check("cluster-config", &pool("big-one"), &[]);
}

#[test]
fn more_placement_groups_than_a_project_has() {
    let pools = |count| {
        let pool = |at| format!("- {{name: p{at}, instance_type: cx23}}\n");
        format!("worker_node_pools:\n{}", (0..count).map(pool).collect::<Vec<_>>().concat())
    };
    check("cluster-config", &pools(49), &[]);
    check(
        "cluster-config",
        &pools(50),
        &["6: the servers need 51 placement groups, a project has at most 50"],
    );
}

#[test]
fn what_is_not_done_is_said() {
    check(
        "cluster-unsupported",
        "networking:\n  cni:\n    mode: cilium\n",
        &["8: windlass does not install Cilium"],
    );
    let pools = "worker_node_pools:\n- {name: a, instance_type: cx23}\n- {name: b, instance_type: cx23, autoscaling: {enabled: true, max_instances: 3}}\n";
    check("cluster-unsupported", pools, &["8: windlass does not install the cluster autoscaler"]);
    check(
        "cluster-unsupported",
        "addons: {cluster_autoscaler: {enabled: true}, system_upgrade_controller: {enabled: true}}\n",
        &[],
    );
}

#[test]
fn only_what_cannot_be_carried_out_stops_a_plan() {
    let lints =
        |lines: &str| refusals(&file(lines)).into_iter().map(|finding| finding.lint).collect::<Vec<_>>();
    assert_eq!(lints("hetzner_token: x\n"), [""; 0]);
    assert_eq!(
        lints("networking: {cni: {mode: cilium}, cluster_cidr: 10.0.0.0/16}\n"),
        ["cluster-unsupported", "cluster-networks"]
    );
}

#[test]
fn every_unsupported_key_is_one_of_the_schema() {
    for unsupported in UNSUPPORTED {
        let mut table = crate::config::keys();
        for name in unsupported.path.replace("[]", "").split('.') {
            let key =
                table.keys().find(|key| key.name == name).unwrap_or_else(|| panic!("{}", unsupported.path));
            if let Some(inner) = Presence::table(&key.presence) {
                table = inner;
            }
        }
        assert!(!unsupported.what.is_empty() && !unsupported.hint.is_empty());
    }
}

#[test]
fn the_reference_tree_is_clean() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/k8s/hetzner");
    for environment in ["dev", "test", "prod"] {
        let text =
            std::fs::read_to_string(folder.join(environment).join("cluster/cluster-config.yaml")).unwrap();
        assert_eq!(findings(&ClusterFile::parse("c.yaml", &text).unwrap()), [], "{environment}");
    }
}
