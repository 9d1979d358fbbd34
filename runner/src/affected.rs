//! Which environments a push concerns: those whose render reads a file that it touched, or whose policy it changed.

use std::collections::{BTreeMap, BTreeSet};

use windlass_core::event::ChangedFiles;
use windlass_core::event::affects::{Affected, Change, Sources, affected};
use windlass_core::name::Commit;
use windlass_core::policy::control::DeployControl;

use crate::engine::{CONTROL_FILE, Engine};
use crate::stop::Cause;

/// The environments that get a run, by name, each with the kind of run and why.
///
/// What changed is read from the repository where it can be, because a forge shortens long lists; else from the event.
pub fn environments(
    engine: &Engine,
    control: &DeployControl,
    before: Option<&Commit>,
    after: &Commit,
    told: Option<&ChangedFiles>,
) -> Result<Vec<Affected>, Cause> {
    let files =
        changed(engine, before, after).or_else(|| told.map(|told| told.all().map(str::to_owned).collect()));
    let policy_before = match before {
        Some(before) => engine.control(before).ok(),
        None => None,
    };
    let mut sources = BTreeMap::new();
    for (name, policy) in &control.environments {
        let mut render = engine.files_read(name, policy, after);
        if let (Some(before), Some(then)) =
            (before, policy_before.as_ref().and_then(|control| control.environments.get(name)))
        {
            render.extend(engine.files_read(name, then, before));
        }
        sources.insert(
            name.clone(),
            Sources { render, cluster_folder: engine.cluster_folder(name, policy, after) },
        );
    }
    let change = Change {
        files: files.as_ref(),
        policy_file: &format!("{}/{CONTROL_FILE}", engine.source.infra()),
        policy_before: policy_before.as_deref(),
        policy: control,
        sources: &sources,
    };
    Ok(affected(&change))
}

/// What differs between two commits, where the repository has both.
fn changed(engine: &Engine, before: Option<&Commit>, after: &Commit) -> Option<BTreeSet<String>> {
    let files = engine.source.changed_files(Some(before?), after).ok()?;
    Some(files.into_iter().map(|file| file.path).collect())
}
