//! What a file asks for, as a blueprint: which resources, under which names.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use crate::bootstrap::cloud_init::made_from;
use crate::config::{Budget, ClusterConfig};
use crate::firewall::cluster_rules;
use crate::keys::hex;
use crate::owner;
use crate::plan::blueprint::{
    Blueprint, Role, WantedBalancer, WantedFirewall, WantedGroup, WantedKey, WantedNetwork, WantedServer,
};
use crate::pools::{self, PoolServer};

/// The smallest load balancer: it passes on connections of a few people and machines.
const BALANCER: &str = "lb11";
/// How much of a digest tells two apart and fits into a label.
const DIGEST: usize = 20;

/// The blueprint of a file that can be honoured. `public_key` is what `public_key_path` holds.
pub(crate) fn blueprint(config: &ClusterConfig, public_key: String) -> Blueprint {
    let cluster = config.cluster_name.as_str();
    let networking = &config.networking;
    let key = match &networking.ssh.existing_ssh_key_name {
        Some(name) => WantedKey::Existing(name.clone()),
        None => WantedKey::Own { name: cluster.to_owned(), public_key },
    };
    let network = match &networking.private_network.existing_network_name {
        Some(name) => WantedNetwork::Existing(name.clone()),
        None => WantedNetwork::Own {
            name: cluster.to_owned(),
            range: networking.private_network.subnet.to_string(),
        },
    };
    let (name, selector) = (cluster.to_owned(), owner::servers(cluster));
    Blueprint {
        cluster: cluster.to_owned(),
        release: config.k3s_version.clone(),
        labels: owner::labels(cluster, config.protect_against_deletion),
        key,
        network,
        firewall: WantedFirewall { name, rules: cluster_rules(config), selector },
        balancer: balancer(config),
        groups: pools::groups(config).into_iter().map(|name| WantedGroup { name }).collect(),
        servers: pools::servers(config)
            .iter()
            .enumerate()
            .map(|(at, server)| wanted(config, at, server))
            .collect(),
        ceiling: config.budget.as_ref().map(Budget::money),
    }
}

fn wanted(config: &ClusterConfig, at: usize, server: &PoolServer<'_>) -> WantedServer {
    let role = if server.is_master { Role::Master } else { Role::Worker };
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let digest = Sha256::digest(made_from(config, server.nodes, role));
    let labels = [
        (owner::ROLE, role.word().to_owned()),
        (owner::POOL, server.pool.to_owned()),
        (owner::MADE_FROM, hex(&digest[..DIGEST])),
    ];
    let public = &config.networking.public_network;
    WantedServer {
        name: server.name.clone(),
        role,
        pool: server.pool.to_owned(),
        types: owned(&server.types),
        locations: owned(&server.locations),
        image: server.image.to_owned(),
        group: Some(server.group.clone()),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        public: (public.ipv4, public.ipv6),
        address: if at == 0 { from_the_end(config, 2) } else { None },
    }
}

/// hetzner-k3s makes one only where there are several masters; with one there is nothing to choose from.
fn balancer(config: &ClusterConfig) -> Option<WantedBalancer> {
    let masters = &config.masters_pool;
    if !config.create_load_balancer_for_the_kubernetes_api || masters.nodes.instance_count < 2 {
        return None;
    }
    let cluster = config.cluster_name.as_str();
    Some(WantedBalancer {
        name: format!("{cluster}-api"),
        kind: BALANCER.to_owned(),
        location: masters.locations.first()?.clone(),
        address: from_the_end(config, 3)?,
        selector: owner::masters(cluster),
    })
}

/// An address near the end of the private network. The API gives addresses from its beginning, so that these are free when others are taken.
fn from_the_end(config: &ClusterConfig, at: u32) -> Option<Ipv4Addr> {
    match config.networking.private_network.subnet {
        IpNet::V4(network) => Some(Ipv4Addr::from(u32::from(network.broadcast()).checked_sub(at)?)),
        IpNet::V6(_) => None,
    }
}
