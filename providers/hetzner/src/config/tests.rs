//! The reader on whole files.

use proptest::prelude::*;

use super::*;
use crate::firewall::Ports;

/// The least that a file must say.
const LEAST: &str = "\
cluster_name: shop
kubeconfig_path: kubeconfig
k3s_version: v1.34.4+k3s1
schedule_workloads_on_masters: true
masters_pool:
  instance_type: cx23
";

fn parse(text: &str) -> ClusterFile {
    ClusterFile::parse("cluster-config.yaml", text).unwrap_or_else(|problems| panic!("{}", problems.render()))
}

/// `line:column: message` of everything that is wrong with the least file and `lines`.
fn problems(lines: &str) -> Vec<String> {
    let problems = ClusterFile::parse("cluster-config.yaml", &format!("{LEAST}{lines}"))
        .map_or_else(|found| found.0, |_| Vec::new());
    problems
        .iter()
        .map(|problem| format!("{}:{}: {}", problem.place.line, problem.place.column, problem.message))
        .collect()
}

fn check(lines: &str, expected: &[&str]) {
    assert_eq!(problems(lines), expected, "{lines}");
}

#[test]
fn the_least_file_has_the_defaults_of_hetzner_k3s() {
    let ClusterConfig {
        networking, addons, datastore, image, protect_against_deletion, masters_pool, ..
    } = parse(LEAST).config;
    assert_eq!(networking.private_network.subnet.to_string(), "10.0.0.0/16");
    assert_eq!(networking.allowed_networks.ssh, ["0.0.0.0/0".parse().unwrap()]);
    assert!(networking.cni.encryption && networking.private_network.existing_network_name.is_none());
    assert!(addons.csi_driver.enabled && !addons.traefik.enabled && addons.embedded_registry_mirror.enabled);
    assert_eq!(addons.embedded_registry_mirror.private_registry_config.expose(), "mirrors: {\"*\": }");
    assert_eq!((datastore.mode, datastore.etcd.snapshot_retention), (DatastoreMode::Etcd, 24));
    assert_eq!((image.as_str(), protect_against_deletion), ("ubuntu-24.04", true));
    assert_eq!((masters_pool.nodes.instance_count, masters_pool.locations), (1, vec!["fsn1".to_owned()]));
}

#[test]
fn the_reference_tree_is_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/k8s/hetzner");
    for (environment, masters, workers) in [("dev", 1, 0), ("test", 1, 1), ("prod", 3, 3)] {
        let text =
            std::fs::read_to_string(folder.join(environment).join("cluster/cluster-config.yaml")).unwrap();
        let config = parse(&text).config;
        assert_eq!(config.cluster_name.as_str(), format!("hetzner-{environment}-cluster"));
        assert_eq!(config.masters_pool.nodes.instance_count, masters);
        assert_eq!(
            config.worker_node_pools.iter().map(|pool| pool.nodes.instance_count).sum::<u32>(),
            workers
        );
        assert_eq!(config.networking.allowed_networks.custom_firewall_rules.len(), 5);
    }
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest() {
    let text = format!("{LEAST}networking:\n  ssh:\n    prot: 22\n");
    let problems = ClusterFile::parse("cluster-config.yaml", &text).unwrap_err();
    assert_eq!(problems.to_string(), "cluster-config.yaml:9:5: unknown key `prot` in `networking.ssh`");
    assert_eq!(problems.0[0].hint.as_deref(), Some("did you mean `port`?"));
}

#[test]
fn problems_name_the_whole_path() {
    check(
        "networking:\n  allowed_networks:\n    ssh: [10.0.0.1]\n    custom_firewall_rules:\n      - {port: 99999, source_ips: [x]}\n",
        &[
            "9:11: `networking.allowed_networks.ssh[0]` must be a network, found `10.0.0.1`",
            "11:16: `networking.allowed_networks.custom_firewall_rules[0].port`: ports are written as `80`, `8000-8100` or `any`, from 1 to 65535",
            "11:36: `networking.allowed_networks.custom_firewall_rules[0].source_ips[0]` must be a network, found `x`",
        ],
    );
}

#[test]
fn a_key_that_is_there_twice_is_a_problem() {
    check("image: a\nimage: b\n", &["8:1: key `image` appears twice, first in line 7"]);
}

#[test]
fn missing_keys_are_all_named() {
    let problems = ClusterFile::parse("c.yaml", "image: debian-13\n").unwrap_err();
    let missing: Vec<_> = problems.0.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        missing,
        ["cluster_name", "kubeconfig_path", "k3s_version", "masters_pool"]
            .map(|key| format!("missing key `{key}` in the file"))
    );
}

#[test]
fn spellings_of_hetzner_k3s_are_understood() {
    let rules = "networking:\n  cni: {encryption: no}\n  allowed_networks:\n    custom_firewall_rules:\n      - {port: 80, source_ips: [10.1.2.3/8]}\n";
    let pool = "worker_node_pools:\n- name: w\n  instance_type: cx23\n  image: 103908130\n  labels:\n  taints: [{key: only, value: db:NoExecute}, {key: some, value: x}, {key: bare}]\n";
    let config = parse(&format!("{LEAST}{rules}{pool}")).config;
    let rule = &config.networking.allowed_networks.custom_firewall_rules[0];
    assert_eq!((rule.port, rule.networks()[0].to_string().as_str()), (Ports::one(80), "10.0.0.0/8"));
    assert!(!config.networking.cni.encryption);
    let nodes = &config.worker_node_pools[0].nodes;
    assert_eq!(nodes.image.as_deref(), Some("103908130"));
    let taints: Vec<_> = nodes.taints.iter().map(Taint::to_string).collect();
    assert_eq!(taints, ["only=db:NoExecute", "some=x:NoSchedule", "bare:NoSchedule"]);
}

#[test]
fn registries_may_be_written_out() {
    let lines = "addons:\n  embedded_registry_mirror:\n    private_registry_config:\n      mirrors: {\"*\": , docker.io: {endpoint: [\"https://m.example.com\"]}}\n";
    let config = parse(&format!("{LEAST}{lines}")).config;
    assert_eq!(
        config.addons.embedded_registry_mirror.private_registry_config.expose(),
        r#"{"mirrors": {"*": null, "docker.io": {"endpoint": ["https://m.example.com"]}}}"#
    );
}

#[test]
fn a_taint_without_an_effect_that_exists_is_a_problem() {
    let found = problems(
        "worker_node_pools:\n- {name: w, instance_type: cx23, taints: [{key: a, value: b:Never}]}\n",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("`worker_node_pools[0].taints[0]` must be a taint with an effect"),
        "{found:?}"
    );
}

#[test]
fn keys_must_go_with_one_another() {
    check(
        "networking:\n  private_network: {enabled: false}\n  cni:\n    encryption: false\n",
        &["10:5: traffic between nodes would cross the internet in clear"],
    );
    check(
        "worker_node_pools:\n- {name: a, instance_type: cx23}\n- {name: a, instance_type: cx23}\n",
        &["9:4: two worker pools are named `a`"],
    );
    check("datastore: {mode: external}\n", &["7:13: an external datastore has no address"]);
    check(
        "networking: {allowed_networks: {custom_firewall_rules: [{direction: out, source_ips: [10.0.0.0/8]}]}}\n",
        &[
            "7:57: a rule with `direction: out` needs `destination_ips`",
            "7:74: a rule with `direction: out` has no use for `source_ips`",
        ],
    );
}

#[test]
fn each_master_has_a_location() {
    let text = LEAST.replace("  instance_type: cx23\n", "  instance_type: cx23\n  instance_count: 3\n");
    let problems = ClusterFile::parse("c.yaml", &text).unwrap_err();
    assert_eq!(problems.to_string(), "c.yaml:5:1: `masters_pool` has 3 masters in 1 locations");
}

#[test]
fn secrets_do_not_show_themselves() {
    let lines = "hetzner_token: canary\ndatastore: {etcd: {s3_secret_key: canary}}\n";
    let shown = format!("{:?}", parse(&format!("{LEAST}{lines}")));
    assert!(!shown.contains("canary"), "{shown}");
    let wrong = problems("hetzner_token: [canary]\n");
    assert_eq!(wrong, ["7:1: `hetzner_token` must be text, found a list"]);
}

#[test]
fn no_problem_shows_a_credential() {
    for line in [
        "hetzner_tokn: canary",
        "hetzner_token: [canary]",
        "hetzner_token: canary\nhetzner_token: canary",
        "datastore: {etcd: {s3_secret_key: canary, s3_bukket: x}}",
        "hetzner_token: canary: canary",
        "hetzner_token: \"canary",
        "{hetzner_token: canary, x",
    ] {
        let problems = ClusterFile::parse("c.yaml", &format!("{LEAST}{line}\n")).unwrap_err();
        let shown = format!("{}\n{problems}\n{problems:?}", problems.render());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn other_problems_show_their_line() {
    let problems = ClusterFile::parse("c.yaml", &format!("{LEAST}imagee: debian-13\n")).unwrap_err();
    assert!(problems.render().contains("7 | imagee\n"), "{}", problems.render());
}

/// Every key of the schema with its path, in the way a file is written that has only it beside what it must have.
fn every_key(table: &'static Table, prefix: &str, visit: &mut dyn FnMut(&str, &'static Key)) {
    for key in table.keys() {
        let path = format!("{prefix}{}", key.name);
        visit(&path, key);
        if let Some(inner) = key.presence.table() {
            let list = if matches!(key.presence, Presence::Blocks(_)) { "[0]" } else { "" };
            every_key(inner, &format!("{path}{list}."), visit);
        }
    }
}

/// A file in which only `path` differs from what must be there.
fn file_with(path: &str, value: &str) -> String {
    let mut root = written::Tree::least();
    root.set(path, value);
    root.to_yaml()
}

mod written {
    //! The few YAML trees that the tests write.

    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    /// Values by path, written as flow YAML.
    pub(super) struct Tree(BTreeMap<String, String>);

    impl Tree {
        pub(super) fn least() -> Self {
            let mut tree = Self(BTreeMap::new());
            for (path, value) in [
                ("cluster_name", "least"),
                ("kubeconfig_path", "least"),
                ("k3s_version", "v1.34.3+k3s1"),
                ("schedule_workloads_on_masters", "true"),
                ("masters_pool.instance_type", "least"),
            ] {
                tree.set(path, value);
            }
            tree
        }

        pub(super) fn set(&mut self, path: &str, value: &str) {
            let beside: &[(&str, &str)] = &[
                ("worker_node_pools[0].", "name: least"),
                ("worker_node_pools[0].", "instance_type: least"),
                ("labels[0].", "key: least"),
                ("taints[0].", "key: least"),
                ("external.nodes[0].", "host: 203.0.113.1"),
                ("external.nodes[0].", "ssh_user: least"),
                ("external.nodes[0].", "ssh_private_key_path: least"),
                ("external.nodes[0].", "index: 2"),
                ("budget.", "monthly: 1"),
            ];
            for (part, entry) in beside {
                if let Some(at) = path.find(part) {
                    let (key, value) = entry.split_once(": ").unwrap();
                    self.0.insert(format!("{}{part}{key}", &path[..at]), value.to_owned());
                }
            }
            self.0.insert(path.to_owned(), value.to_owned());
        }

        pub(super) fn to_yaml(&self) -> String {
            self.block("")
        }

        /// The mapping of all paths that begin with `prefix`.
        fn block(&self, prefix: &str) -> String {
            let mut text = String::from("{");
            let mut last = "";
            for path in self.0.keys().filter_map(|path| path.strip_prefix(prefix)) {
                let end = path.find(['.', '[']).unwrap_or(path.len());
                let (key, rest) = path.split_at(end);
                if key == last {
                    continue;
                }
                last = key;
                let value = match rest.get(..1) {
                    None => self.0[&format!("{prefix}{key}")].clone(),
                    Some(".") => self.block(&format!("{prefix}{key}.")),
                    Some(_) => format!("[{}]", self.block(&format!("{prefix}{key}[0]."))),
                };
                write!(text, "{key}: {value}, ").unwrap();
            }
            text.push('}');
            text
        }
    }
}

/// Reads without the rules between keys, which would ask for more than one key at a time.
fn read_alone(text: &str) -> Result<ClusterConfig, Vec<String>> {
    scan::without_rules("c.yaml", text)
        .map_err(|problems| problems.0.into_iter().map(|problem| problem.message).collect())
}

#[test]
fn every_key_is_read_from_where_it_stands() {
    let mut count = 0;
    every_key(keys(), "", &mut |path, key| {
        let (Presence::Required { example } | Presence::Preset { example, .. } | Presence::Unset { example }) =
            key.presence
        else {
            return;
        };
        count += 1;
        let with =
            read_alone(&file_with(path, example)).unwrap_or_else(|problems| panic!("{path}: {problems:?}"));
        let default = match key.presence {
            Presence::Preset { default, .. } => Some(default),
            Presence::Unset { .. } => Some("~"),
            _ => None,
        };
        if let Some(default) = default {
            let without = read_alone(&file_with(path, default))
                .unwrap_or_else(|problems| panic!("{path}: {problems:?}"));
            assert_ne!(with, without, "`{path}: {example}` changes nothing");
        }
        let wrong = read_alone(&file_with(path, "{wrong: [1]}"));
        let is_free = path.ends_with("private_registry_config");
        assert!(
            is_free || wrong.is_err_and(|found| found[0].contains(&format!("`{path}`"))),
            "`{path}` takes anything"
        );
    });
    assert!(count > 150, "{count}");
}

#[test]
fn every_key_says_what_it_means() {
    every_key(keys(), "", &mut |path, key| {
        assert!(key.about.trim_start().len() > 6 && key.about.ends_with('.'), "{path}: {}", key.about);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-a:{}\\[\\]&*<>|!? \n#\"'0]{0,80}") {
        let _ = ClusterFile::parse("c.yaml", &text);
    }

    #[test]
    fn no_value_of_a_known_key_makes_the_reader_panic(
        pick in any::<prop::sample::Index>(),
        value in "[-a0-9:{}\\[\\]&*|!~ \n\"'./]{0,24}",
    ) {
        let mut paths = Vec::new();
        every_key(keys(), "", &mut |path, _| paths.push(path.to_owned()));
        let _ = ClusterFile::parse("c.yaml", &file_with(&paths[pick.index(paths.len())], &value));
    }
}
