//! What is there, as far as a plan asks.

use futures::try_join;

use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::model::{
    Firewall, LoadBalancer, Location, Network, PlacementGroup, Pricing, Resource, Server, ServerType, SshKey,
};

/// What a project and a cluster are like at a moment.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Server types, with their stock.
    pub types: Vec<ServerType>,
    /// Locations, with their zones.
    pub locations: Vec<Location>,
    /// What everything costs.
    pub pricing: Pricing,
    /// SSH keys.
    pub keys: Vec<SshKey>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Firewalls.
    pub firewalls: Vec<Firewall>,
    /// Placement groups.
    pub groups: Vec<PlacementGroup>,
    /// Load balancers.
    pub balancers: Vec<LoadBalancer>,
    /// Servers.
    pub servers: Vec<Server>,
    /// The cluster's nodes; none where the way into it was not published yet.
    pub nodes: Option<Vec<NodeFacts>>,
}

/// A node, as its cluster tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name, which is that of its server.
    pub name: String,
    /// What its kubelet calls itself: `v1.34.4+k3s1`.
    pub version: String,
    /// Whether it takes pods and reports itself well.
    pub ready: bool,
}

#[derive(serde::Deserialize)]
struct Priced {
    #[serde(default)]
    pricing: Pricing,
}

impl Facts {
    /// Reads everything at once, in as many calls as there are kinds.
    ///
    /// Whole lists are read and not only what carries the owner's label: a resource of another owner that has a name of ours must be seen before
    /// anything is made, and a list costs the same call.
    pub async fn read(client: &Client, nodes: Option<Vec<NodeFacts>>) -> Result<Self, ClientError> {
        let (types, locations, priced, keys, networks, firewalls, groups, balancers, servers) = try_join!(
            client.list_at("server_types", ""),
            client.list_at("locations", ""),
            client.get::<Priced>("/pricing"),
            client.list(""),
            client.list(""),
            client.list(""),
            client.list(""),
            client.list(""),
            client.list(""),
        )?;
        let pricing = priced.pricing;
        Ok(Self { types, locations, pricing, keys, networks, firewalls, groups, balancers, servers, nodes })
    }

    /// The network zone of a location.
    pub fn zone(&self, location: &str) -> Option<&str> {
        let found = self.locations.iter().find(|known| known.name == location)?;
        Some(found.network_zone.as_str())
    }

    /// Whether one of these can be had, as far as the API says. It may say yes and refuse.
    pub fn in_stock(&self, kind: &str, location: &str) -> bool {
        let kind = self.types.iter().find(|known| known.name == kind);
        let stock = kind.and_then(|kind| kind.locations.iter().find(|stock| stock.name == location));
        stock.is_none_or(|stock| stock.available != Some(false))
    }
}

/// The resource of a name.
pub(crate) fn named<'list, T: Resource>(list: &'list [T], name: &str) -> Option<&'list T> {
    list.iter().find(|resource| resource.name() == name)
}
