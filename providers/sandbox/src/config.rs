//! How sandbox clusters are.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The clusters that this provider makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// Where the API server of a cluster listens. With port 0, as by default, each takes a free one.
    pub listen: SocketAddr,
    /// How many nodes a cluster has.
    pub nodes: usize,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), nodes: 3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_errors() {
        let read = |text: &str| serde_json::from_str::<SandboxConfig>(text);
        assert_eq!(read("{}").unwrap(), SandboxConfig::default());
        assert_eq!(read(r#"{"nodes": 1}"#).unwrap().nodes, 1);
        assert!(read(r#"{"node": 1}"#).is_err());
        assert!(read(r#"{"listen": "nowhere"}"#).is_err());
    }
}
