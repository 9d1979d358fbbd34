//! What a cluster is made of at Hetzner's, by name and without numbers: what the plan compares with what is there.

use std::net::Ipv4Addr;

use windlass_core::provider::Money;

use crate::client::model::Labels;
use crate::firewall::Rule;

/// All that a cluster is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// The cluster's name.
    pub cluster: String,
    /// The release of k3s.
    pub release: String,
    /// The labels that every resource of the cluster has, the owner's among them.
    pub labels: Labels,
    /// The key that opens its servers.
    pub key: WantedKey,
    /// The network between its servers.
    pub network: WantedNetwork,
    /// What filters their public side.
    pub firewall: WantedFirewall,
    /// What stands before the Kubernetes API.
    pub balancer: Option<WantedBalancer>,
    /// The groups that keep servers apart.
    pub groups: Vec<WantedGroup>,
    /// The servers, masters first.
    pub servers: Vec<WantedServer>,
    /// What it may cost in a month.
    pub ceiling: Option<Money>,
}

impl Blueprint {
    /// The servers that run the control plane.
    pub fn masters(&self) -> impl Iterator<Item = &WantedServer> {
        self.servers.iter().filter(|server| server.role == Role::Master)
    }
}

/// The key that opens the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedKey {
    /// One of the project, by name, which stays when the cluster goes.
    Existing(String),
    /// The user's own.
    Own {
        /// Its name.
        name: String,
        /// In OpenSSH's format.
        public_key: String,
    },
}

/// The network between the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedNetwork {
    /// One of the project, by name, which stays when the cluster goes.
    Existing(String),
    /// The cluster's own.
    Own {
        /// Its name.
        name: String,
        /// All of its addresses, in one subnet.
        range: String,
    },
}

impl WantedNetwork {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Existing(name) | Self::Own { name, .. } => name,
        }
    }
}

/// What filters the servers' public side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFirewall {
    /// Its name.
    pub name: String,
    /// All of its rules.
    pub rules: Vec<Rule>,
    /// Which servers it is on, those to come included.
    pub selector: String,
}

/// What stands before the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBalancer {
    /// Its name.
    pub name: String,
    /// Its type, such as `lb11`.
    pub kind: String,
    /// Where it is.
    pub location: String,
    /// Its address in the private network, chosen here so that nodes can be told before it exists.
    pub address: Ipv4Addr,
    /// To which servers it passes connections.
    pub selector: String,
}

/// A group whose servers run on different hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedGroup {
    /// Its name.
    pub name: String,
}

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It runs the control plane.
    Master,
    /// It runs workloads.
    Worker,
}

impl Role {
    /// As labels write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Worker => "worker",
        }
    }
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedServer {
    /// Its name, host name and the name of its node.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The pool that it belongs to.
    pub pool: String,
    /// Server types that are taken, best first.
    pub types: Vec<String>,
    /// Locations that are taken, best first.
    pub locations: Vec<String>,
    /// The image.
    pub image: String,
    /// The group that keeps it apart from others.
    pub group: Option<String>,
    /// Its labels beside those of every resource.
    pub labels: Labels,
    /// Which public addresses it gets, IPv4 and IPv6.
    pub public: (bool, bool),
    /// Its address in the private network, where it must be known before the server exists. The API chooses it otherwise.
    pub address: Option<Ipv4Addr>,
}

impl WantedServer {
    /// Every type in every location, in the order in which they are tried: all types where the server is wanted, then elsewhere.
    pub fn candidates(&self) -> Vec<Candidate> {
        let of = |location: &String| {
            let location = location.clone();
            self.types.iter().map(move |kind| Candidate { kind: kind.clone(), location: location.clone() })
        };
        self.locations.iter().flat_map(of).collect()
    }
}

/// A type in a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The server type.
    pub kind: String,
    /// The location.
    pub location: String,
}
