//! A windlass provider that makes k3s clusters in the Hetzner Cloud, from the cluster-config files of hetzner-k3s.
//!
//! [`config`] reads the file. What it means is decided by pure functions: [`firewall`] makes the rules, [`network`] judges the networks, [`pools`] names
//! the servers, [`user_data`] fits what they are told, [`lints`] says what is wrong with it all. [`client`] speaks to the API.

pub mod client;
pub mod config;
pub mod firewall;
pub mod lints;
pub mod network;
pub mod pools;
#[cfg(test)]
mod tests;
pub mod user_data;

pub use client::clock::{Clock, MachineClock};
pub use client::error::{ClientError, ErrorCode, Refusal};
pub use client::{Client, ClientConfig, ENDPOINT};
