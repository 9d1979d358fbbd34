//! What a deploy would do, without doing it: the same render, the same secrets, the same dry run, the same gate.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use windlass_cluster::{ApplyOptions, Change, FieldChange, Planned};
use windlass_core::name::{Commit, Digest, EnvironmentName};
use windlass_core::object::ObjectRef;
use windlass_core::policy::gate::{self, GateAnswer, GateInput};
use windlass_core::run::Trigger;

use crate::engine::Engine;
use crate::stages::apply::worth_showing;
use crate::stages::gate::{scope, unknown_environment};
use crate::stages::render::ReleaseContent;
use crate::stages::secrets::fill;
use crate::stop::Cause;

/// What `windlass plan` answers.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// Where.
    pub environment: EnvironmentName,
    /// What.
    pub commit: Commit,
    /// The release that would be applied.
    pub digest: Digest,
    /// Every object of it.
    pub objects: Vec<PlannedObject>,
    /// What the gate would say now.
    pub gate: GateAnswer,
}

/// What would become of an object.
#[derive(Debug, Serialize)]
pub struct PlannedObject {
    /// Which.
    pub object: ObjectRef,
    /// `create`, `change` or `unchanged`.
    pub change: &'static str,
    /// What would change in it; values of Secrets never appear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// What the API server warns about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The files that make it.
    pub files: Vec<String>,
}

/// Plans a deploy of a commit.
pub async fn plan(engine: &Engine, environment: &EnvironmentName, commit: &Commit) -> Result<Preview, Cause> {
    let control = engine.control(commit)?;
    let policy = control
        .environments
        .get(environment)
        .ok_or_else(|| unknown_environment(&control, environment.as_str()))?;
    let release = ReleaseContent { objects: engine.render(environment, policy, commit)? };
    let digest = Digest::of(&release.to_bytes());
    let cluster = engine.connect(environment, commit).await.map_err(crate::stop::Stop::into_cause)?;
    let (sealed, _) =
        fill(engine, &cluster, environment, &release).await.map_err(crate::stop::Stop::into_cause)?;
    let planned = cluster
        .dry_run(sealed.expose(), &ApplyOptions::default())
        .await
        .map_err(|refusals| crate::stop::refusals_cause(&refusals, &release))?;
    let gate = gate(engine, environment, commit, Trigger::Manual, engine.now()).await?;
    let objects = planned.iter().map(|plan| planned_object(plan, &release)).collect();
    Ok(Preview { environment: environment.clone(), commit: commit.clone(), digest, objects, gate })
}

fn planned_object(plan: &Planned, release: &ReleaseContent) -> PlannedObject {
    PlannedObject {
        object: plan.reference.clone(),
        change: word(&plan.change),
        fields: fields(&plan.change),
        warnings: plan.warnings.clone(),
        files: release.files_of(&plan.reference),
    }
}

fn word(change: &Change) -> &'static str {
    match change {
        Change::Created => "create",
        Change::Changed { .. } => "change",
        Change::Unchanged => "unchanged",
    }
}

fn fields(change: &Change) -> Vec<FieldChange> {
    match change {
        Change::Changed { fields } => worth_showing(fields),
        Change::Created | Change::Unchanged => Vec::new(),
    }
}

/// What the gate would say of a run for everything in an environment.
pub async fn gate(
    engine: &Engine,
    environment: &EnvironmentName,
    commit: &Commit,
    trigger: Trigger,
    now: Timestamp,
) -> Result<GateAnswer, Cause> {
    let control = engine.control(commit)?;
    let policy = control
        .environments
        .get(environment)
        .ok_or_else(|| unknown_environment(&control, environment.as_str()))?;
    let decided = engine.decisions_about(environment).await?;
    Ok(gate::judge(&GateInput {
        control: &control,
        environment,
        services: scope(policy, &[]),
        cluster: None,
        trigger,
        commit,
        barred: &decided.barred,
        holds: &decided.holds,
        window_override: None,
        approvals: &[],
        digest: None,
        requester: None,
        sender: None,
        now,
    }))
}

impl Preview {
    /// Whether anything would change.
    pub fn differs(&self) -> bool {
        self.objects.iter().any(|object| object.change != "unchanged")
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "Plan for {} at {}, release {}\n\n",
            self.environment,
            self.commit.short(),
            self.digest.short()
        );
        let of = |change: &str| self.objects.iter().filter(|object| object.change == change).count();
        for object in self.objects.iter().filter(|object| object.change != "unchanged") {
            write_object(&mut text, object);
        }
        let (create, change, unchanged) = (of("create"), of("change"), of("unchanged"));
        write!(
            text,
            "  {create} to create, {change} to change, {unchanged} unchanged\n\n{}\n",
            self.gate.to_text()
        )
        .expect("cannot fail");
        text
    }
}

fn write_object(text: &mut String, object: &PlannedObject) {
    let sign = if object.change == "create" { "+" } else { "~" };
    let from: BTreeSet<_> = object.files.iter().map(String::as_str).collect();
    let from = from.into_iter().next_back().unwrap_or_default();
    writeln!(text, "  {sign} {} {:#}   {from}", object.change, object.object)
        .expect("writing to a string cannot fail");
    for field in &object.fields {
        writeln!(text, "      {}   {} → {}", field.path, field.old, field.new)
            .expect("writing to a string cannot fail");
    }
    for warning in &object.warnings {
        writeln!(text, "      warning: {warning}").expect("writing to a string cannot fail");
    }
}
