//! What may stand behind servers: something that runs.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use async_trait::async_trait;

/// What stands behind the servers of an emulator.
///
/// # Contract
///
/// * [`address`](Self::address) answers at once: a call waits for it.
/// * [`follow`](Self::follow) is told everything in the order in which it happened, one thing after the other.
#[async_trait]
pub trait Machines: fmt::Debug + Send + Sync + 'static {
    /// The public IPv4 address that the machine of a new server will have. Nothing: the emulator chooses one.
    fn address(&self, server: &str) -> Option<Ipv4Addr>;

    /// Does with the machine what was done with its server.
    async fn follow(&self, event: MachineEvent);
}

/// What happened to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineEvent {
    /// Its power is on.
    Started(Machine),
    /// Its power is off.
    Stopped {
        /// The server.
        id: u64,
    },
    /// Its disk was written anew. It was stopped before, and is started after.
    Rebuilt(Machine),
    /// It got or lost an interface.
    Rewired(Machine),
    /// It is gone.
    Deleted {
        /// The server.
        id: u64,
    },
}

/// A server as its machine must know it.
#[derive(Clone, PartialEq, Eq)]
pub struct Machine {
    /// The server.
    pub id: u64,
    /// Its name, which is its host name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `cx23`
    pub server_type: String,
    /// `fsn1`
    pub location: String,
    /// `ubuntu-24.04`; nothing if the image has no name.
    pub image: Option<String>,
    /// Its address on the internet.
    pub public_ipv4: Option<Ipv4Addr>,
    /// Its interfaces in private networks.
    pub private: Vec<PrivateInterface>,
    /// Public keys that may log in as root.
    pub ssh_keys: Vec<String>,
    /// What cloud-init is given. It may hold secrets.
    pub user_data: Option<String>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Machine")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("public_ipv4", &self.public_ipv4)
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

/// An interface of a server in a private network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateInterface {
    /// The network.
    pub network: u64,
    /// `10.0.0.0/16`
    pub range: String,
    /// The server's address in it.
    pub address: Ipv4Addr,
    /// `86:00:00:0a:0b:0c`
    pub mac: String,
}

/// Nothing stands behind the servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMachines;

#[async_trait]
impl Machines for NoMachines {
    fn address(&self, _server: &str) -> Option<Ipv4Addr> {
        None
    }

    async fn follow(&self, _event: MachineEvent) {}
}
