//! A windlass provider that makes k3s clusters in the Hetzner Cloud, from the cluster-config files of hetzner-k3s.
//!
//! [`config`] reads the file. What it means is decided by pure functions: [`firewall`] makes the firewall's rules. [`client`] speaks to the API.

pub mod client;
pub mod config;
pub mod firewall;

pub use client::clock::{Clock, MachineClock};
pub use client::error::{ClientError, ErrorCode, Refusal};
pub use client::{Client, ClientConfig, ENDPOINT};
