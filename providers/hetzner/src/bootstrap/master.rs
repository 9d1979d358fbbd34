//! What is done on a master over SSH.

use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::bootstrap::node;
use crate::bootstrap::script::{PUT, put, quoted};
use crate::bootstrap::versions::{CLOUD_CONTROLLER, CLOUD_CONTROLLER_PODS, Manifest, VOLUME_DRIVER};
use crate::config::ClusterConfig;
use crate::machines::{Purpose, Script};
use crate::plan::blueprint::Role;

/// What lies here, k3s applies by itself (k3s docs, "Packaged components").
const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";

/// Cloud-init must have done its part: it brought k3s. Its own failure shows in what follows.
const BEGIN: &str = "set -eu\numask 077\ncommand -v cloud-init >/dev/null && cloud-init status --wait >/dev/null 2>&1 || true\n";

/// What the cluster's controllers are told.
#[derive(Debug)]
pub(crate) struct Controllers<'a> {
    /// Hetzner's token.
    pub(crate) token: &'a SecretString,
    /// The network in which routes are made.
    pub(crate) network: &'a str,
    /// Where their API is, if it is not where it usually is.
    pub(crate) endpoint: Option<&'a str>,
}

/// Founds the control plane: with the manifests of the controllers, which are applied as soon as it stands.
pub(crate) fn found(
    config: &ClusterConfig,
    settings: &SecretString,
    controllers: &Controllers<'_>,
) -> Script {
    let mut text = format!("{BEGIN}{PUT}{}\n", node::PREPARE);
    text.push_str(&put(&format!("{MANIFESTS}/hcloud-secret.yaml"), "600", &secret(controllers)));
    let addons = &config.addons;
    if addons.cloud_controller_manager.enabled {
        let pods = config.networking.cluster_cidr.to_string();
        text.push_str(&fetch(&CLOUD_CONTROLLER, Some((CLOUD_CONTROLLER_PODS, &pods))));
    }
    if addons.csi_driver.enabled {
        text.push_str(&fetch(&VOLUME_DRIVER, None));
    }
    start(&mut text, config, settings);
    Script { purpose: Purpose::Found, text: SecretString::from(text) }
}

/// Joins the control plane.
pub(crate) fn join(config: &ClusterConfig, settings: &SecretString) -> Script {
    let mut text = format!("{BEGIN}{PUT}{}\n", node::PREPARE);
    start(&mut text, config, settings);
    Script { purpose: Purpose::Join, text: SecretString::from(text) }
}

/// Shows the administrator's kubeconfig, which k3s writes when it is up.
pub(crate) fn kubeconfig() -> Script {
    Script {
        purpose: Purpose::Kubeconfig,
        text: SecretString::from("set -eu\ncat /etc/rancher/k3s/k3s.yaml\n"),
    }
}

/// Brings another release and restarts k3s. The unit reports when it is ready, so that this ends then.
pub(crate) fn upgrade(config: &ClusterConfig, role: Role) -> Script {
    let private = config.networking.private_network.subnet;
    let prepare = node::prepare(&config.k3s_version, private, role);
    let text = format!(
        "{BEGIN}{PUT}{}{}\n{}",
        put(node::PREPARE, "700", &prepare),
        node::PREPARE,
        restart(node::unit(role))
    );
    Script { purpose: Purpose::Upgrade, text: SecretString::from(text) }
}

/// Writes the settings and starts k3s; where it runs with other settings, it is restarted. Where it runs with these, nothing is done.
fn start(text: &mut String, config: &ClusterConfig, settings: &SecretString) {
    let unit = node::unit(Role::Master);
    text.push_str(&put(&format!("{}.wanted", node::SETTINGS), "600", settings.expose_secret()));
    let _ = write!(
        text,
        "systemctl daemon-reload\nsystemctl enable {unit}\n\
         if cmp -s {settings}.wanted {settings} && systemctl is-active --quiet {unit}; then\n  exit 0\nfi\n\
         mv {settings}.wanted {settings}\n{restart}",
        settings = node::SETTINGS,
        restart = restart(unit)
    );
    for command in crate::bootstrap::cloud_init::after(config, &config.masters_pool.nodes) {
        let _ = writeln!(text, "sh -c {}", quoted(command));
    }
}

/// Restarts k3s and waits until it is up. A start that fails is tried again by systemd: etcd refuses a member while another one joins.
fn restart(unit: &str) -> String {
    format!(
        "systemctl restart {unit} || true\ntries=0\nuntil systemctl is-active --quiet {unit}; do\n  tries=$((tries + 1))\n  \
         if [ \"$tries\" -gt 150 ]; then\n    echo \"{unit} does not start: see journalctl --unit {unit}\" >&2\n    exit 1\n  fi\n  sleep 2\ndone\n"
    )
}

fn secret(controllers: &Controllers<'_>) -> String {
    let mut data = json!({"token": controllers.token.expose_secret().trim(), "network": controllers.network});
    if let Some(endpoint) = controllers.endpoint {
        data["endpoint"] = json!(endpoint);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hcloud", "namespace": "kube-system"},
        "stringData": data,
    })
    .to_string()
}

/// Lines that fetch a manifest, once, and put it in place whole. `replace` names a text of it and what stands there instead.
fn fetch(manifest: &Manifest, replace: Option<(&str, &str)>) -> String {
    let path = quoted(&format!("{MANIFESTS}/{}.yaml", manifest.name));
    let url = quoted(manifest.url);
    let edit = replace.filter(|(old, new)| old != new).map_or_else(String::new, |(old, new)| {
        format!("  sed -i {} {path}.new\n", quoted(&format!("s|{old}|{new}|g")))
    });
    format!(
        "if [ ! -s {path} ]; then\n  curl -fsSL --retry 10 --retry-all-errors --connect-timeout 10 -o {path}.new {url}\n{edit}  mv {path}.new {path}\nfi\n"
    )
}
