//! A windlass provider that makes k3s clusters in the Hetzner Cloud, from the cluster-config files of hetzner-k3s.

pub mod client;

pub use client::clock::{Clock, MachineClock};
pub use client::error::{ClientError, ErrorCode, Refusal};
pub use client::{Client, ClientConfig, ENDPOINT};
