//! The servers of a cluster by name, and the groups that keep them on different hosts.
//!
//! Names are those of hetzner-k3s, so that a cluster looks the same whichever of the two made it.

use crate::config::{ClusterConfig, Nodes};

/// The most servers in a placement group, by Hetzner's documentation.
pub const MOST_IN_GROUP: usize = 10;

/// The most placement groups in a project, by Hetzner's documentation.
pub const MOST_GROUPS: usize = 50;

/// The name of the masters' pool in labels.
pub const MASTERS: &str = "masters";

/// A server that the file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolServer<'a> {
    /// Its name, host name and the name of its node.
    pub name: String,
    /// Whether it runs the control plane.
    pub is_master: bool,
    /// Its pool: that of the file, or [`MASTERS`].
    pub pool: &'a str,
    /// Server types that are taken, best first.
    pub types: Vec<&'a str>,
    /// Locations that are taken, best first.
    pub locations: Vec<&'a str>,
    /// Its image.
    pub image: &'a str,
    /// The placement group that keeps it apart from others of its pool.
    pub group: String,
    /// What it has in common with the rest of its pool.
    pub nodes: &'a Nodes,
}

/// Every server that the file asks for, masters first. External pools ask for none.
pub fn servers(config: &ClusterConfig) -> Vec<PoolServer<'_>> {
    let masters = &config.masters_pool;
    let mut servers: Vec<_> = (0..size(&masters.nodes))
        .map(|at| {
            let location = masters.locations.get(at).or(masters.locations.first()).map_or("", String::as_str);
            server(config, &masters.nodes, (MASTERS, "master"), (at, location))
        })
        .collect();
    for pool in config.worker_node_pools.iter().filter(|pool| pool.external.is_none()) {
        let role = format!("pool-{}-worker", pool.name);
        let of = |at| server(config, &pool.nodes, (&pool.name, &role), (at, &pool.location));
        servers.extend((0..size(&pool.nodes)).map(of));
    }
    servers
}

/// How many servers the file asks for.
pub fn count(config: &ClusterConfig) -> usize {
    pools(config).into_iter().map(|(_, nodes, _)| size(nodes)).sum()
}

/// The placement groups of all servers, each once, sorted.
pub fn groups(config: &ClusterConfig) -> Vec<String> {
    let mut groups: Vec<_> = servers(config).into_iter().map(|server| server.group).collect();
    groups.sort();
    groups.dedup();
    groups
}

/// Every location that a server may be in, each with its path in the file: those that are asked for, and those to fall back to.
pub fn locations(config: &ClusterConfig) -> Vec<(String, &str)> {
    let listed = |path: String, list: &'_ [String]| -> Vec<String> {
        (0..list.len()).map(|at| format!("{path}[{at}]")).collect()
    };
    let masters = &config.masters_pool;
    let mut paths = listed("masters_pool.locations".to_owned(), &masters.locations);
    let mut names: Vec<&str> = masters.locations.iter().map(String::as_str).collect();
    for (path, nodes, location) in pools(config) {
        paths.extend(location.map(|_| format!("{path}.location")));
        names.extend(location);
        paths.extend(listed(format!("{path}.fallback_locations"), &nodes.fallback_locations));
        names.extend(nodes.fallback_locations.iter().map(String::as_str));
    }
    paths.into_iter().zip(names).collect()
}

/// Every pool whose servers windlass makes, with its path in the file, and its location where it has one for all.
pub fn pools(config: &ClusterConfig) -> Vec<(String, &Nodes, Option<&str>)> {
    let masters = ("masters_pool".to_owned(), &config.masters_pool.nodes, None);
    let workers = config.worker_node_pools.iter().enumerate().filter(|(_, pool)| pool.external.is_none());
    std::iter::once(masters)
        .chain(workers.map(|(at, pool)| {
            (format!("worker_node_pools[{at}]"), &pool.nodes, Some(pool.location.as_str()))
        }))
        .collect()
}

fn size(nodes: &Nodes) -> usize {
    usize::try_from(nodes.instance_count).unwrap_or(usize::MAX)
}

fn server<'a>(
    config: &'a ClusterConfig,
    nodes: &'a Nodes,
    (pool, role): (&'a str, &str),
    (at, location): (usize, &'a str),
) -> PoolServer<'a> {
    let cluster = config.cluster_name.as_str();
    let shown = config.include_instance_type_in_instance_name.then_some(&nodes.instance_type);
    let kind = shown.map(|kind| format!("{kind}-")).unwrap_or_default();
    let others = nodes.fallback_locations.iter().map(String::as_str).filter(|other| *other != location);
    let fallbacks = nodes.fallback_instance_types.iter().filter(|other| **other != nodes.instance_type);
    PoolServer {
        name: format!("{cluster}-{kind}{role}{}", at + 1),
        is_master: pool == MASTERS && role == "master",
        pool,
        types: std::iter::once(&nodes.instance_type).chain(fallbacks).map(String::as_str).collect(),
        locations: std::iter::once(location).chain(others).collect(),
        image: nodes.image.as_ref().unwrap_or(&config.image),
        group: group(cluster, pool, role == "master", at),
        nodes,
    }
}

/// The first ten servers of a pool share a group, the next ten another: which one a server is in never depends on how many others there are.
fn group(cluster: &str, pool: &str, is_master: bool, at: usize) -> String {
    match at / MOST_IN_GROUP {
        0 if is_master => format!("{cluster}-{pool}"),
        number => format!("{cluster}-{pool}-{}", number + 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cluster;

    fn check(lines: &str, expected: &[(&str, &str)]) {
        let config = cluster(lines);
        let servers = servers(&config);
        let named: Vec<_> =
            servers.iter().map(|server| (server.name.as_str(), server.group.as_str())).collect();
        assert_eq!(named, expected, "{lines}");
        assert_eq!(count(&config), servers.len());
    }

    #[test]
    fn servers_are_named_as_hetzner_k3s_names_them() {
        check(
            "worker_node_pools: [{name: big, instance_type: cx33, instance_count: 2}]",
            &[
                ("shop-master1", "shop-masters"),
                ("shop-pool-big-worker1", "shop-big-1"),
                ("shop-pool-big-worker2", "shop-big-1"),
            ],
        );
        check("include_instance_type_in_instance_name: true", &[("shop-cx23-master1", "shop-masters")]);
    }

    #[test]
    fn each_server_has_what_it_falls_back_to() {
        let config = cluster(
            "image: debian-13\nworker_node_pools: [{name: w, instance_type: cx23, location: nbg1, image: 7, fallback_instance_types: [cx33, cx23], fallback_locations: [fsn1, nbg1, hel1]}]",
        );
        let servers = servers(&config);
        assert_eq!(
            (servers[0].image, &servers[0].types[..], servers[0].is_master),
            ("debian-13", &["cx23"][..], true)
        );
        let worker = &servers[1];
        assert_eq!((worker.image, worker.is_master, worker.pool), ("7", false, "w"));
        assert_eq!(worker.types, ["cx23", "cx33"]);
        assert_eq!(worker.locations, ["nbg1", "fsn1", "hel1"]);
    }

    #[test]
    fn servers_that_exist_are_not_made() {
        let pool = "networking: {private_network: {enabled: false}, public_network: {use_local_firewall: true}}\nworker_node_pools: [{name: own, instance_type: external, external: {nodes: []}}]";
        check(pool, &[("shop-master1", "shop-masters")]);
    }

    #[test]
    fn every_location_has_its_path() {
        let config = cluster(
            "worker_node_pools: [{name: w, instance_type: cx23, location: nbg1, fallback_locations: [hel1]}]",
        );
        let found: Vec<_> =
            locations(&config).into_iter().map(|(path, name)| format!("{path}={name}")).collect();
        assert_eq!(
            found,
            [
                "masters_pool.locations[0]=fsn1",
                "worker_node_pools[0].location=nbg1",
                "worker_node_pools[0].fallback_locations[0]=hel1",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_group_is_over_full_and_none_moves_when_a_pool_grows(size in 1..60_usize) {
            let pool = |size| cluster(&format!("worker_node_pools: [{{name: w, instance_type: cx23, instance_count: {size}}}]"));
            let (small, large) = (pool(size), pool(size + 7));
            let (small, large) = (servers(&small), servers(&large));
            for group in groups(&pool(size + 7)) {
                let members = large.iter().filter(|server| server.group == group).count();
                prop_assert!((1..=MOST_IN_GROUP).contains(&members));
            }
            for (one, other) in small.iter().zip(&large) {
                prop_assert_eq!((&one.name, &one.group), (&other.name, &other.group));
            }
        }
    }
}
