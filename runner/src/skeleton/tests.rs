use std::path::Path;

use clap::ValueEnum as _;
use windlass_core::name::EnvironmentName;
use windlass_core::policy::control::DeployControl;
use windlass_kustomize::{MemoryTree, Options};

use super::*;
use crate::config::Config;
use crate::lints::{self, Repository};
use crate::variables::Variables;

fn tree(files: &Files) -> MemoryTree {
    let mut tree = MemoryTree::default();
    for (path, text) in files {
        tree.insert(path.clone(), text);
    }
    tree
}

#[test]
fn the_table_is_the_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Files::new();
    let mut folders = vec![root.join("infra")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(found.remove("infra/README.md").is_some());
    let table: Files = INFRA.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert_eq!(table, found);
}

#[test]
fn every_skeleton_passes_the_check() {
    for origin in Origin::value_variants() {
        let files = files(*origin);
        let paths: Vec<_> = files.keys().cloned().collect();
        let tree = tree(&files);
        let repository = Repository {
            tree: &tree,
            paths: &paths,
            infra: "infra",
            placeholder: "StrongBase64Password",
            now: "2026-01-05T10:00:00Z".parse().unwrap(),
        };
        let report = lints::check(&repository);
        assert!(report.findings.is_empty(), "{origin:?}: {}", report.to_text());
        assert_eq!(report.overlays.len(), origin.environments().len(), "{origin:?}");
    }
}

#[test]
fn every_overlay_renders_its_environment() {
    for origin in Origin::value_variants() {
        let tree = tree(&files(*origin));
        for environment in origin.environments() {
            let overlay = format!("infra/k8s/{}/{environment}", origin.provider());
            let build = windlass_kustomize::build(&tree, &overlay, &Options::default()).unwrap();
            assert!(build.objects.len() >= 5, "{overlay}: {} objects", build.objects.len());
        }
    }
}

#[test]
fn the_policy_names_the_environments_of_the_skeleton() {
    for origin in Origin::value_variants() {
        let control = DeployControl::parse(POLICY, &files(*origin)[POLICY]).unwrap();
        let mut expected = origin.environments().to_vec();
        expected.sort_unstable();
        assert_eq!(control.environments.keys().map(EnvironmentName::as_str).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_configuration_can_be_read() {
    for origin in Origin::value_variants() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        std::fs::write(&file, &files(*origin)[FILE_NAME]).unwrap();
        let config = Config::load(Some(&file), &Variables::fixed([("HOME", "/home/ada")])).unwrap();
        // Of clusters that windlass makes itself, no kubeconfig is named.
        let makes = matches!(origin, Origin::Sandbox | Origin::Hetzner);
        let named = if makes { 0 } else { origin.environments().len() };
        assert_eq!(config.clusters.len(), named, "{origin:?}");
    }
}
