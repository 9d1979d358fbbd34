//! Who gets in, and with which credentials.

use ipnet::IpNet;

use super::Lints;

pub(super) fn check(lints: &mut Lints<'_>) {
    open(lints);
    balancer(lints);
    credentials(lints);
}

/// Hetzner attaches no firewall to a load balancer: behind one, the list of networks that may reach the API counts for nothing.
fn balancer(lints: &mut Lints<'_>) {
    const KEY: &str = "create_load_balancer_for_the_kubernetes_api";
    let config = &lints.file.config;
    let is_made =
        config.create_load_balancer_for_the_kubernetes_api && config.masters_pool.nodes.instance_count > 1;
    let is_limited = config.networking.allowed_networks.api.iter().all(|network| network.prefix_len() > 0);
    if is_made && is_limited {
        let message = "the load balancer lets the internet reach the Kubernetes API, whatever `api` allows: no firewall can be attached to it";
        lints.add(
            "open-access",
            KEY,
            message,
            format!("write `{KEY}: false`, and reach the API at the masters"),
        );
    }
}

/// A list that is left out is open to the world by nobody's decision; one that is written out is a decision, which a cluster that is protected against
/// deletion should not bear.
fn open(lints: &mut Lints<'_>) {
    let config = &lints.file.config;
    let allowed = &config.networking.allowed_networks;
    let is_protected = config.protect_against_deletion;
    for (key, what, networks) in [("ssh", "SSH", &allowed.ssh), ("api", "the Kubernetes API", &allowed.api)] {
        let path = format!("networking.allowed_networks.{key}");
        let is_open = networks.iter().any(|network: &IpNet| network.prefix_len() == 0);
        let message = match lints.file.places.states(&path) {
            _ if !is_open => continue,
            false => format!("{what} is open to the internet, because the file does not say from where"),
            true if is_protected => format!("{what} of a protected cluster is open to the internet"),
            true => continue,
        };
        let hint = format!("write the networks of those who need it: `{key}: [\"203.0.113.0/24\"]`");
        lints.add("open-access", &path, message, hint);
    }
}

fn credentials(lints: &mut Lints<'_>) {
    let config = &lints.file.config;
    let etcd = &config.datastore.etcd;
    let kept = [
        ("hetzner_token", config.hetzner_token.is_some(), "HCLOUD_TOKEN"),
        ("datastore.etcd.s3_access_key", etcd.s3_access_key.is_some(), "ETCD_S3_ACCESS_KEY"),
        ("datastore.etcd.s3_secret_key", etcd.s3_secret_key.is_some(), "ETCD_S3_SECRET_KEY"),
    ];
    for (path, _, variable) in kept.into_iter().filter(|(_, is_there, _)| *is_there) {
        let hint =
            format!("take the key out, make a new credential, and give it to windlass as `{variable}`");
        lints.add(
            "cluster-token",
            path,
            format!("`{path}` holds a credential that everyone who reads the repository has"),
            hint,
        );
    }
}
