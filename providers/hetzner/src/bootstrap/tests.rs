//! What servers are told, judged by those who read it: cloud-init, a shell, and k3s' rules for its settings.

use std::io::Write as _;
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::cloud_init::{NodeSetup, user_data};
use super::kubeconfig::published;
use super::master::{self, Controllers};
use super::settings::{self, MasterSettings};
use super::versions::{CLOUD_CONTROLLER, VOLUME_DRIVER};
use crate::config::ClusterConfig;
use crate::keys::ClusterSecret;
use crate::machines::Script;
use crate::plan::blueprint::Role;
use crate::tests::cluster;

const POOL: &str = "worker_node_pools: [{name: w, instance_type: cx33, labels: [{key: purpose, value: db}], taints: [{key: db, value: \"yes:NoExecute\"}]}]";

fn secret() -> ClusterSecret {
    ClusterSecret::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap()
}

/// The user data of the first server of a role.
fn told(config: &ClusterConfig, role: Role) -> String {
    let secret = secret();
    let (nodes, settings) = match role {
        Role::Master => (&config.masters_pool.nodes, None),
        Role::Worker => {
            let nodes = &config.worker_node_pools[0].nodes;
            let join = "10.0.255.253".parse().unwrap();
            (nodes, Some(settings::worker(config, nodes, "shop-w", join, &secret.agent_token())))
        }
    };
    let text = user_data(&NodeSetup {
        config,
        nodes,
        role,
        name: "shop-w",
        host_key: &secret.host_key("shop-w"),
        private: config.networking.private_network.subnet,
        settings: settings.as_ref(),
    });
    text.expose_secret().to_owned()
}

fn read(text: &str) -> Value {
    serde_json::from_str(text.strip_prefix("#cloud-config\n").expect("cloud-init looks for this line"))
        .unwrap()
}

fn file(told: &Value, path: &str) -> Option<(String, String)> {
    let files = told["write_files"].as_array().unwrap();
    let found = files.iter().find(|file| file["path"] == path)?;
    Some((found["permissions"].as_str().unwrap().to_owned(), found["content"].as_str().unwrap().to_owned()))
}

fn master_settings(config: &ClusterConfig, join: Option<&str>) -> Value {
    let secret = secret();
    let text = settings::master(&MasterSettings {
        config,
        name: "shop-master1",
        token: &secret.server_token(),
        agent_token: &secret.agent_token(),
        join: join.map(|address| address.parse().unwrap()),
        names: &["203.0.113.7".to_owned()],
    });
    serde_json::from_str(text.expose_secret()).unwrap()
}

fn scripts(config: &ClusterConfig) -> [Script; 5] {
    let (settings, token) = (SecretString::from("{\"token\": \"it's\"}"), SecretString::from("canary"));
    let controllers = Controllers { token: &token, network: "shop", endpoint: None };
    [
        master::found(config, &settings, &controllers),
        master::join(config, &settings),
        master::kubeconfig(),
        master::upgrade(config, Role::Master),
        master::upgrade(config, Role::Worker),
    ]
}

#[test]
fn a_worker_has_all_it_needs_to_join() {
    let told = read(&told(&cluster(POOL), Role::Worker));
    let (mode, settings) = file(&told, "/etc/rancher/k3s/config.yaml").unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_eq!(mode, "0600");
    assert_eq!(settings["server"], "https://10.0.255.253:6443");
    assert_eq!(settings["token"], secret().agent_token().expose_secret());
    assert_eq!(settings["kubelet-arg"], json!(["cloud-provider=external"]));
    assert_eq!(settings["node-label"], json!(["purpose=db"]));
    assert_eq!(settings["node-taint"], json!(["db=yes:NoExecute"]));
    assert!(file(&told, "/etc/rancher/k3s/registries.yaml").unwrap().1.contains("mirrors"));
    assert_eq!(told["runcmd"][1], "/usr/local/sbin/windlass-node && systemctl enable --now k3s-agent");
    assert_eq!(told["ssh_keys"]["ed25519_public"], secret().host_key("shop-w").public);
}

#[test]
fn a_master_waits_for_what_makes_it_one() {
    let text = told(&cluster(""), Role::Master);
    let told = read(&text);
    assert_eq!(file(&told, "/etc/rancher/k3s/config.yaml"), None);
    assert_eq!(told["runcmd"].as_array().unwrap().last().unwrap(), "/usr/local/sbin/windlass-node");
    for token in [secret().server_token(), secret().agent_token()] {
        assert!(!text.contains(token.expose_secret()));
    }
}

#[test]
fn commands_and_packages_of_the_file_are_carried_out() {
    let lines = "additional_pre_k3s_commands: [modprobe nbd]\nadditional_post_k3s_commands: [sysctl -p]\nadditional_packages: [htop]\n";
    let told = read(&told(&cluster(&format!("{lines}{POOL}")), Role::Worker));
    assert_eq!(told["packages"], json!(["htop"]));
    let commands: Vec<&str> =
        told["runcmd"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!((commands[1], commands[3]), ("modprobe nbd", "sysctl -p"));
}

/// The schema of cloud-init itself judges what it will read.
#[test]
fn cloud_init_accepts_what_servers_are_told() {
    let config = cluster(POOL);
    for role in [Role::Master, Role::Worker] {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(told(&config, role).as_bytes()).unwrap();
        let judged =
            Command::new("cloud-init").args(["schema", "--config-file"]).arg(written.path()).output();
        let judged = judged.expect("`cloud-init` is part of the test bed: `apt-get install cloud-init`");
        let said = [judged.stdout, judged.stderr].concat();
        assert!(judged.status.success(), "{role:?}: {}", String::from_utf8_lossy(&said));
    }
}

/// `sh -n` reads a script without carrying it out.
fn check_shell(text: &str) {
    let mut shell =
        Command::new("sh").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let judged = shell.wait_with_output().unwrap();
    assert!(judged.status.success(), "{}\n{text}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn every_script_is_one() {
    let config = cluster("additional_post_k3s_commands: [\"echo 'done'\"]");
    for script in scripts(&config) {
        check_shell(script.text.expose_secret());
    }
    for role in [Role::Master, Role::Worker] {
        let (mode, prepare) = file(&read(&told(&cluster(POOL), role)), super::node::PREPARE).unwrap();
        assert_eq!(mode, "0700");
        check_shell(&prepare);
    }
}

#[test]
fn what_is_fetched_is_compared_with_the_sums_of_its_release() {
    let (_, prepare) = file(&read(&told(&cluster(POOL), Role::Worker)), super::node::PREPARE).unwrap();
    assert!(
        prepare.contains("/releases/download/v1.34.4%2Bk3s1'") && prepare.contains("sha256sum -c"),
        "{prepare}"
    );
}

#[test]
fn secrets_are_in_no_script_as_they_are() {
    let [found, ..] = scripts(&cluster(""));
    assert!(!found.text.expose_secret().contains("canary"), "they are encoded, so that no shell reads them");
    assert!(!format!("{found:?}").contains("canary"));
}

#[test]
fn one_master_founds_and_others_join() {
    let config = cluster("");
    let (first, other) = (master_settings(&config, None), master_settings(&config, Some("10.0.255.253")));
    assert_eq!((&first["cluster-init"], &first["server"]), (&json!(true), &Value::Null));
    assert_eq!(
        (&other["cluster-init"], &other["server"]),
        (&Value::Null, &json!("https://10.0.255.253:6443"))
    );
    for settings in [first, other] {
        assert_eq!(settings["secrets-encryption"], true);
        assert_eq!(settings["embedded-registry"], true);
        assert_eq!(settings["disable-cloud-controller"], true);
        assert_eq!(settings["write-kubeconfig-mode"], "0600");
        assert_eq!(settings["tls-san"], json!(["203.0.113.7"]));
        assert_ne!(settings["token"], settings["agent-token"]);
        assert_eq!(settings["disable"], json!(["traefik", "servicelb", "metrics-server", "local-storage"]));
    }
}

#[test]
fn masters_take_workloads_only_where_the_file_says_so() {
    let config = cluster("");
    assert_eq!(master_settings(&config, None)["node-taint"], Value::Null);
    let kept = ClusterConfig { schedule_workloads_on_masters: false, ..config };
    assert_eq!(master_settings(&kept, None)["node-taint"], json!(["CriticalAddonsOnly=true:NoExecute"]));
}

#[test]
fn the_pods_network_of_the_file_is_that_of_the_cloud_controller() {
    let [found, ..] = scripts(&cluster("networking: {cluster_cidr: 10.245.0.0/16}"));
    let text = found.text.expose_secret();
    assert!(
        text.contains("'s|10.244.0.0/16|10.245.0.0/16|g'") && text.contains(CLOUD_CONTROLLER.url),
        "{text}"
    );
    assert!(text.contains(VOLUME_DRIVER.url));
    let [found, ..] = scripts(&cluster("addons: {csi_driver: {enabled: false}}"));
    assert!(!found.text.expose_secret().contains(VOLUME_DRIVER.url));
}

#[test]
fn a_kubeconfig_points_to_where_the_api_is_published() {
    let text = "apiVersion: v1\nclusters:\n- cluster: {certificate-authority-data: YQ==, server: 'https://127.0.0.1:6443'}\n  name: default\n\
                users:\n- name: default\n  user: {client-certificate-data: Yg==, client-key-data: Yw==}\n";
    let kubeconfig = published(text, "shop", "https://203.0.113.7:6443").unwrap();
    let read: Value = serde_json::from_str(kubeconfig.expose()).unwrap();
    assert_eq!(read["clusters"][0]["cluster"]["server"], "https://203.0.113.7:6443");
    assert_eq!(
        (&read["current-context"], &read["users"][0]["user"]["client-key-data"]),
        (&json!("shop"), &json!("Yw=="))
    );
    assert!(published("nonsense", "shop", "x").is_err() && published("{clusters: []}", "shop", "x").is_err());
}
