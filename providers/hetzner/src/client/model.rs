//! What the API answers, as far as it is read.
//!
//! Only what a resource cannot be without is required: a field that is new, missing or of an unknown value must not hide the resource. One that
//! was created and then not understood would be an orphan.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::client::request::Rule;

/// Labels of a resource.
pub type Labels = BTreeMap<String, String>;

/// A kind of resource that is listed, found by name, created and deleted in the same way.
pub trait Resource: DeserializeOwned + Send {
    /// Its key in an answer about one: `server`.
    const ONE: &'static str;
    /// Its key in an answer about many, and its path: `servers`.
    const MANY: &'static str;

    /// Its number.
    fn id(&self) -> u64;
    /// Its name, unique among its kind in a project.
    fn name(&self) -> &str;
    /// Its labels.
    fn labels(&self) -> &Labels;
}

macro_rules! resource {
    ($type:ty, $one:literal, $many:literal) => {
        impl Resource for $type {
            const ONE: &'static str = $one;
            const MANY: &'static str = $many;

            fn id(&self) -> u64 {
                self.id
            }
            fn name(&self) -> &str {
                &self.name
            }
            fn labels(&self) -> &Labels {
                &self.labels
            }
        }
    };
}

/// `null` where the description promises a value, and a missing field, are both the default.
fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Server {
    /// Its number.
    pub id: u64,
    /// Its name, which is also its host name and the name of its node.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Labels,
    /// What it is doing.
    #[serde(default, deserialize_with = "lenient")]
    pub status: ServerStatus,
    /// Its public addresses and firewalls.
    #[serde(default, deserialize_with = "lenient")]
    pub public_net: PublicNet,
    /// Its private addresses.
    #[serde(default, deserialize_with = "lenient")]
    pub private_net: Vec<PrivateNet>,
    /// Its type.
    #[serde(default, deserialize_with = "lenient")]
    pub server_type: Named,
    /// Where it is.
    #[serde(default, deserialize_with = "lenient")]
    pub location: Location,
    /// What it was made from, unless that is gone.
    #[serde(default)]
    pub image: Option<ImageName>,
    /// The group that keeps it apart from others.
    #[serde(default)]
    pub placement_group: Option<IdOnly>,
    /// What it is protected against.
    #[serde(default, deserialize_with = "lenient")]
    pub protection: Protection,
}
resource!(Server, "server", "servers");

/// What a server is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerStatus {
    /// Being made.
    Initializing,
    /// Being started.
    Starting,
    /// It runs.
    Running,
    /// It does not run.
    Off,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

/// The public side of a server or load balancer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct PublicNet {
    /// Its IPv4 address.
    #[serde(default)]
    pub ipv4: Option<Address>,
    /// Its IPv6 network.
    #[serde(default)]
    pub ipv6: Option<Address>,
    /// The firewalls on it.
    #[serde(default, deserialize_with = "lenient")]
    pub firewalls: Vec<IdOnly>,
}

impl PublicNet {
    /// The IPv4 address, if there is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.ipv4.as_ref()?.ip.as_deref()?.parse().ok()
    }
}

/// An address, which a resource that is being made may not have yet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Address {
    /// As text; an IPv6 one is a network.
    #[serde(default)]
    pub ip: Option<String>,
}

/// A place in a private network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PrivateNet {
    /// The network.
    pub network: u64,
    /// The address there.
    pub ip: IpAddr,
}

/// Something that is named by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
}

/// The name of an image; snapshots have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ImageName {
    /// Its number.
    #[serde(default)]
    pub id: u64,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
}

impl ImageName {
    /// Whether this is what an image is called by its name or, as a snapshot, by its number.
    pub fn is(&self, called: &str) -> bool {
        self.name.as_deref() == Some(called) || self.id.to_string() == called
    }
}

impl std::fmt::Display for ImageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.id),
        }
    }
}

/// Something that is named by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct IdOnly {
    /// Its number.
    pub id: u64,
}

/// A location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Location {
    /// Its name, such as `nbg1`.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// The zone that its networks belong to.
    #[serde(default, deserialize_with = "lenient")]
    pub network_zone: String,
}

/// What a resource is protected against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Protection {
    /// Being deleted.
    #[serde(default)]
    pub delete: bool,
}

/// A private network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Network {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Labels,
    /// All of its addresses.
    #[serde(default, deserialize_with = "lenient")]
    pub ip_range: String,
    /// Its parts.
    #[serde(default, deserialize_with = "lenient")]
    pub subnets: Vec<Subnet>,
    /// Servers in it.
    #[serde(default, deserialize_with = "lenient")]
    pub servers: Vec<u64>,
}
resource!(Network, "network", "networks");

/// A part of a network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subnet {
    /// Its addresses.
    #[serde(default, deserialize_with = "lenient")]
    pub ip_range: String,
    /// The zone in which servers can be in it.
    #[serde(default, deserialize_with = "lenient")]
    pub network_zone: String,
}

/// A firewall.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Firewall {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Labels,
    /// Its rules.
    #[serde(default, deserialize_with = "lenient")]
    pub rules: Vec<Rule>,
    /// What it is on.
    #[serde(default, deserialize_with = "lenient")]
    pub applied_to: Vec<Applied>,
}
resource!(Firewall, "firewall", "firewalls");

/// What a firewall is on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Applied {
    /// A server.
    #[serde(default)]
    pub server: Option<IdOnly>,
    /// Every server with these labels.
    #[serde(default)]
    pub label_selector: Option<Selector>,
}

/// Words that choose resources by label.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Selector {
    /// Such as `cluster=dev`.
    #[serde(default, deserialize_with = "lenient")]
    pub selector: String,
}

/// A group whose servers run on different hosts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PlacementGroup {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Labels,
    /// Servers in it.
    #[serde(default, deserialize_with = "lenient")]
    pub servers: Vec<u64>,
}
resource!(PlacementGroup, "placement_group", "placement_groups");

/// An SSH key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SshKey {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Labels,
    /// In OpenSSH's format.
    #[serde(default, deserialize_with = "lenient")]
    pub public_key: String,
}
resource!(SshKey, "ssh_key", "ssh_keys");

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoadBalancer {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Labels,
    /// Its public addresses.
    #[serde(default, deserialize_with = "lenient")]
    pub public_net: PublicNet,
    /// Its private addresses.
    #[serde(default, deserialize_with = "lenient")]
    pub private_net: Vec<PrivateNet>,
    /// Its type.
    #[serde(default, deserialize_with = "lenient")]
    pub load_balancer_type: Named,
    /// Where it is.
    #[serde(default, deserialize_with = "lenient")]
    pub location: Location,
    /// To whom it passes connections.
    #[serde(default, deserialize_with = "lenient")]
    pub targets: Vec<Applied>,
}
resource!(LoadBalancer, "load_balancer", "load_balancers");

/// A volume.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Volume {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "lenient")]
    pub labels: Labels,
    /// In gigabytes.
    #[serde(default)]
    pub size: f64,
    /// The server that it is attached to.
    #[serde(default)]
    pub server: Option<u64>,
}
resource!(Volume, "volume", "volumes");

/// A type of server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ServerType {
    /// Its name, such as `cx23`.
    pub name: String,
    /// `x86` or `arm`.
    #[serde(default, deserialize_with = "lenient")]
    pub architecture: String,
    /// What it costs in each location.
    #[serde(default, deserialize_with = "lenient")]
    pub prices: Vec<Price>,
    /// Where it can be had.
    #[serde(default, deserialize_with = "lenient")]
    pub locations: Vec<Stock>,
}

/// Whether a type can be had in a location. The API says so since 2026-04-01; where it does not, it is taken for available.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stock {
    /// The location.
    pub name: String,
    /// Whether one can be had at the moment.
    #[serde(default)]
    pub available: Option<bool>,
}

/// What something costs in a location.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// The location.
    #[serde(default, deserialize_with = "lenient")]
    pub location: String,
    /// For a month.
    #[serde(default, deserialize_with = "lenient")]
    pub price_monthly: Amount,
}

/// An amount of money, as decimal text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Amount {
    /// Without tax.
    #[serde(default, deserialize_with = "lenient")]
    pub net: String,
}

/// What everything costs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Pricing {
    /// ISO 4217.
    #[serde(default, deserialize_with = "lenient")]
    pub currency: String,
    /// Server types, by name.
    #[serde(default, deserialize_with = "lenient")]
    pub server_types: Vec<PricedType>,
    /// Load balancer types, by name.
    #[serde(default, deserialize_with = "lenient")]
    pub load_balancer_types: Vec<PricedType>,
    /// Primary addresses, by `ipv4` and `ipv6`.
    #[serde(default, deserialize_with = "lenient")]
    pub primary_ips: Vec<PricedAddress>,
    /// Volumes.
    #[serde(default, deserialize_with = "lenient")]
    pub volume: PricedVolume,
}

/// What a type costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PricedType {
    /// The type.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// In each location.
    #[serde(default, deserialize_with = "lenient")]
    pub prices: Vec<Price>,
}

/// What an address costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PricedAddress {
    /// `ipv4` or `ipv6`.
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub kind: String,
    /// In each location.
    #[serde(default, deserialize_with = "lenient")]
    pub prices: Vec<Price>,
}

/// What a volume costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PricedVolume {
    /// For a gigabyte and a month.
    #[serde(default, deserialize_with = "lenient")]
    pub price_per_gb_month: Amount,
}

/// Something that was set going.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Action {
    /// Its number.
    pub id: u64,
    /// What it does, such as `create_server`.
    #[serde(default, deserialize_with = "lenient")]
    pub command: String,
    /// How it stands.
    #[serde(default, deserialize_with = "lenient")]
    pub status: ActionStatus,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ActionFailure>,
}

/// How an action stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionStatus {
    /// It is done.
    Success,
    /// It failed.
    Error,
    /// It goes on, or says something that is not known: then it is asked again.
    #[default]
    #[serde(other)]
    Running,
}

/// Why an action failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ActionFailure {
    /// The API's code.
    #[serde(default, deserialize_with = "lenient")]
    pub code: String,
    /// The API's words.
    #[serde(default, deserialize_with = "lenient")]
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_and_missing_fields_do_not_hide_a_server() {
        let text = r#"{"id": 1, "name": "dev-master-1", "status": "levitating", "labels": null, "private_net": null, "new": [1]}"#;
        let server: Server = serde_json::from_str(text).unwrap();
        assert_eq!((server.id, server.status, server.public_net.address()), (1, ServerStatus::Other, None));
    }

    #[test]
    fn an_unknown_status_of_an_action_is_asked_again() {
        let action: Action = serde_json::from_str(r#"{"id": 1, "status": "paused"}"#).unwrap();
        assert_eq!(action.status, ActionStatus::Running);
    }
}
