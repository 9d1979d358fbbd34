//! `masters_pool` and `worker_node_pools`: the servers.

use std::fmt;

use windlass_core::document::Node;

use super::block::{Block, Presence, block, preset, required, unset};
use super::scan::{Scan, list, maybe, whole};
use super::secret::Secret;

/// More servers than a project can have.
const MOST_SERVERS: u32 = 1_000;

block! {
    /// The servers that run the control plane.
    pub struct MastersPool {
        /// Where each master is, one location for each, all in one network zone.
        locations: Vec<String> = list(Scan::text), preset("[fsn1]", "[nbg1]");
        with nodes: Nodes;
    }
}

block! {
    /// Servers that run workloads.
    pub struct WorkerPool {
        /// The pool's name, unique in the file: letters, digits, `-` and `_`.
        name: String = pool_name, required("workers");
        /// Where its servers are, in the masters' network zone.
        location: String = Scan::text, preset("fsn1", "nbg1");
        /// Whether servers are made and removed as pods need them.
        autoscaling: Option<Autoscaling> = maybe(Autoscaling::read), Presence::UnsetBlock(Autoscaling::TABLE);
        /// Servers that exist already, in a pool whose `instance_type` is `external`.
        external: Option<External> = maybe(External::read), Presence::UnsetBlock(External::TABLE);
        with nodes: Nodes;
    }
}

block! {
    /// What pools have in common.
    pub struct Nodes {
        /// The server type.
        instance_type: String = Scan::text, required("cx23");
        /// The server type that is part of the names of old servers.
        legacy_instance_type: Option<String> = Scan::maybe_text, preset("\"\"", "cx22");
        /// Server types to take, in this order, where `instance_type` is out of stock. A key of windlass.
        fallback_instance_types: Vec<String> = list(Scan::text), preset("[]", "[cx33]");
        /// Locations to take, in this order, where every type is out of stock; all in one network zone. A key of windlass.
        fallback_locations: Vec<String> = list(Scan::text), preset("[]", "[hel1]");
        /// The image, in place of the cluster's.
        image: Option<String> = Scan::maybe_text, unset("debian-13");
        /// How many servers; of masters an odd number.
        instance_count: u32 = whole(0, MOST_SERVERS), preset("1", "3");
        /// Labels of the nodes.
        labels: Vec<Label> = list(Label::read), Presence::Blocks(Label::TABLE);
        /// Taints of the nodes.
        taints: Vec<Taint> = list(taint), Presence::Blocks(Taint::TABLE);
        /// Commands before k3s is installed, in place of the cluster's.
        additional_pre_k3s_commands: Option<Vec<String>> = maybe(list(Scan::command)), unset("[modprobe nbd]");
        /// Commands after k3s was installed, in place of the cluster's.
        additional_post_k3s_commands: Option<Vec<String>> = maybe(list(Scan::command)), unset("[sysctl -p]");
        /// Packages of the operating system, in place of the cluster's.
        additional_packages: Option<Vec<String>> = maybe(list(Scan::text)), unset("[htop]");
        /// Whether names of servers made by the autoscaler begin with the cluster's name.
        include_cluster_name_as_prefix: bool = Scan::truth, preset("true", "false");
        /// Whether the root partition grows with the disk, in place of the cluster's setting.
        grow_root_partition_automatically: Option<bool> = maybe(Scan::truth), unset("false");
    }
}

block! {
    /// A label of a node.
    pub struct Label {
        /// Its key.
        key: String = Scan::text, required("purpose");
        /// Its value.
        value: Option<String> = Scan::maybe_text, unset("database");
    }
}

/// A taint of a node, in the file `{key, value: "value:Effect"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, if it has one.
    pub value: Option<String>,
    /// What it does to pods that do not tolerate it; `NoSchedule` where the file does not say.
    pub effect: Effect,
}

block! {
    /// A taint of a node.
    #[expect(unreachable_pub, reason = "blocks are public; this one is read into `Taint`")]
    pub struct WrittenTaint {
        /// Its key.
        key: String = Scan::text, required("purpose");
        /// Its value and effect: `value:NoSchedule`, `value:PreferNoSchedule` or `value:NoExecute`.
        value: Option<String> = Scan::maybe_text, unset("database:NoExecute");
    }
}

impl Taint {
    pub(super) const TABLE: &'static super::Table = WrittenTaint::TABLE;
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// None is placed there.
    NoSchedule,
    /// Others are preferred.
    PreferNoSchedule,
    /// None is placed or left there.
    NoExecute,
}

impl Effect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NoSchedule, Self::PreferNoSchedule, Self::NoExecute];

    /// As Kubernetes writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

impl fmt::Display for Taint {
    /// As k3s takes it in `node-taint`: `key=value:Effect`, or `key:Effect`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = self.effect.word();
        match &self.value {
            Some(value) => write!(formatter, "{}={value}:{effect}", self.key),
            None => write!(formatter, "{}:{effect}", self.key),
        }
    }
}

/// Splits `value:Effect`. hetzner-k3s passes on whatever stands behind the colon; an effect that is none would stop k3s from starting.
fn taint(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<Taint> {
    let WrittenTaint { key, value } = WrittenTaint::read(scan, node, what)?;
    let text = value.unwrap_or_default();
    let (value, effect) = text.split_once(':').unwrap_or((&text, "NoSchedule"));
    let Some(effect) = Effect::ALL.into_iter().find(|known| known.word() == effect) else {
        let value = node.get("value").unwrap_or(node);
        let hint =
            "write the value as `database:NoSchedule`, `database:PreferNoSchedule` or `database:NoExecute`";
        return scan.refuse(value, what, "a taint with an effect that Kubernetes knows", hint);
    };
    Some(Taint { key, value: Some(value.to_owned()).filter(|value| !value.is_empty()), effect })
}

block! {
    /// How many servers the cluster autoscaler keeps.
    pub struct Autoscaling {
        /// Whether it is on.
        enabled: bool = Scan::truth, preset("false", "true");
        /// The fewest.
        min_instances: u32 = whole(0, MOST_SERVERS), preset("0", "1");
        /// The most; more than the fewest.
        max_instances: u32 = whole(0, MOST_SERVERS), preset("0", "5");
    }
}

/// Whose servers an external pool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalProvider {
    /// Anybody's.
    Generic,
    /// Dedicated servers of Hetzner.
    Robot,
}

const PROVIDERS: [(&str, ExternalProvider); 2] =
    [("generic", ExternalProvider::Generic), ("robot", ExternalProvider::Robot)];

block! {
    /// Servers that exist already.
    pub struct External {
        /// `generic`, or `robot` for dedicated servers of Hetzner.
        provider: ExternalProvider = |scan, node, what| scan.choice(node, what, &PROVIDERS), preset("generic", "robot");
        /// The user of Hetzner's Robot; `ROBOT_USER` in the environment where it is left out.
        robot_user: Option<Secret> = Scan::secret, unset("k3s");
        /// The password of Hetzner's Robot; `ROBOT_PASSWORD` in the environment where it is left out.
        robot_password: Option<Secret> = Scan::secret, unset("example");
        /// The servers.
        nodes: Vec<ExternalNode> = list(ExternalNode::read), Presence::Blocks(ExternalNode::TABLE);
    }
}

block! {
    /// A server that exists already.
    pub struct ExternalNode {
        /// Its IPv4 address.
        host: std::net::Ipv4Addr = Scan::parsed, required("203.0.113.7");
        /// The user to reach it as.
        ssh_user: String = Scan::text, required("root");
        /// The port that its sshd listens on.
        ssh_port: u16 = Scan::port, preset("22", "2222");
        /// The private key's file.
        ssh_private_key_path: String = Scan::text, required("~/.ssh/id_ed25519");
        /// Whether its host name is set.
        manage_hostname: bool = Scan::truth, preset("true", "false");
        /// Its number in the pool, from 1, unique.
        index: u32 = whole(1, MOST_SERVERS), required("1");
        /// Its number in Hetzner's Robot.
        robot_server_number: Option<u32> = maybe(whole(0, u32::MAX)), unset("1234567");
    }
}

fn pool_name(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<String> {
    let text = scan.text(node, what)?;
    // Names of servers are made of it: the API takes no more than 63 characters for a whole one.
    let fits =
        text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if fits {
        Some(text)
    } else {
        scan.refuse(node, what, "a name of letters, digits, `-` and `_`, at most 40", "shorten it")
    }
}
