//! What `windlass check` finds: the policy, a render of every overlay, and the conventions of the tree as named lints.
//!
//! A check is a function of files and a time: it contacts nothing and changes nothing. Every lint is one file in `rules`, has a name, a level
//! and a page in `docs/reference/lints`; [`LINTS`] lists them all, and [`explain`] gives the page.

mod context;
mod files;
mod finding;
mod ignored;
mod listing;
mod manifest;
mod overlays;
mod reporter;
mod rules;
#[cfg(test)]
mod tests;
mod yaml;

use jiff::Timestamp;
use windlass_kustomize::FileTree;

use self::context::{Context, Policy};
use self::files::Files;
pub use self::finding::{CheckedOverlay, Finding, Level, Report};
pub use self::ignored::not_ignored;
pub use self::listing::files_below;
use self::reporter::Reporter;
pub use self::rules::LINTS;
use crate::plugins::{self, ClusterFinding};

/// The policy's name in the folder of the infrastructure.
const POLICY: &str = "deploy-control.yaml";

/// A state of a repository, and what a check must know beside it.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    /// The files.
    pub tree: &'a dyn FileTree,
    /// The paths of all files to look at ([`files_below`]): of a commit all, of a folder as it is those that Git would take
    /// ([`not_ignored`]).
    pub paths: &'a [String],
    /// The folder with the files to deploy, `infra` by default.
    pub infra: &'a str,
    /// The text that stands for a value of a Secret.
    pub placeholder: &'a str,
    /// The time from which windows are looked at.
    pub now: Timestamp,
}

/// A named convention.
#[derive(Debug)]
pub struct Lint {
    /// Its name: words with `-` between them, the same in output, page and documentation.
    pub name: &'static str,
    /// How much its findings weigh.
    pub level: Level,
    /// What it finds, in one sentence.
    pub summary: &'static str,
    /// Its page: what, why, wrong, right, how to mend. Markdown.
    pub page: &'static str,
    /// Finds.
    check: fn(&Context<'_>, &mut Reporter<'_>),
}

/// Runs every lint over a repository. Never fails: what cannot be read or rendered is a finding.
pub fn check(repository: &Repository<'_>) -> Report {
    let files = Files::read(repository.tree, repository.infra, repository.paths);
    let policy_path = files.path(POLICY);
    let policy = Policy::of(&policy_path, files.get(&policy_path));
    let overlays = policy.control().map(|control| overlays::find(repository.tree, &files, control));
    let context = Context {
        repository,
        files: &files,
        policy_path: &policy_path,
        policy: &policy,
        overlays: overlays.unwrap_or_default(),
        clusters: clusters(&files),
    };
    let mut findings = Vec::new();
    for lint in LINTS {
        (lint.check)(&context, &mut Reporter::new(lint, &mut findings));
    }
    // An object of the base is judged once for every overlay, and says the same each time.
    findings.sort();
    findings.dedup();
    Report { findings, overlays: checked(&context), files: files.all().len() }
}

/// What providers find in the files that describe clusters. One that is no YAML has been found already.
fn clusters(files: &Files) -> Vec<(&str, ClusterFinding)> {
    let readable = files.clusters().filter(|(.., file)| matches!(file.yaml, Some(Ok(_))));
    let judged = readable
        .filter_map(|(provider, _, file)| Some((provider, file.path.as_str(), file.text.as_deref()?)));
    judged
        .flat_map(|(provider, path, text)| {
            plugins::cluster_findings(provider, path, text).into_iter().map(move |finding| (path, finding))
        })
        .collect()
}

/// The page of a lint.
pub fn explain(name: &str) -> Option<&'static str> {
    LINTS.iter().find(|lint| lint.name == name).map(|lint| lint.page)
}

fn checked(context: &Context<'_>) -> Vec<CheckedOverlay> {
    let overlay = |(overlay, folder): (&overlays::Overlay<'_>, &overlays::Folder)| CheckedOverlay {
        environment: overlay.environment.to_string(),
        provider: folder.provider.clone(),
        path: folder.path.clone(),
        objects: folder.build.as_ref().map_or(0, |build| build.objects.len()),
    };
    context.folders().map(overlay).collect()
}
