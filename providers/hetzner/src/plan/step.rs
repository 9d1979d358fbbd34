//! What a plan does, one step at a time.

use std::net::Ipv4Addr;

use windlass_core::provider::{ChangeVerb, ClusterChange};

use crate::firewall::Rule;
use crate::plan::blueprint::{Candidate, Role};

/// One step. What it is about is named, and found by its name when the step is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Hands the user's key to the project.
    CreateKey {
        /// Its name.
        name: String,
        /// In OpenSSH's format.
        public_key: String,
    },
    /// Makes the network.
    CreateNetwork {
        /// Its name.
        name: String,
        /// Its addresses.
        range: String,
        /// The zone in which servers can be in it.
        zone: String,
    },
    /// Makes the firewall, before there is a server that could be without it.
    CreateFirewall {
        /// Its name.
        name: String,
        /// Its rules.
        rules: Vec<Rule>,
        /// The servers that it is on.
        selector: String,
    },
    /// Replaces the rules of the firewall.
    SetRules {
        /// Its name.
        name: String,
        /// All of its rules.
        rules: Vec<Rule>,
        /// How many of them are new.
        added: usize,
        /// How many go.
        removed: usize,
    },
    /// Puts the firewall on the servers that it was taken from.
    ApplyFirewall {
        /// Its name.
        name: String,
        /// The servers that it is on.
        selector: String,
    },
    /// Makes a placement group.
    CreateGroup {
        /// Its name.
        name: String,
    },
    /// Makes the load balancer.
    CreateBalancer {
        /// Its name.
        name: String,
        /// Its type.
        kind: String,
        /// Where.
        location: String,
    },
    /// Brings the load balancer into the network.
    AttachBalancer {
        /// Its name.
        name: String,
        /// Its address there.
        address: Ipv4Addr,
    },
    /// Tells the load balancer to whom it passes connections.
    TargetBalancer {
        /// Its name.
        name: String,
        /// The servers.
        selector: String,
    },
    /// Makes a server.
    CreateServer {
        /// Its name.
        name: String,
        /// What is tried, in this order.
        candidates: Vec<Candidate>,
    },
    /// Brings a server into the network.
    AttachServer {
        /// Its name.
        name: String,
        /// Its address there; the API chooses it otherwise.
        address: Option<Ipv4Addr>,
    },
    /// Starts a server.
    StartServer {
        /// Its name.
        name: String,
    },
    /// Makes the labels of a resource those that it should have.
    Relabel {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Takes a node out of the cluster whose server is gone, so that one of its name may join.
    ForgetNode {
        /// The node.
        name: String,
        /// What it was for.
        role: Role,
    },
    /// Founds the control plane on a master.
    Found {
        /// The master.
        server: String,
    },
    /// Lets a master join the control plane.
    Join {
        /// The master.
        server: String,
    },
    /// Hands out the way into the cluster, once it is ready.
    Publish,
    /// Brings a node to the wanted release of k3s.
    Upgrade {
        /// The node.
        server: String,
        /// What it is for.
        role: Role,
        /// The release that it runs.
        from: String,
    },
    /// Empties a node, takes it out of the cluster and removes its server.
    RemoveServer {
        /// The server's name.
        name: String,
        /// What it is for.
        role: Role,
    },
    /// Removes what no longer has a use.
    Remove {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
    },
}

/// Kinds that a cluster is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A server.
    Server,
    /// A load balancer.
    LoadBalancer,
    /// A firewall.
    Firewall,
    /// A placement group.
    PlacementGroup,
    /// A network.
    Network,
    /// An SSH key.
    SshKey,
}

impl Kind {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::LoadBalancer => "load balancer",
            Self::Firewall => "firewall",
            Self::PlacementGroup => "placement group",
            Self::Network => "network",
            Self::SshKey => "SSH key",
        }
    }
}

impl Step {
    /// As the contract of providers says it.
    pub fn change(&self) -> ClusterChange {
        let (verb, what) = self.words();
        ClusterChange { verb, what }
    }

    /// Whether it is done on machines or in their cluster and not by a call of Hetzner's API.
    pub(crate) fn is_in_cluster(&self) -> bool {
        matches!(
            self,
            Self::ForgetNode { .. }
                | Self::Found { .. }
                | Self::Join { .. }
                | Self::Publish
                | Self::Upgrade { .. }
        )
    }

    fn words(&self) -> (ChangeVerb, String) {
        use ChangeVerb::{Change, Create, Remove};
        match self {
            Self::CreateKey { name, .. } => (Create, format!("SSH key `{name}`")),
            Self::CreateNetwork { name, range, zone } => {
                (Create, format!("network `{name}` of {range} in {zone}"))
            }
            Self::CreateFirewall { name, rules, .. } => {
                (Create, format!("firewall `{name}` with {} rules", rules.len()))
            }
            Self::SetRules { name, added, removed, .. } => {
                (Change, format!("rules of firewall `{name}`: {added} new, {removed} gone"))
            }
            Self::ApplyFirewall { name, .. } => (Change, format!("servers that firewall `{name}` is on")),
            Self::CreateGroup { name } => (Create, format!("placement group `{name}`")),
            Self::CreateBalancer { name, kind, location } => {
                (Create, format!("load balancer `{name}`, {kind} in {location}"))
            }
            Self::AttachBalancer { name, address } => {
                (Change, format!("network of load balancer `{name}`: {address}"))
            }
            Self::TargetBalancer { name, .. } => (Change, format!("targets of load balancer `{name}`")),
            Self::CreateServer { name, candidates } => {
                (Create, format!("server `{name}`{}", first(candidates)))
            }
            Self::AttachServer { name, .. } => (Change, format!("network of server `{name}`")),
            Self::StartServer { name } => (Change, format!("power of server `{name}`: on")),
            Self::Relabel { kind, name } => (Change, format!("labels of {} `{name}`", kind.word())),
            Self::ForgetNode { name, .. } => (Remove, format!("node `{name}`, whose server is gone")),
            Self::Found { server } => (Create, format!("control plane on `{server}`")),
            Self::Join { server } => (Create, format!("member of the control plane on `{server}`")),
            Self::Publish => (Create, "kubeconfig".to_owned()),
            Self::Upgrade { server, from, .. } => (Change, format!("k3s {from} of node `{server}`")),
            Self::RemoveServer { name, role } => (Remove, format!("{} `{name}`", role.word())),
            Self::Remove { kind, name } => (Remove, format!("{} `{name}`", kind.word())),
        }
    }
}

fn first(candidates: &[Candidate]) -> String {
    let others = candidates.len().saturating_sub(1);
    let or =
        if others == 0 { String::new() } else { format!(", or one of {others} others if there is none") };
    candidates.first().map_or_else(String::new, |first| format!(", {} in {}{or}", first.kind, first.location))
}
