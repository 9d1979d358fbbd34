//! A project in which something of every kind is.

use serde_json::{Value, json};

use super::bench::{Bench, CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, id};

/// The IDs of what is there. Things belong together: the server is in the network, filtered by the firewall, and a target of the load balancer.
pub(crate) struct Furnished {
    pub(crate) certificate: u64,
    pub(crate) firewall: u64,
    pub(crate) floating_ip: u64,
    pub(crate) load_balancer: u64,
    pub(crate) network: u64,
    pub(crate) placement_group: u64,
    pub(crate) primary_ip: u64,
    pub(crate) server: u64,
    pub(crate) ssh_key: u64,
    pub(crate) volume: u64,
}

pub(crate) fn furnish(bench: &Bench) -> Furnished {
    let make = |kind: &str, one: &str, body| id(&bench.done(&format!("/{kind}"), body)[one]);
    let labels = json!({"cluster": "a"});
    let network = bench.network();
    let ssh_key =
        make("ssh_keys", "ssh_key", json!({"name": "me", "public_key": PUBLIC_KEY, "labels": labels}));
    let placement_group =
        make("placement_groups", "placement_group", json!({"name": "spread", "type": "spread"}));
    let rules = json!([
        {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["0.0.0.0/0", "::/0"], "description": "ssh"},
        {"direction": "out", "protocol": "icmp", "destination_ips": ["0.0.0.0/0"]},
    ]);
    let apply_to = json!([{"type": "label_selector", "label_selector": {"selector": "cluster=a"}}]);
    let firewall =
        make("firewalls", "firewall", json!({"name": "wall", "rules": rules, "apply_to": apply_to}));
    let server = json!({
        "name": "web", "server_type": "cx23", "image": "ubuntu-24.04", "location": "fsn1", "labels": labels,
        "ssh_keys": ["me", ssh_key], "networks": [network], "placement_group": placement_group,
        "firewalls": [{"firewall": firewall}], "user_data": "#cloud-config\n",
        "public_net": {"enable_ipv4": true, "enable_ipv6": true},
    });
    let server = make("servers", "server", server);
    let certificate = json!({"name": "shop", "certificate": CERTIFICATE, "private_key": PRIVATE_KEY});
    let certificate = make("certificates", "certificate", certificate);
    make(
        "certificates",
        "certificate",
        json!({"name": "free", "type": "managed", "domain_names": ["example.com"]}),
    );
    let load_balancer = make("load_balancers", "load_balancer", load_balancer(network, server, certificate));
    let volume =
        make("volumes", "volume", json!({"name": "data", "size": 10, "server": server, "format": "ext4"}));
    let floating_ip =
        make("floating_ips", "floating_ip", json!({"type": "ipv4", "server": server, "name": "float"}));
    let primary_ip = json!({"name": "spare", "type": "ipv6", "location": "fsn1", "assignee_type": "server"});
    let primary_ip = make("primary_ips", "primary_ip", primary_ip);
    bench.done(
        &format!("/servers/{server}/actions/create_image"),
        json!({"description": "before", "labels": labels}),
    );
    Furnished {
        certificate,
        firewall,
        floating_ip,
        load_balancer,
        network,
        placement_group,
        primary_ip,
        server,
        ssh_key,
        volume,
    }
}

fn load_balancer(network: u64, server: u64, certificate: u64) -> Value {
    json!({
        "name": "front", "load_balancer_type": "lb11", "location": "fsn1", "network": network,
        "algorithm": {"type": "round_robin"}, "labels": {"cluster": "a"},
        "targets": [
            {"type": "server", "server": {"id": server}, "use_private_ip": true},
            {"type": "label_selector", "label_selector": {"selector": "cluster=a"}},
            {"type": "ip", "ip": {"ip": "203.0.113.9"}},
        ],
        "services": [
            {
                "protocol": "https", "listen_port": 443, "destination_port": 80, "proxyprotocol": false,
                "http": {"certificates": [certificate], "sticky_sessions": true},
                "health_check": {
                    "protocol": "http", "port": 80, "interval": 15, "timeout": 10, "retries": 3,
                    "http": {"domain": "example.com", "path": "/", "response": "", "status_codes": ["2??"], "tls": false}
                },
            },
            {
                "protocol": "tcp", "listen_port": 6443, "destination_port": 6443, "proxyprotocol": false,
                "health_check": {"protocol": "tcp", "port": 6443, "interval": 15, "timeout": 10, "retries": 3},
            },
        ],
    })
}
