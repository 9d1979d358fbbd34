//! What a server is told before it starts for the first time.
//!
//! A cloud-config in JSON, which is YAML. The host key is in it, so that whoever connects later knows that it is this server that answers.

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::bootstrap::node;
use crate::config::{ClusterConfig, Nodes};
use crate::keys::HostKey;
use crate::plan::blueprint::Role;

const FIRST_LINE: &str = "#cloud-config\n";

/// What a server is made a node from.
#[derive(Debug)]
pub(crate) struct NodeSetup<'a> {
    pub(crate) config: &'a ClusterConfig,
    /// What its pool says.
    pub(crate) nodes: &'a Nodes,
    pub(crate) role: Role,
    pub(crate) name: &'a str,
    pub(crate) host_key: &'a HostKey,
    /// The addresses of the private network.
    pub(crate) private: IpNet,
    /// The settings of k3s, for a worker, which then joins by itself.
    pub(crate) settings: Option<&'a SecretString>,
}

/// The user data.
pub(crate) fn user_data(setup: &NodeSetup<'_>) -> SecretString {
    let mut document = json!({
        "hostname": setup.name,
        "preserve_hostname": false,
        "ssh_pwauth": false,
        "disable_root": false,
        "ssh_deletekeys": true,
        "ssh_keys": {
            "ed25519_private": setup.host_key.private.expose_secret(),
            "ed25519_public": setup.host_key.public,
        },
        "growpart": {"mode": if grows(setup) { "auto" } else { "off" }, "devices": ["/"]},
        "write_files": files(setup),
        "runcmd": commands(setup),
    });
    // An empty list is refused by cloud-init's schema, and without packages their lists need not be fetched.
    if !packages(setup).is_empty() {
        document["package_update"] = json!(true);
        document["packages"] = json!(packages(setup));
    }
    SecretString::from(format!("{FIRST_LINE}{document}\n"))
}

/// What a server is made from, but for secrets, names and the release of k3s, which is upgraded: by its digest a change is seen later.
pub(crate) fn made_from(config: &ClusterConfig, nodes: &Nodes, role: Role) -> String {
    let packages = nodes.additional_packages.as_ref().unwrap_or(&config.additional_packages);
    let labels: Vec<String> = nodes.labels.iter().map(|label| format!("{label:?}")).collect();
    let taints: Vec<String> = nodes.taints.iter().map(ToString::to_string).collect();
    json!([
        role.word(),
        packages,
        before(config, nodes),
        after(config, nodes),
        config.networking.ssh.port,
        labels,
        taints
    ])
    .to_string()
}

fn grows(setup: &NodeSetup<'_>) -> bool {
    setup.nodes.grow_root_partition_automatically.unwrap_or(setup.config.grow_root_partition_automatically)
}

fn packages<'a>(setup: &NodeSetup<'a>) -> &'a [String] {
    setup.nodes.additional_packages.as_ref().unwrap_or(&setup.config.additional_packages)
}

/// Commands before k3s is installed.
fn before<'a>(config: &'a ClusterConfig, nodes: &'a Nodes) -> &'a [String] {
    nodes.additional_pre_k3s_commands.as_ref().unwrap_or(&config.additional_pre_k3s_commands)
}

/// Commands after k3s was installed.
pub(crate) fn after<'a>(config: &'a ClusterConfig, nodes: &'a Nodes) -> &'a [String] {
    nodes.additional_post_k3s_commands.as_ref().unwrap_or(&config.additional_post_k3s_commands)
}

fn files(setup: &NodeSetup<'_>) -> Vec<Value> {
    let file = |path: &str, permissions: &str, content: &str| json!({"path": path, "permissions": permissions, "owner": "root:root", "content": content});
    let role = setup.role;
    let sshd = format!(
        "Port {}\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n",
        setup.config.networking.ssh.port
    );
    let unit = format!("/etc/systemd/system/{}.service", node::unit(role));
    let mut files = vec![
        file("/etc/ssh/sshd_config.d/10-windlass.conf", "0600", &sshd),
        file(&unit, "0644", &node::unit_text(role)),
        file(node::PREPARE, "0700", &node::prepare(&setup.config.k3s_version, setup.private, role)),
    ];
    let mirror = &setup.config.addons.embedded_registry_mirror;
    if mirror.enabled {
        files.push(file(node::REGISTRIES, "0600", mirror.private_registry_config.expose()));
    }
    if let Some(settings) = setup.settings {
        files.push(file(node::SETTINGS, "0600", settings.expose_secret()));
    }
    files
}

fn commands(setup: &NodeSetup<'_>) -> Vec<String> {
    // Where sshd is started by its socket, the port is the socket's, which a generator takes from sshd's settings.
    let sshd = "systemctl daemon-reload; systemctl restart ssh.socket 2>/dev/null || true; systemctl restart ssh || systemctl restart sshd";
    let mut commands = vec![sshd.to_owned()];
    commands.extend(before(setup.config, setup.nodes).iter().cloned());
    if setup.settings.is_some() {
        let unit = node::unit(setup.role);
        commands.push(format!("{} && systemctl enable --now {unit}", node::PREPARE));
        commands.extend(after(setup.config, setup.nodes).iter().cloned());
    } else {
        commands.push(node::PREPARE.to_owned());
    }
    commands
}
