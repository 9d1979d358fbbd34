//! Apply: the cluster holds the objects.
//!
//! Takes: sealed objects and the environment lease. Gives: what was written, and where a failure would return to. Touches: the cluster, after
//! the whole set was tried without writing. May be repeated because server-side apply of the same objects by the same manager changes nothing.
//! On failure before the first write: the run is refused; after it: rolled back.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use windlass_cluster::{
    AppliedObject, ApplyOptions, ApplyStopped, Change, Cluster, FieldChange, InventoryItem, Marker, Planned,
    Refusals, TakenField, Wrote,
};
use windlass_core::name::{Digest, RunId};
use windlass_core::object::ObjectRef;
use windlass_core::policy::control::{Conflicts, EnvironmentPolicy};
use windlass_core::release::{self, NoTarget};
use windlass_core::run::Stage;

use super::render::{ReleaseContent, Rendered, service_of};
use super::secrets::Sealed;
use crate::prune::{self, Removal};
use crate::run::Run;
use crate::secrets::{DIGEST_ANNOTATION, Sealed as SealedObjects};
use crate::stop::{Stop, refusals_cause};

/// What the journal keeps of an apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplyRecord {
    /// Objects that were written, and which of their fields changed. Values of Secrets never appear.
    pub written: Vec<Written>,
    /// How many were as wanted already.
    pub unchanged: usize,
    /// Objects that left the release and were removed.
    pub pruned: Vec<ObjectRef>,
    /// Objects that left the release and stay, because of what they hold.
    pub kept: Vec<ObjectRef>,
    /// Fields that other managers had.
    pub taken: Vec<TakenField>,
    /// What the API server warned about.
    pub warnings: Vec<String>,
    /// Everything that the release consists of in the cluster.
    pub inventory: Vec<InventoryItem>,
    /// Whether the cluster held just this release before.
    #[serde(default)]
    pub was_live: bool,
}

/// An object that was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub object: ObjectRef,
    /// Whether it was not there before.
    pub created: bool,
    pub fields: Vec<FieldChange>,
}

/// Where a failure returns to; chosen before the first write and never again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The run whose release is returned to.
    pub rollback_to: Option<RunId>,
    /// That release, by content.
    pub digest: Option<Digest>,
    /// Why there is none.
    pub none_because: Option<NoTarget>,
}

/// What tries of an apply wrote before the cluster fell silent, so that the record tells of the whole.
#[derive(Debug, Default)]
pub struct Interrupted {
    written: Vec<Written>,
    /// Written or not: the answer was lost.
    unsure: Vec<Written>,
}

impl Interrupted {
    fn take_in(&mut self, planned: &[Planned], stopped: &ApplyStopped) {
        self.written.extend(written(planned, &stopped.applied));
        let is_unsure = |plan: &&Planned| stopped.unsure.contains(&plan.reference);
        self.unsure.extend(planned.iter().filter(is_unsure).map(Written::of));
    }

    /// What was written, now that a later plan has seen the cluster: of what was unsure, what needs no more.
    fn written(mut self, planned: &[Planned]) -> Vec<Written> {
        let is_there =
            |unsure: &Written| planned.iter().any(|plan| plan.reference == unsure.object && !plan.is_write());
        self.written.extend(self.unsure.into_iter().filter(is_there));
        self.written
    }
}

impl Intent {
    /// Where a failure returns to, or why it cannot.
    pub fn in_words(&self) -> String {
        match (self.rollback_to, &self.none_because) {
            (Some(run), _) => format!("the release of {run}"),
            (None, Some(none)) => format!("none: {none}"),
            (None, None) => "none".to_owned(),
        }
    }
}

/// A release that the cluster holds.
#[derive(Debug)]
pub struct Applied {
    pub rendered: Rendered,
    pub record: ApplyRecord,
}

/// Performs the stage.
pub async fn apply(run: &mut Run, sealed: Sealed) -> Result<Applied, Stop> {
    let Sealed { rendered, objects, .. } = sealed;
    let intent = intent(run, &rendered.record.digest).await?;
    let policy = rendered.gated.policy(run)?.clone();
    let (digest, release) = (rendered.record.digest.clone(), Arc::clone(&rendered.release));
    let journalled = serde_json::to_value(&intent).expect("an intent is plain data");
    let record = run
        .step(Stage::Apply, journalled, move |run| {
            async move {
                let objects = objects.expect("an apply that has not ended has its objects");
                write(run, Wanted { objects, digest, release, policy }).await
            }
            .boxed()
        })
        .await?;
    Ok(Applied { rendered, record })
}

/// The first intent of the stage stands: a run that is taken up again returns to the release that was chosen before it wrote.
async fn intent(run: &Run, failing: &Digest) -> Result<Intent, Stop> {
    if let Some(first) = run.attempts(Stage::Apply).next() {
        return Ok(serde_json::from_value(first.intent.clone())
            .expect("the journal returns the intent that was written"));
    }
    let releases = run.engine.store.releases(run.environment()).await?;
    Ok(match release::automatic_target(&releases, failing) {
        Ok(target) => {
            Intent { rollback_to: Some(target.run), digest: Some(target.digest.clone()), none_because: None }
        }
        Err(none) => Intent { rollback_to: None, digest: None, none_because: Some(none) },
    })
}

/// Services whose objects may not take fields of other managers.
pub fn refusing(policy: &EnvironmentPolicy) -> BTreeSet<String> {
    policy
        .services
        .iter()
        .filter(|(_, service)| service.conflicts.value == Conflicts::Refuse)
        .map(|(name, _)| name.to_string())
        .collect()
}

/// What the cluster is to hold.
#[derive(Debug)]
pub struct Wanted {
    pub objects: SealedObjects,
    /// The release by content, and the content, which knows the file of each object.
    pub digest: Digest,
    pub release: Arc<ReleaseContent>,
    pub policy: EnvironmentPolicy,
}

/// Makes the cluster hold a release, through outages once something was written.
pub async fn write(run: &mut Run, wanted: Wanted) -> Result<ApplyRecord, Stop> {
    run.interrupted = Interrupted::default();
    let wanted = Arc::new(wanted);
    run.through_outages(move |run| {
        let wanted = Arc::clone(&wanted);
        async move { write_once(run, &wanted).await }.boxed()
    })
    .await
}

/// Tries the whole set, takes the fence, writes what differs, removes what left.
async fn write_once(run: &mut Run, wanted: &Wanted) -> Result<ApplyRecord, Stop> {
    let Wanted { digest, release, policy, .. } = wanted;
    let cluster = run.cluster().await?;
    let refusing = refusing(policy);
    let options = ApplyOptions {
        refuse_conflicts: Box::new(move |object| {
            service_of(object).is_some_and(|name| refusing.contains(name))
        }),
    };
    let environment = run.environment().clone();
    let (planned, marker) =
        tokio::join!(cluster.dry_run(wanted.objects.expose(), &options), cluster.read_marker(&environment));
    let (planned, marker) = (planned.map_err(|refusals| refused(&refusals, release))?, marker?);
    // One pod of each template that differs: what would only show up as events of a controller after the apply is refused before it.
    let changed: Vec<Planned> = planned.iter().filter(|plan| plan.is_write()).cloned().collect();
    cluster.dry_run_pods(&changed).await.map_err(|refusals| refused(&refusals, release))?;
    let removal = prune::plan(marker.as_ref().map(|(marker, _)| marker), &planned, policy);
    run.check_cancelled().await?;
    if is_live(marker.as_ref().map(|(marker, _)| marker), digest, &planned, &removal) {
        run.record_release(digest).await?;
        let known = marker.expect("a live release has its marker").0.inventory;
        let is_of_release = |item: &InventoryItem| planned.iter().any(|plan| plan.reference == item.object);
        let inventory = known.into_iter().filter(is_of_release).collect();
        return Ok(ApplyRecord { was_live: true, ..record(Vec::new(), &planned, &removal, inventory) });
    }
    let fence = fence(run, &cluster, marker, &planned).await?;
    run.record_release(digest).await?;
    let applied = match cluster.apply(&planned, &run.hook()).await {
        Ok(applied) => applied,
        Err(stopped) => {
            run.has_written |= stopped.has_written();
            run.interrupted.take_in(&planned, &stopped);
            return Err(midway(&stopped, release));
        }
    };
    run.has_written = true;
    let mut all_written = std::mem::take(&mut run.interrupted).written(&planned);
    all_written.extend(written(&planned, &applied));
    run.interrupted.written.clone_from(&all_written);
    prune::carry_out(&cluster, &removal).await?;
    let inventory = prune::inventory(&planned, &applied);
    // What left the release and stays is still ours: a later run may be asked to remove it.
    let known = inventory.iter().chain(&removal.keep).cloned().collect();
    let marker = Marker { release: digest.clone(), inventory: known, ..fence.marker };
    cluster.write_marker(&environment, &marker, Some(&fence.version)).await?;
    Ok(record(all_written, &planned, &removal, inventory))
}

/// Whether the cluster holds just this release: nothing is written then, not even the marker.
fn is_live(marker: Option<&Marker>, release: &Digest, planned: &[Planned], removal: &Removal) -> bool {
    marker.is_some_and(|marker| marker.release == *release)
        && removal.delete.is_empty()
        && !planned.iter().any(Planned::is_write)
}

/// The marker as this run has written it, before anything else.
struct Fence {
    marker: Marker,
    version: String,
}

/// Writes our epoch into the cluster by compare-and-set, and what is about to be created, so that nothing that an interrupted apply leaves is
/// unknown to a later prune. A run with an older epoch that still writes fails here; a store that was set back in time learns here how far it
/// had been. The release stays the one before until the new one is applied whole.
async fn fence(
    run: &mut Run,
    cluster: &Cluster,
    found: Option<(Marker, String)>,
    planned: &[Planned],
) -> Result<Fence, Stop> {
    let seen = found.as_ref().map_or(0, |(marker, _)| marker.epoch);
    let epoch = run.epoch_above(seen).await?;
    let before = found.as_ref().map(|(marker, _)| marker.clone());
    let release = before.as_ref().map_or_else(|| Digest::of(b""), |marker| marker.release.clone());
    let inventory = prune::with_coming(before.map(|marker| marker.inventory).unwrap_or_default(), planned);
    let marker = Marker { epoch, run: run.id(), release, inventory };
    let version = cluster
        .write_marker(run.environment(), &marker, found.as_ref().map(|(_, version)| version.as_str()))
        .await?;
    Ok(Fence { marker, version })
}

/// A release that the cluster refuses.
fn refused(refusals: &Refusals, release: &ReleaseContent) -> Stop {
    Stop::of(refusals_cause(refusals, release), refusals.class())
}

/// An apply that ended before its end. Whoever had written something does not take this for a refusal: see [`Run::through_outages`].
fn midway(stopped: &ApplyStopped, release: &ReleaseContent) -> Stop {
    stopped.refusals.as_ref().map_or(Stop::Busy, |refusals| refused(refusals, release))
}

fn written(planned: &[Planned], applied: &[AppliedObject]) -> Vec<Written> {
    let is_written = |plan: &&Planned| {
        applied.iter().any(|object| object.reference == plan.reference && object.wrote != Wrote::Nothing)
    };
    planned.iter().filter(is_written).map(Written::of).collect()
}

fn record(
    written: Vec<Written>,
    planned: &[Planned],
    removal: &Removal,
    inventory: Vec<InventoryItem>,
) -> ApplyRecord {
    ApplyRecord {
        was_live: false,
        unchanged: planned.len() - written.len(),
        written,
        pruned: removal.delete.iter().map(|item| item.object.clone()).collect(),
        kept: removal.keep.iter().map(|item| item.object.clone()).collect(),
        taken: planned.iter().flat_map(|plan| plan.taken.clone()).collect(),
        warnings: planned.iter().flat_map(|plan| plan.warnings.clone()).collect(),
        inventory,
    }
}

impl Written {
    fn of(plan: &Planned) -> Self {
        let fields = match &plan.change {
            Change::Changed { fields } => worth_showing(fields),
            Change::Created | Change::Unchanged => Vec::new(),
        };
        Self { object: plan.reference.clone(), created: plan.change == Change::Created, fields }
    }
}

/// Fields without the mark by which windlass knows its own objects: it changes with everything else and says nothing of its own.
pub fn worth_showing(fields: &[FieldChange]) -> Vec<FieldChange> {
    fields.iter().filter(|field| !field.path.contains(DIGEST_ANNOTATION)).cloned().collect()
}

impl ApplyRecord {
    /// In one line.
    pub fn in_words(&self) -> String {
        let created = self.written.iter().filter(|written| written.created).count();
        let mut words = format!(
            "{created} created, {} changed, {} unchanged",
            self.written.len() - created,
            self.unchanged
        );
        if !self.pruned.is_empty() {
            write!(words, ", {} removed", self.pruned.len()).expect("writing to a string cannot fail");
        }
        if !self.kept.is_empty() {
            write!(words, ", {} kept", self.kept.len()).expect("writing to a string cannot fail");
        }
        words
    }

    /// Object by object.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for written in &self.written {
            let sign = if written.created { "+ create" } else { "~ change" };
            writeln!(text, "  {sign} {:#}", written.object).expect("writing to a string cannot fail");
            for field in &written.fields {
                writeln!(text, "      {}   {} → {}", field.path, field.old, field.new)
                    .expect("writing to a string cannot fail");
            }
        }
        for object in &self.pruned {
            writeln!(text, "  - remove {object:#}").expect("writing to a string cannot fail");
        }
        for object in &self.kept {
            writeln!(text, "  ! keep   {object:#}: it left the release, but it holds data or is protected")
                .expect("writing to a string cannot fail");
        }
        for taken in &self.taken {
            writeln!(text, "  ! taken  {} from `{}`", taken.path, taken.manager)
                .expect("writing to a string cannot fail");
        }
        for warning in &self.warnings {
            writeln!(text, "  ! warning {warning}").expect("writing to a string cannot fail");
        }
        text
    }
}
