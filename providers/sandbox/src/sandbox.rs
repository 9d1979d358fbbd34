//! A cluster with the API by which it is reached.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use windlass_core::provider::Kubeconfig;

use crate::api::{Api, Identity, Server, VERSION, new_token};
use crate::cluster::{Cluster, ClusterOptions};
use crate::config::SandboxConfig;
use crate::controllers::Create;
use crate::error::SandboxError;
use crate::kubelet::{Kubelet, LogError, LogRequest, LogText};
use crate::nodes::Faults;
use crate::objects::Objects;
use crate::quotas::Quotas;
use crate::writing::create_for_controller;

/// A cluster in this process, served on loopback. It and everything in it are gone when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    objects: Objects,
    cluster: Arc<Cluster>,
    server: Server,
    _quotas: Quotas,
    certificate: String,
    token: SecretString,
}

impl Sandbox {
    /// Starts a cluster and serves it. It can take work as soon as this answers.
    pub async fn start(config: &SandboxConfig) -> Result<Self, SandboxError> {
        let (objects, identity, token) = (Objects::new(), Identity::new()?, new_token());
        let store = objects.clone();
        let create = Create::new(move |kind, object| create_for_controller(&store, kind, object));
        let options = ClusterOptions { nodes: config.nodes, root_certificate: identity.pem.clone() };
        let started = Cluster::start(&objects, create, &options);
        let cluster = Arc::new(started.map_err(|source| SandboxError::Furnish { source })?);
        let api = Api::new(objects.clone(), token.clone(), Arc::new(NodesOf(cluster.clone())));
        let server = Server::start(api, config.listen, &identity).await?;
        let quotas = Quotas::start(objects.clone());
        Ok(Self { objects, cluster, server, _quotas: quotas, certificate: identity.pem, token })
    }

    /// Where its API server listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What its API server calls itself.
    pub fn version(&self) -> &'static str {
        VERSION
    }

    /// Its objects, below the API.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What goes wrong in it.
    pub fn faults(&self) -> &Faults {
        self.cluster.faults()
    }

    /// An administrator's way in, by a token.
    pub fn kubeconfig(&self, name: &str) -> Kubeconfig {
        let authority = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        let server = format!("https://{}", self.address());
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"token": self.token.expose_secret()}}],
        });
        Kubeconfig::new(format!("{kubeconfig:#}\n"))
    }
}

/// The nodes of a cluster, shared by everybody who asks.
#[derive(Debug)]
struct NodesOf(Arc<Cluster>);

#[async_trait::async_trait]
impl Kubelet for NodesOf {
    async fn log(&self, request: &LogRequest) -> Result<LogText, LogError> {
        self.0.nodes().log(request).await
    }
}
