//! A windlass provider that makes k3s clusters in the Hetzner Cloud, from the cluster-config files of hetzner-k3s.
//!
//! [`config`] reads the file. What it means is decided by pure functions: [`firewall`] makes the rules, [`network`] judges the networks, [`pools`] names
//! the servers, [`user_data`] fits what they are told, [`lints`] says what is wrong with it all.
//!
//! [`HetznerProvider`] puts it together: what the file asks for is laid out as a blueprint, [`plan`] compares that with what is there, the steps
//! that come out are carried out through [`client`], and servers become nodes through [`machines`].

mod bootstrap;
pub mod client;
pub mod config;
mod ensure;
mod error;
pub mod firewall;
mod intents;
mod keys;
mod layout;
pub mod lints;
pub mod machines;
pub mod network;
pub mod owner;
pub mod plan;
pub mod pools;
mod provider;
mod ready;
mod remove;
mod state;
#[cfg(test)]
mod tests;
pub mod user_data;

pub use client::clock::{Clock, MachineClock};
pub use client::error::{ClientError, ErrorCode, Refusal};
pub use client::{Client, ClientConfig, ENDPOINT};
pub use provider::{HetznerConfig, HetznerProvider, TIMEOUT};
