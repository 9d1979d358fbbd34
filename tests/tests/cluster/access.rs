//! Clusters that cannot be reached or do not let in, and rights that are missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::time::Instant;
use windlass_cluster::{ApplyOptions, Cluster, ClusterError, Selector};
use windlass_core::failure::ClusterFailure;
use windlass_core::provider::Kubeconfig;

use crate::space::{Space, config_map, workload};

/// The bed's kubeconfig with one thing changed by `kubectl config`.
fn kubeconfig(space: &Space, arguments: &[&str]) -> Kubeconfig {
    space.namespace.kubectl(arguments).expect_success();
    Kubeconfig::new(std::fs::read_to_string(space.namespace.kubeconfig()).unwrap())
}

async fn refused(kubeconfig: &Kubeconfig) -> ClusterError {
    Cluster::connect(kubeconfig).await.expect_err("these credentials do not work")
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let space = Space::new().await;
    let cluster = space.cluster.until(Instant::now());
    let error = cluster.get(&space.reference("v1", "ConfigMap", "c")).await.unwrap_err();
    assert_eq!(error.words(), "there is no time left for it");
    let kubeconfig = kubeconfig(&space, &["config", "set", "clusters.testbed.server", "https://127.0.0.1:1"]);
    let error = refused(&kubeconfig).await;
    assert_eq!(error.failure(), ClusterFailure::Unreachable);
    let words = "cannot connect to the cluster: `https://127.0.0.1:1` cannot be reached: Connection refused";
    assert!(error.to_string().starts_with(words), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let space = Space::new().await;
    let folder = tempfile::tempdir().unwrap();
    let certificate = foreign_authority(folder.path());
    let authority = format!("--certificate-authority={}", certificate.display());
    let set = ["config", "set-cluster", "testbed", "--embed-certs=true", &authority];
    let kubeconfig = kubeconfig(&space, &set);
    assert_eq!(refused(&kubeconfig).await.failure(), ClusterFailure::UntrustedCertificate);
}

/// The certificate of an authority that the cluster has nothing to do with.
fn foreign_authority(folder: &Path) -> PathBuf {
    let certificate = folder.join("ca.crt");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=elsewhere", "-keyout"]);
    let made = openssl.arg(folder.join("ca.key")).arg("-out").arg(&certificate).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    certificate
}

/// The kubeconfig of a user with a bearer token instead of the administrator's certificate.
fn with_token(space: &Space, token: &str) -> Kubeconfig {
    let user = ["config", "set-credentials", "robot", "--token", token];
    space.namespace.kubectl(&user).expect_success();
    kubeconfig(space, &["config", "set-context", "--current", "--user=robot"])
}

#[tokio::test]
async fn an_unknown_token_is_unauthorised() {
    let space = Space::new().await;
    let error = refused(&with_token(&space, "canary-token")).await;
    assert_eq!(error.failure(), ClusterFailure::Unauthorised);
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn missing_rights_are_told_from_admission() {
    let space = Space::new().await;
    let token = space.namespace.token("default");
    let cluster = Cluster::connect(&with_token(&space, &token)).await.unwrap();
    let listed = cluster.list("v1", "Secret", Some(space.name()), &Selector::all()).await;
    assert_eq!(listed.unwrap_err().failure(), ClusterFailure::Forbidden);
    let refused = cluster.dry_run(&[config_map("c", "1")], &ApplyOptions::default()).await.unwrap_err();
    let error = &refused.errors()[0];
    assert_eq!(error.failure(), ClusterFailure::Forbidden);
    assert_eq!(
        error.hint(),
        Some(
            format!("see what is allowed with `kubectl auth can-i --list --namespace {}`", space.name())
                .as_str()
        )
    );
    // Who may plan but not make pods is not held up by that.
    let planned = space.plan(&[workload("Deployment", "web", "web:1")]).await;
    let tried = cluster.dry_run_pods(&planned).await.unwrap();
    assert_eq!(tried.skipped[0].1, "these credentials may not make pods");
}
