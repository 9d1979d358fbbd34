//! Why a sandbox does not start.

use std::io;
use std::net::SocketAddr;

use windlass_core::provider::ProviderError;

use crate::objects::ObjectError;

/// A sandbox cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// It cannot listen where it should.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Its certificate cannot be made.
    #[error("the API server's certificate cannot be made")]
    Certificate {
        /// Why not.
        source: rcgen::Error,
    },
    /// The certificate cannot be used.
    #[error("the API server's certificate cannot be used")]
    Tls {
        /// Why not.
        source: rustls::Error,
    },
    /// What every cluster has cannot be made.
    #[error("the cluster cannot be furnished")]
    Furnish {
        /// Why not.
        source: ObjectError,
    },
}

impl SandboxError {
    /// As the contract says it, about a cluster. An address may be free later.
    pub(crate) fn about(self, cluster: &str) -> ProviderError {
        let is_taken = matches!(self, Self::Listen { .. });
        let error = ProviderError::new(format!("cluster `{cluster}` cannot be started")).caused_by(self);
        if is_taken {
            error
                .retry_later(None)
                .with_hint("give `SandboxConfig::listen` the port 0, so that a free one is taken")
        } else {
            error
        }
    }
}
