//! The beginning of a repository that windlass deploys from: the reference tree `infra/`, cut to one provider, and its windlass.toml.
//!
//! `windlass init` writes it into a folder, `windlass demo` commits it to a repository of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::config::FILE_NAME;

/// Files by their path in the repository.
pub type Files = BTreeMap<String, String>;

macro_rules! infra {
    ($($path:literal,)*) => {
        /// The files of the reference tree, but for the page that explains it.
        const INFRA: &[(&str, &str)] =
            &[$((concat!("infra/", $path), include_str!(concat!("../../../infra/", $path)))),*];
    };
}

infra! {
    "deploy-control.yaml",
    "k8s/base/configmaps/postgres-init.configmap.yaml",
    "k8s/base/kustomization.yaml",
    "k8s/base/secrets/postgres-passwords.secret.yaml",
    "k8s/base/services/postgres-headless.service.yaml",
    "k8s/base/services/postgres-serv.service.yaml",
    "k8s/base/statefulsets/postgres.statefulset.yaml",
    "k8s/hetzner/dev/.gitignore",
    "k8s/hetzner/dev/cluster/cluster-config.yaml",
    "k8s/hetzner/dev/kustomization.yaml",
    "k8s/hetzner/dev/patches/postgres-storage.statefulset.yaml",
    "k8s/hetzner/dev/patches/postgres.statefulset.yaml",
    "k8s/hetzner/dev/storageclasses/hcloud-volumes-retain.storageclass.yaml",
    "k8s/hetzner/prod/.gitignore",
    "k8s/hetzner/prod/cluster/cluster-config.yaml",
    "k8s/hetzner/prod/kustomization.yaml",
    "k8s/hetzner/prod/patches/postgres-serv.service.yaml",
    "k8s/hetzner/prod/patches/postgres-storage.statefulset.yaml",
    "k8s/hetzner/prod/patches/postgres.statefulset.yaml",
    "k8s/hetzner/prod/storageclasses/hcloud-volumes-retain.storageclass.yaml",
    "k8s/hetzner/test/.gitignore",
    "k8s/hetzner/test/cluster/cluster-config.yaml",
    "k8s/hetzner/test/kustomization.yaml",
    "k8s/hetzner/test/patches/postgres-storage.statefulset.yaml",
    "k8s/hetzner/test/patches/postgres.statefulset.yaml",
    "k8s/hetzner/test/storageclasses/hcloud-volumes-retain.storageclass.yaml",
    "k8s/podman/local/kustomization.yaml",
    "k8s/podman/local/patches/postgres-storage.statefulset.yaml",
    "k8s/podman/local/patches/postgres.statefulset.yaml",
}

/// The policy.
pub const POLICY: &str = "infra/deploy-control.yaml";

/// Where the cluster of a repository comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Origin {
    /// Servers of Hetzner Cloud, with k3s: dev, test and prod.
    Hetzner,
    /// k3s in Podman on this machine: local.
    Podman,
    /// A cluster that exists, with a namespace for each of dev and prod.
    Kubeconfig,
    /// The simulated cluster of `windlass demo`: dev and prod.
    Sandbox,
}

impl Origin {
    /// The provider's name, which is that of its folder under `infra/k8s`.
    pub fn provider(self) -> &'static str {
        match self {
            Self::Hetzner => "hetzner",
            Self::Podman => "podman",
            Self::Kubeconfig => "kubeconfig",
            Self::Sandbox => "sandbox",
        }
    }

    /// The environments that the skeleton has on it, the first one first to be deployed.
    pub fn environments(self) -> &'static [&'static str] {
        match self {
            Self::Hetzner => &["dev", "test", "prod"],
            Self::Podman => &["local"],
            Self::Kubeconfig | Self::Sandbox => &["dev", "prod"],
        }
    }
}

/// The skeleton of a repository whose clusters come from there.
pub fn files(origin: Origin) -> Files {
    let mut files: Files = INFRA
        .iter()
        .filter(|(path, _)| path.starts_with("infra/k8s/base/") || is_of(origin, path))
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    files.insert(POLICY.to_owned(), policy(origin.environments()));
    if matches!(origin, Origin::Kubeconfig | Origin::Sandbox) {
        for environment in origin.environments() {
            files.extend(overlay(origin.provider(), environment));
        }
    }
    files.insert(FILE_NAME.to_owned(), configuration(origin));
    files
}

fn is_of(origin: Origin, path: &str) -> bool {
    path.starts_with(&format!("infra/k8s/{}/", origin.provider()))
}

/// The reference policy, cut to these environments.
fn policy(environments: &[&str]) -> String {
    let reference = INFRA.iter().find(|(path, _)| *path == POLICY).expect("the policy is in the tree").1;
    let mut keeps = true;
    let mut kept = String::new();
    for line in reference.lines() {
        // An environment begins two columns in; what is deeper belongs to it.
        if let Some(name) = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix(':'))
            && !name.starts_with(' ')
        {
            keeps = environments.contains(&name);
        }
        if keeps {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push('\n');
    kept
}

/// An overlay for a cluster that has a default class of volumes and several environments, each in its namespace.
fn overlay(provider: &str, environment: &str) -> Files {
    let replicas = if environment == "prod" { "3" } else { "1" };
    let fill = |template: &str| {
        template
            .replace("ENVIRONMENT", environment)
            .replace("PROVIDER", provider)
            .replace("REPLICAS", replicas)
    };
    let namespace = format!("namespaces/shop-{environment}.namespace.yaml");
    let templates = [
        ("kustomization.yaml", include_str!("kustomization.yaml")),
        (namespace.as_str(), include_str!("namespace.yaml")),
        ("patches/postgres.statefulset.yaml", include_str!("resources.yaml")),
        ("patches/postgres-storage.statefulset.yaml", include_str!("storage.yaml")),
    ];
    let folder = format!("infra/k8s/{provider}/{environment}");
    templates.map(|(path, text)| (format!("{folder}/{path}"), fill(text))).into()
}

/// windlass.toml, with every choice commented.
fn configuration(origin: Origin) -> String {
    let mut clusters = String::new();
    for environment in origin.environments() {
        let lines = match origin {
            Origin::Hetzner => format!(
                "# Windlass makes the cluster of {environment}, and knows the way in: `windlass cluster plan {environment}`. For one that exists already:\n# [clusters.{environment}]\n# kubeconfig = \"~/.kube/config\"\n# context = \"{environment}\"\n"
            ),
            Origin::Podman | Origin::Kubeconfig => format!(
                "# How to reach the cluster of {environment}: by default as `kubectl` does, through $KUBECONFIG or ~/.kube/config.\n[clusters.{environment}]\n# kubeconfig = \"~/.kube/config\"\n# context = \"{environment}\"\n"
            ),
            Origin::Sandbox => format!(
                "# A sandbox lives in `windlass demo` only. For a cluster that exists:\n# [clusters.{environment}]\n# kubeconfig = \"~/.kube/config\"\n# context = \"{environment}\"\n"
            ),
        };
        writeln!(clusters, "{lines}").expect("writing to a string cannot fail");
    }
    include_str!("configuration.toml").replace("CLUSTERS\n", &clusters)
}

#[cfg(test)]
mod tests;
