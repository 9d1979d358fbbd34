//! Who may know whom, read from the manifests: `kustomize` and `core` know nobody, providers know `core`, the runner knows them all.
//!
//! Edges that only tests need are free.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The workspace's own crates that each of them may name. A name that ends in `*` stands for all that begin like it.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("windlass-kustomize", &[]),
    ("windlass-core", &[]),
    ("windlass-provider-sandbox", &["windlass-core", "windlass-simulation"]),
    ("windlass-provider-*", &["windlass-core"]),
    ("windlass-amqp", &["windlass-core"]),
    ("windlass-cluster", &["windlass-core"]),
    ("windlass-store", &["windlass-core"]),
    (
        "windlass",
        &[
            "windlass-core",
            "windlass-kustomize",
            "windlass-amqp",
            "windlass-cluster",
            "windlass-store",
            "windlass-hetzner-emulator",
            "windlass-provider-*",
        ],
    ),
    ("windlass-tests", &["windlass*"]),
    ("windlass-yard", &["windlass", "windlass-core", "windlass-provider-sandbox"]),
    ("windlass-simulation", &[]),
    ("windlass-hetzner-emulator", &[]),
];

/// Crates of a runtime, a client or a server: what decides must not be able to act.
const ACTS: [&str; 11] =
    ["axum", "gix", "hcloud", "hyper", "k8s-openapi", "kube", "lapin", "reqwest", "rustls", "sqlx", "tokio"];

#[test]
fn a_crate_names_only_those_it_may_know() {
    for (name, known) in members() {
        let allowed = MAY_KNOW.iter().find(|(pattern, _)| matches(pattern, &name));
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("`{name}` has no entry in MAY_KNOW"));
        for other in known {
            assert!(
                allowed.iter().any(|pattern| matches(pattern, &other)),
                "`{name}` must not know `{other}`"
            );
        }
    }
}

#[test]
fn every_entry_is_about_a_crate() {
    let members = members();
    for (pattern, _) in MAY_KNOW {
        assert!(members.iter().any(|(name, _)| matches(pattern, name)), "no crate is called `{pattern}`");
    }
}

#[test]
fn what_decides_cannot_act() {
    for name in ["windlass-core", "windlass-kustomize"] {
        let closure = closure(name);
        assert!(
            closure.contains("thiserror"),
            "`cargo tree` does not show what `{name}` is made of: {closure:?}"
        );
        let acting: Vec<_> =
            ACTS.iter().filter(|act| closure.iter().any(|found| is_or_extends(found, act))).collect();
        assert!(acting.is_empty(), "`{name}` depends on {acting:?}");
    }
}

#[test]
fn only_the_plugin_list_names_a_provider() {
    let runner = root().join("runner/src");
    for file in rust_files(&runner) {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_list = file.ends_with("runner/src/plugins.rs");
        assert!(is_list || !text.contains("windlass_provider_"), "`{}` names a provider", file.display());
    }
}

#[test]
fn a_pattern_stands_for_its_family_only() {
    assert!(matches("windlass-provider-*", "windlass-provider-podman"));
    assert!(!matches("windlass-provider-*", "windlass-core"));
    assert!(!matches("windlass", "windlass-core"));
    assert!(is_or_extends("kube-client", "kube"));
    assert!(!is_or_extends("kubernetes", "kube"));
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == pattern,
    }
}

/// Whether a crate is the named one or one of its parts, as `kube-client` is one of `kube`.
fn is_or_extends(name: &str, act: &str) -> bool {
    name.strip_prefix(act).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Every crate of the workspace, with those of the workspace that it needs to be built.
fn members() -> Vec<(String, BTreeSet<String>)> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (text(&package["name"]), known(package))).collect()
}

fn known(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|dependency| dependency["kind"] != "dev" && dependency["path"].is_string())
        .map(|dependency| text(&dependency["name"]))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The names of all crates that a crate of the workspace is built from, itself included.
fn closure(name: &str) -> BTreeSet<String> {
    let tree = ["tree", "--package", name, "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    cargo(&tree).lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).arg("--offline").current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
