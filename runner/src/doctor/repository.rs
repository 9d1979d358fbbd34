//! The repository: the commit, the policy, and what `windlass check` finds.

use std::sync::Arc;

use windlass_core::name::Commit;
use windlass_core::policy::control::DeployControl;

use super::{Check, Part, Verdict};
use crate::engine::{Engine, source_cause};
use crate::lints::{self, Repository};

/// What is deployed from, as of `HEAD`.
pub(super) fn examine(engine: &Engine) -> (Option<Commit>, Option<Arc<DeployControl>>, Vec<Check>) {
    let mut part = Part::new("repository");
    let commit = match engine.source.resolve(None) {
        Ok(commit) => commit,
        Err(error) => {
            part.cause("commit", Verdict::Failed, &source_cause(&error));
            return (None, None, part.checks);
        }
    };
    let subject = engine.source.summary(&commit).map(|summary| summary.subject).unwrap_or_default();
    part.ok("commit", format!("{} {subject}", commit.short()).trim_end().to_owned());
    let control = match engine.control(&commit) {
        Ok(control) => {
            let names: Vec<_> = control.environments.keys().map(ToString::to_string).collect();
            part.ok("policy", format!("{}: {}", control.file, names.join(", ")));
            Some(control)
        }
        Err(cause) => {
            part.cause("policy", Verdict::Failed, &cause);
            None
        }
    };
    check(engine, &commit, &mut part);
    (Some(commit), control, part.checks)
}

fn check(engine: &Engine, commit: &Commit, part: &mut Part) {
    let report = engine.source.tree(commit).and_then(|tree| {
        let paths = lints::files_below(&tree, "")?;
        Ok(lints::check(&Repository {
            tree: &tree,
            paths: &paths,
            infra: engine.source.infra(),
            placeholder: engine.placeholder(),
            now: engine.now(),
        }))
    });
    match report {
        Ok(report) if report.is_clean() => {
            part.ok("check", format!("nothing found in {} files", report.files));
        }
        Ok(report) => {
            let found = format!("{} errors, {} warnings", report.errors(), report.warnings());
            let verdict = if report.has_errors() { Verdict::Failed } else { Verdict::Warning };
            part.push("check", verdict, found, Some("see them: `windlass check`".to_owned()));
        }
        Err(error) => part.cause("check", Verdict::Failed, &source_cause(&error)),
    }
}
