//! The folder of a demo: a repository with two branches, windlass.toml, values for the secrets, windlass's state. It goes when it is dropped.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tempfile::TempDir;
use windlass_core::name::Commit;

use super::repository::DemoRepository;
use crate::config::{Config, FILE_NAME};
use crate::plugins::ClusterAccess;
use crate::skeleton::{self, Files, Origin, POLICY};
use crate::stop::Cause;
use crate::variables::Variables;

/// The file that names the image's version.
const BASE: &str = "infra/k8s/base/kustomization.yaml";

/// The template of the passwords.
const PASSWORDS: &str = "infra/k8s/base/secrets/postgres-passwords.secret.yaml";

/// Paths are relative to the file. Variables are no source of secrets: a demo takes nothing from where it is started.
const CONFIGURATION: &str = r#"repository = "shop.git"
data_dir = "state"

[secrets]
environment = false
directories = ["secrets"]

[identity]
name = "ada"

[verify]
soak = "1s"
"#;

/// A folder with everything that a demo needs but a cluster.
#[derive(Debug)]
pub struct DemoFolder {
    folder: TempDir,
    /// A good commit, at the head of `main`.
    pub good: Commit,
    /// One after it, at the head of `dev`, whose image does not exist.
    pub bad: Commit,
}

impl DemoFolder {
    /// Makes the folder, below the one for temporary files, readable for its owner only.
    pub fn create(origin: Origin) -> Result<Self, Cause> {
        let unwritable =
            |error: std::io::Error| Cause::new("io", format!("the demo cannot write to its folder: {error}"));
        let folder = tempfile::Builder::new().prefix("windlass-demo-").tempdir().map_err(unwritable)?;
        let files = repository_files(origin);
        write_secrets(&folder.path().join("secrets"), &files[PASSWORDS]).map_err(unwritable)?;
        std::fs::write(folder.path().join(FILE_NAME), CONFIGURATION).map_err(unwritable)?;
        let (good, bad) = commit(&folder.path().join("shop.git"), &files)
            .map_err(|error| Cause::new("io", format!("the demo's repository cannot be written: {error}")))?;
        Ok(Self { folder, good, bad })
    }

    /// The configuration, in which a kubeconfig, if there is one, leads to the cluster of every environment.
    pub fn config(&self, origin: Origin, kubeconfig: Option<&Path>) -> Result<Config, Cause> {
        let mut config = Config::load(Some(&self.folder.path().join(FILE_NAME)), &Variables::fixed([]))?;
        for environment in origin.environments().iter().filter(|_| kubeconfig.is_some()) {
            let name = environment.parse().expect("an environment's name is a label");
            config
                .clusters
                .insert(name, ClusterAccess { kubeconfig: kubeconfig.map(PathBuf::from), context: None });
        }
        Ok(config)
    }

    /// Removes the folder, and says so if it cannot.
    pub fn remove(self) -> Result<(), Cause> {
        let path = self.folder.path().to_owned();
        self.folder
            .close()
            .map_err(|error| Cause::new("io", format!("`{}` cannot be removed: {error}", path.display())))
    }
}

/// The skeleton without windows: what the clock says must not decide how the story goes.
fn repository_files(origin: Origin) -> Files {
    let mut files = skeleton::files(origin);
    files.remove(FILE_NAME);
    let policy = files.get_mut(POLICY).expect("the skeleton has a policy");
    *policy = policy
        .replace("deployment_windows:\n      enabled: true", "deployment_windows:\n      enabled: false");
    files
}

fn commit(path: &Path, files: &Files) -> gix::Result<(Commit, Commit)> {
    let repository = DemoRepository::create(path, Timestamp::now().as_second())?;
    let good = repository.commit("dev", "Run PostgreSQL", files, None)?;
    repository.branch("main", &good)?;
    let bad =
        repository.commit("dev", "Take an image that nobody has", &with_bad_image(files), Some(&good))?;
    Ok((good, bad))
}

fn with_bad_image(files: &Files) -> Files {
    let mut files = files.clone();
    let base = files.get_mut(BASE).expect("the skeleton has a base");
    let lines = base.lines().map(|line| match line.split_once("newTag:") {
        Some((before, _)) => format!("{before}newTag: missing\n"),
        None => format!("{line}\n"),
    });
    *base = lines.collect();
    files
}

/// A file with a value of its own for each placeholder of the template.
fn write_secrets(folder: &Path, template: &str) -> std::io::Result<()> {
    std::fs::create_dir(folder)?;
    let keys = template.lines().filter_map(|line| line.trim().strip_suffix(": StrongBase64Password"));
    for key in keys {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        std::fs::write(folder.join(key), URL_SAFE_NO_PAD.encode(bytes))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Source;

    #[test]
    fn the_bad_commit_differs_by_the_image_only() {
        let folder = DemoFolder::create(Origin::Sandbox).unwrap();
        let config = folder.config(Origin::Sandbox, None).unwrap();
        let source = Source::open(&config.repository, &config.infra).unwrap();
        let changed = source.changed_files(Some(&folder.good), &folder.bad).unwrap();
        assert_eq!(changed.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), [BASE]);
        let text = source.tree(&folder.bad).unwrap().file(BASE).unwrap().unwrap();
        assert!(String::from_utf8_lossy(&text).contains("newTag: missing"));
    }

    #[test]
    fn no_environment_of_the_demo_has_a_window() {
        let policy = &repository_files(Origin::Kubeconfig)[POLICY];
        assert!(!policy.contains("deployment_windows:\n      enabled: true"), "{policy}");
        assert!(policy.contains("require_manual_approval: true"), "{policy}");
    }

    #[test]
    fn every_placeholder_has_a_value_of_its_own() {
        let folder = DemoFolder::create(Origin::Sandbox).unwrap();
        let values: std::collections::BTreeSet<_> = std::fs::read_dir(folder.folder.path().join("secrets"))
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        assert_eq!(values.len(), 4);
    }

    #[test]
    fn nothing_is_left_of_it() {
        let folder = DemoFolder::create(Origin::Kubeconfig).unwrap();
        let path = folder.folder.path().to_owned();
        assert!(path.join("shop.git").is_dir());
        folder.remove().unwrap();
        assert!(!path.exists());
    }
}
