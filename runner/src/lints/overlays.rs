//! The overlays that the policy names: which folder is whose, and what it renders to.

use windlass_core::name::EnvironmentName;
use windlass_core::policy::control::{DeployControl, EnvironmentPolicy};
use windlass_kustomize::{Build, Error, FileTree, Options};

use super::files::{Files, SourceFile, is_kustomization};

/// What stands behind an environment of the policy.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    pub(super) environment: &'a EnvironmentName,
    pub(super) policy: &'a EnvironmentPolicy,
    pub(super) found: Found,
}

/// The answer to: which folder has this environment?
#[derive(Debug)]
pub(super) enum Found {
    /// One.
    Folder(Box<Folder>),
    /// None; the provider that the policy names, if it does.
    Nothing { provider: Option<String> },
    /// The folders of several providers, and the policy names none.
    Several { providers: Vec<String> },
}

/// The folder of an overlay, rendered.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) provider: String,
    /// Its path in the repository.
    pub(super) path: String,
    /// The path of its kustomization.
    pub(super) kustomization: String,
    pub(super) build: Result<Build, Error>,
}

/// Finds and renders the overlay of every environment, in the order of their names.
pub(super) fn find<'a>(tree: &dyn FileTree, files: &Files, control: &'a DeployControl) -> Vec<Overlay<'a>> {
    let mut candidates: Vec<Candidate<'_>> = files.inside().filter_map(Candidate::of).collect();
    // A folder with two kustomizations is one overlay, which does not render.
    candidates.dedup_by_key(|candidate| (candidate.provider, candidate.environment));
    let overlay = |(environment, policy): (&'a EnvironmentName, &'a EnvironmentPolicy)| {
        let wanted = policy.provider.as_ref().map(|provider| provider.value.as_str());
        let mine: Vec<_> = candidates
            .iter()
            .filter(|candidate| candidate.environment == environment.as_str())
            .filter(|candidate| wanted.is_none_or(|wanted| wanted == candidate.provider))
            .collect();
        let found = match mine.as_slice() {
            [] => Found::Nothing { provider: wanted.map(str::to_owned) },
            [one] => Found::Folder(Box::new(one.render(tree, files))),
            several => Found::Several {
                providers: several.iter().map(|candidate| candidate.provider.to_owned()).collect(),
            },
        };
        Overlay { environment, policy, found }
    };
    control.environments.iter().map(overlay).collect()
}

/// A folder `k8s/<provider>/<environment>` with a kustomization, readable or not.
struct Candidate<'a> {
    provider: &'a str,
    environment: &'a str,
    kustomization: &'a str,
}

impl<'a> Candidate<'a> {
    fn of((path, file): (&'a str, &'a SourceFile)) -> Option<Self> {
        let (folder, _) =
            path.strip_prefix("k8s/").filter(|path| is_kustomization(path))?.rsplit_once('/')?;
        let (provider, environment) = folder.split_once('/')?;
        let is_overlay = provider != "base" && !environment.contains('/');
        is_overlay.then_some(Self { provider, environment, kustomization: &file.path })
    }

    fn render(&self, tree: &dyn FileTree, files: &Files) -> Folder {
        let path = files.path(&format!("k8s/{}/{}", self.provider, self.environment));
        Folder {
            provider: self.provider.to_owned(),
            build: windlass_kustomize::build(tree, &path, &Options::default()),
            path,
            kustomization: self.kustomization.to_owned(),
        }
    }
}
