//! The cluster's firewall: its rules, and what they let through.

mod rule;

pub use self::rule::{Direction, Ports, PortsError, Protocol, Rule};
