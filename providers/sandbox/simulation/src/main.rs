//! Simulated nodes for a Kubernetes control plane on loopback.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use windlass_simulation::{Registry, logs, node, nodes, pods, volumes};

/// Simulates nodes: their pods start, fail and stop as a real kubelet reports it, and run nothing.
#[derive(Debug, Parser)]
struct Arguments {
    /// An administrator's kubeconfig
    #[arg(long)]
    kubeconfig: PathBuf,
    /// How many nodes
    #[arg(long)]
    nodes: usize,
    /// Certificate and key with which the nodes answer the API server
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
    /// Where volumes are made
    #[arg(long)]
    volumes: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let arguments = Arguments::parse();
    let client = connect(&arguments.kubeconfig).await?;
    let tls = Arc::new(tls(&arguments.certificate, &arguments.key)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();

    let names = node::names(arguments.nodes);
    for name in &names {
        nodes::register(&client, name, port).await.with_context(|| format!("registering `{name}`"))?;
    }
    volumes::declare_classes(&client).await.context("declaring storage classes")?;
    let registry = Registry::default();
    tokio::spawn(nodes::keep_alive(client.clone(), names.clone()));
    tokio::spawn(logs::serve(listener, tls, registry.clone()));
    tokio::spawn(volumes::provision(client.clone(), arguments.volumes));
    pods::simulate(client, names.into_iter().collect(), registry).await?;
    Ok(())
}

async fn connect(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn tls(certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(certificate).context("reading the certificate")?];
    let key = PrivateKeyDer::from_pem_file(key).context("reading the key")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_no_client_auth().with_single_cert(chain, key)?)
}
