//! The cluster's firewall: its rules, what they let through, and what they shut out that a cluster needs.
//!
//! Hetzner's firewall filters the public interface only, never the private network. It is stateful: what was let through one way is answered the
//! other. Inbound, what no rule names is dropped. Outbound, everything passes while there is no outbound rule, and only what rules name from the
//! first one on.

mod cluster;
mod difference;
mod egress;
mod filter;
mod merge;
mod rule;

pub use self::cluster::{RuleExcess, cluster_rules, excess};
pub use self::difference::{Difference, difference};
pub use self::egress::{Egress, Need, egress};
pub use self::filter::allowed;
pub use self::merge::merged;
pub use self::rule::{Direction, Ports, PortsError, Protocol, Rule};

/// The most rules of a firewall, by the API's description.
pub const MOST_RULES: usize = 50;

/// The most networks of a rule, by the API's description.
pub const MOST_NETWORKS: usize = 100;
