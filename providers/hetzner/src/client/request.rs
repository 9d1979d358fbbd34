//! What the API is asked for. Each type is one body, field by field as in the official description of the API.

use serde::{Deserialize, Serialize};

use crate::client::model::Labels;

/// `POST /ssh_keys`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateSshKey {
    pub name: String,
    pub public_key: String,
    pub labels: Labels,
}

/// `POST /networks`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateNetwork {
    pub name: String,
    pub ip_range: String,
    pub labels: Labels,
    pub subnets: Vec<CreateSubnet>,
}

/// A part of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateSubnet {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub ip_range: String,
    pub network_zone: String,
}

/// `POST /firewalls`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateFirewall<R> {
    pub name: String,
    pub labels: Labels,
    pub rules: Vec<R>,
    pub apply_to: Vec<Choice>,
}

/// `POST /firewalls/{id}/actions/set_rules`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetRules<R> {
    pub rules: Vec<R>,
}

/// `POST /firewalls/{id}/actions/apply_to_resources`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApplyTo {
    pub apply_to: Vec<Choice>,
}

/// `POST /firewalls/{id}/actions/remove_from_resources`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RemoveFrom {
    pub remove_from: Vec<Choice>,
}

/// Servers, by label: what a firewall is on, and to whom a load balancer passes connections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub label_selector: ChoiceSelector,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_private_ip: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoiceSelector {
    pub selector: String,
}

impl Choice {
    /// Every server that a selector chooses, now and later.
    pub fn of(selector: &str) -> Self {
        let label_selector = ChoiceSelector { selector: selector.to_owned() };
        Self { kind: "label_selector", label_selector, use_private_ip: None }
    }

    /// The same, through the private network.
    pub fn privately(selector: &str) -> Self {
        Self { use_private_ip: Some(true), ..Self::of(selector) }
    }
}

/// `POST /placement_groups`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreatePlacementGroup {
    pub name: String,
    pub labels: Labels,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// `POST /load_balancers`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateLoadBalancer {
    pub name: String,
    pub labels: Labels,
    pub load_balancer_type: String,
    pub location: String,
    pub algorithm: Algorithm,
    pub services: Vec<Service>,
}

/// How a load balancer chooses.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Algorithm {
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// A port of a load balancer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    pub protocol: &'static str,
    pub listen_port: u16,
    pub destination_port: u16,
    pub proxyprotocol: bool,
    pub health_check: HealthCheck,
}

/// How a load balancer finds out who answers. Times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthCheck {
    pub protocol: &'static str,
    pub port: u16,
    pub interval: u32,
    pub timeout: u32,
    pub retries: u32,
}

/// `POST /load_balancers/{id}/actions/attach_to_network` and the same of a server
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attach {
    pub network: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

/// `POST /servers`
#[derive(Clone, PartialEq, Serialize)]
pub struct CreateServer {
    pub name: String,
    pub labels: Labels,
    pub server_type: String,
    pub image: String,
    pub location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement_group: Option<u64>,
    pub ssh_keys: Vec<String>,
    pub networks: Vec<u64>,
    pub firewalls: Vec<FirewallRef>,
    pub public_net: EnabledAddresses,
    /// It holds a key by which nodes join, so it is not shown.
    pub user_data: String,
    pub start_after_create: bool,
}

impl std::fmt::Debug for CreateServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateServer")
            .field("name", &self.name)
            .field("server_type", &self.server_type)
            .finish_non_exhaustive()
    }
}

/// A firewall that a server starts with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FirewallRef {
    pub firewall: u64,
}

/// Which public addresses a server gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EnabledAddresses {
    pub enable_ipv4: bool,
    pub enable_ipv6: bool,
}

/// `POST /servers/{id}/actions/change_protection`. The API wants both to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProtectServer {
    pub delete: bool,
    pub rebuild: bool,
}

/// The body of an action that takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Nothing {}

/// A rule of a firewall, as the API writes and reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// `in` or `out`.
    pub direction: String,
    /// `tcp`, `udp`, `icmp`, `esp` or `gre`.
    pub protocol: String,
    /// For TCP and UDP only: a port, a range or `any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// From where, for `in`.
    #[serde(default)]
    pub source_ips: Vec<String>,
    /// Where to, for `out`.
    #[serde(default)]
    pub destination_ips: Vec<String>,
    /// What people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Rule {
    /// The same rule in the one form in which two can be compared: the API gives lists in an order of its own.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        for networks in [&mut self.source_ips, &mut self.destination_ips] {
            networks.sort_unstable();
            networks.dedup();
        }
        self.description = self.description.filter(|text| !text.is_empty());
        self
    }
}
