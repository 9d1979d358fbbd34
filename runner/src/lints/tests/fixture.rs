//! Trees to check: a small one of its own, and the reference tree of this repository.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use windlass_kustomize::MemoryTree;

use super::now;
use crate::lints::{Report, Repository, check};

/// Files by path.
#[derive(Debug, Clone)]
pub(in crate::lints) struct Fixture(BTreeMap<String, String>);

/// One service, `shop`, in one environment, `dev` on Hetzner.
pub(in crate::lints) static SMALL: LazyLock<Fixture> = LazyLock::new(|| {
    let files = [
        ("infra/deploy-control.yaml", POLICY),
        ("infra/k8s/base/kustomization.yaml", BASE),
        ("infra/k8s/base/deployments/shop.deployment.yaml", DEPLOYMENT),
        ("infra/k8s/hetzner/dev/kustomization.yaml", OVERLAY),
        ("infra/k8s/hetzner/dev/patches/shop.deployment.yaml", PATCH),
        ("infra/k8s/hetzner/dev/cluster/cluster-config.yaml", CLUSTER),
    ];
    Fixture(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into())
});

impl Fixture {
    /// `infra/` as it stands in this repository.
    pub(super) fn reference() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = BTreeMap::new();
        let mut folders = vec![root.join("infra")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, std::fs::read_to_string(path).unwrap());
                }
            }
        }
        Self(files)
    }

    /// The same with files added or replaced.
    pub(in crate::lints) fn with(&self, changes: &[(&str, &str)]) -> Self {
        let mut copy = self.clone();
        for (path, text) in changes {
            copy.0.insert((*path).to_owned(), (*text).to_owned());
        }
        copy
    }

    /// The same without a file, which must be there.
    pub(in crate::lints) fn without(&self, path: &str) -> Self {
        let mut changed = self.clone();
        assert!(changed.0.remove(path).is_some(), "{path} is not in the tree");
        changed
    }

    /// The same with a text in a file, which must be there, replaced everywhere.
    pub(super) fn edited(&self, path: &str, from: &str, to: &str) -> Self {
        let text = self.text(path);
        assert!(text.contains(from), "{path} does not contain {from}");
        self.with(&[(path, &text.replace(from, to))])
    }

    /// The content of a file.
    pub(in crate::lints) fn text(&self, path: &str) -> String {
        self.0[path].clone()
    }

    /// The policy.
    pub(in crate::lints) fn policy(&self) -> String {
        self.text("infra/deploy-control.yaml")
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(in crate::lints) fn report(&self) -> Report {
        self.report_of(&self.paths())
    }

    pub(super) fn report_of(&self, paths: &[String]) -> Report {
        let mut tree = MemoryTree::default();
        for (path, text) in &self.0 {
            tree.insert(path, text);
        }
        check(&Repository {
            tree: &tree,
            paths,
            infra: "infra",
            placeholder: "StrongBase64Password",
            now: now(),
        })
    }

    /// What one lint finds, each finding as `file:line: message`.
    pub(in crate::lints) fn findings(&self, name: &str) -> Vec<String> {
        let findings = self.report().findings.into_iter().filter(|finding| finding.lint == name);
        findings
            .map(|finding| {
                let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
                format!("{}{line}: {}", finding.file, finding.message)
            })
            .collect()
    }
}

const POLICY: &str = "\
global:
  auto_deploy: true
environments:
  dev:
    enabled: true
    auto_deploy: true
    require_manual_approval: false
    deployment_windows:
      enabled: false
    services:
      shop:
        enabled: true
        auto_deploy: true
        require_approval: false
        rollback_on_failure: true
";

const BASE: &str = "\
resources:
  - deployments/shop.deployment.yaml
images:
  - name: example/shop
    newTag: 1.4.0
";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  labels:
    app: shop
spec:
  selector:
    matchLabels:
      app: shop
  template:
    metadata:
      labels:
        app: shop
    spec:
      containers:
        - name: shop
          image: example/shop
";

const OVERLAY: &str = "\
resources:
  - ../../base
patches:
  - path: patches/shop.deployment.yaml
labels:
  - pairs:
      environment: dev
      provider: hetzner
";

const PATCH: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  replicas: 2
";

const CLUSTER: &str = "\
cluster_name: hetzner-dev-cluster
kubeconfig_path: kubeconfig
k3s_version: v1.34.4+k3s1
schedule_workloads_on_masters: true
masters_pool: {instance_type: cx23, locations: [nbg1]}
networking:
  allowed_networks:
    ssh: [203.0.113.0/24]
    api: [203.0.113.0/24]
    custom_firewall_rules:
      - {direction: out, protocol: tcp, port: \"443\", destination_ips: [\"0.0.0.0/0\", \"::/0\"]}
      - {direction: out, protocol: tcp, port: \"53\", destination_ips: [\"0.0.0.0/0\", \"::/0\"]}
      - {direction: out, protocol: udp, port: \"53\", destination_ips: [\"0.0.0.0/0\", \"::/0\"]}
      - {direction: out, protocol: udp, port: \"123\", destination_ips: [\"0.0.0.0/0\", \"::/0\"]}
addons:
  embedded_registry_mirror:
    enabled: true
";
