//! A run as people and programs see it: the same value on the terminal, in JSON and on pages. Holds nothing secret.

mod environment;
mod event;

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use windlass_core::diagnosis::Diagnosis;
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId, ServiceName};
use windlass_core::policy::gate::{Decision, GateAnswer, GateCode};
use windlass_core::run::{Outcome, RunKind, RunState, Stage, Trigger};
use windlass_store::{Approval, InboxId, RunRow, StageRecord, Store, StoreError};

pub use self::environment::{BarView, EnvironmentView, LiveView, OpenRunView, PauseView, ReleaseView};
pub use self::event::EventView;
use crate::stages::apply::{ApplyRecord, Intent};
use crate::stages::cluster::ensure::EnsureRecord;
use crate::stages::cluster::plan::PlanRecord;
use crate::stages::cluster::publish::PublishRecord;
use crate::stages::cluster::remove::RemoveRecord;
use crate::stages::cluster::verify::VerifyRecord;
use crate::stages::gate::GateRecord;
use crate::stages::render::RenderRecord;
use crate::stop::Failure;

/// A run, whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    #[schema(value_type = String)]
    pub id: RunId,
    /// What it is for: `deploy`, `cluster` or `removal`.
    #[schema(value_type = String)]
    pub kind: RunKind,
    #[schema(value_type = String)]
    pub environment: EnvironmentName,
    #[schema(value_type = String)]
    pub state: RunState,
    #[schema(value_type = String)]
    pub trigger: Trigger,
    #[schema(value_type = String)]
    pub commit: Commit,
    pub subject: String,
    pub requester: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub services: Vec<ServiceName>,
    #[schema(value_type = u64)]
    pub event: InboxId,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The release, once it is rendered.
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Why it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldView>,
    /// Why it ended as it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub superseded_by: Option<RunId>,
    pub stages: Vec<StageView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub gate: Option<GateAnswer>,
    /// The release that the run rendered, with the services that it takes over as they are live.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub release: Option<RenderRecord>,
    /// Where a failure returns to, chosen before the first write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub way_back: Option<Intent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub changes: Option<ApplyRecord>,
    /// What a run about a cluster asked for: the provider's changes, and what the cluster costs in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub plan: Option<PlanRecord>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub cluster: Option<ClusterView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub diagnosis: Option<Box<Diagnosis>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalView>,
}

/// What a run has done about a cluster, as far as it came.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterView {
    /// What the provider made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<EnsureRecord>,
    /// How it was seen to take work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<VerifyRecord>,
    /// Where the way in is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishRecord>,
    /// What was removed, and what is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<RemoveRecord>,
}

/// A page of runs, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<RunView>,
    /// Where the next page begins; null on the last.
    #[schema(value_type = Option<String>)]
    pub next: Option<RunId>,
}

/// Why a run is held.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Held)]
pub struct HeldView {
    pub code: String,
    pub text: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// Why a run ended as it did.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Reason)]
pub struct ReasonView {
    pub code: String,
    pub text: String,
}

/// An attempt at a stage.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Stage)]
pub struct StageView {
    #[schema(value_type = String)]
    pub stage: Stage,
    pub attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    #[schema(value_type = Option<Object>)]
    pub took: Option<Duration>,
    pub ok: Option<bool>,
    /// What a provider told meanwhile, of much the last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub progress: Vec<String>,
}

/// What somebody decided about a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Approval)]
pub struct ApprovalView {
    pub approver: String,
    #[schema(value_type = String)]
    pub decision: windlass_store::Decision,
    #[schema(value_type = String)]
    pub digest: Digest,
    pub reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl RunView {
    /// Reads everything about a run.
    pub async fn load(store: &Store, id: RunId) -> Result<Self, StoreError> {
        let (row, journal, approvals) =
            (store.run(id).await?, crate::journal::load(store, id).await?, store.approvals(id).await?);
        Ok(Self::of(row, &journal, approvals))
    }

    fn of(row: RunRow, journal: &[StageRecord], approvals: Vec<Approval>) -> Self {
        let gate: Option<GateRecord> = last(journal, Stage::Gate);
        let render: Option<RenderRecord> = last(journal, Stage::Render);
        Self {
            id: row.id,
            kind: row.kind,
            environment: row.environment,
            state: row.state,
            trigger: row.trigger,
            commit: row.commit,
            subject: row.subject,
            requester: row.requester,
            services: row.services,
            event: row.event,
            created_at: row.created_at,
            ended_at: row.ended_at,
            digest: render.as_ref().map(|render| render.digest.clone()),
            release: render,
            way_back: way_back(journal),
            held: row.hold.map(|hold| HeldView { code: hold.code, text: hold.text, until: hold.due }),
            reason: row.reason.map(|reason| ReasonView { code: reason.code, text: reason.text }),
            superseded_by: row.superseded_by,
            stages: journal.iter().map(StageView::of).collect(),
            gate: gate.map(|gate| gate.answer),
            changes: last(journal, Stage::Apply),
            plan: last(journal, Stage::Plan),
            cluster: ClusterView::of(row.kind, journal),
            diagnosis: diagnosis(journal),
            approvals: approvals.into_iter().map(ApprovalView::of).collect(),
        }
    }

    /// How the run ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.state.outcome()
    }
}

impl ClusterView {
    /// What to say beside a stage that has ended.
    fn note(&self, stage: Stage) -> String {
        let note = match stage {
            Stage::Ensure => self.made.as_ref().map(EnsureRecord::in_words),
            Stage::Verify => self.seen.as_ref().map(VerifyRecord::in_words),
            Stage::Publish => self.published.as_ref().map(PublishRecord::in_words),
            Stage::Remove => self.removed.as_ref().map(RemoveRecord::in_words),
            _ => None,
        };
        note.unwrap_or_default()
    }

    fn of(kind: RunKind, journal: &[StageRecord]) -> Option<Self> {
        let made = last(journal, Stage::Ensure);
        let seen = if kind == RunKind::Cluster { last(journal, Stage::Verify) } else { None };
        let removed = last(journal, Stage::Remove);
        (made.is_some() || removed.is_some()).then_some(Self {
            made,
            seen,
            published: last(journal, Stage::Publish),
            removed,
        })
    }
}

impl StageView {
    fn of(record: &StageRecord) -> Self {
        let took =
            record.ended_at.and_then(|ended| Duration::try_from(ended.duration_since(record.began_at)).ok());
        let ok = if record.result.is_some() { Some(true) } else { record.error.as_ref().map(|_| false) };
        let progress = record.progress.clone();
        Self { stage: record.stage, attempt: record.attempt, began_at: record.began_at, took, ok, progress }
    }
}

impl ApprovalView {
    fn of(approval: Approval) -> Self {
        let Approval { approver, decision, digest, reason, at } = approval;
        Self { approver, decision, digest, reason, at }
    }
}

/// The latest result of a stage.
fn last<T: DeserializeOwned>(journal: &[StageRecord], stage: Stage) -> Option<T> {
    let results = journal
        .iter()
        .rev()
        .filter(|record| record.stage == stage)
        .filter_map(|record| record.result.clone());
    results.into_iter().find_map(|result| serde_json::from_value(result).ok())
}

/// What the first attempt at the apply meant to return to.
fn way_back(journal: &[StageRecord]) -> Option<Intent> {
    let first = journal.iter().find(|record| record.stage == Stage::Apply)?;
    serde_json::from_value(first.intent.clone()).ok()
}

/// The diagnosis of the stage that failed.
fn diagnosis(journal: &[StageRecord]) -> Option<Box<Diagnosis>> {
    journal.iter().find_map(crate::run::failure_of).and_then(|failure: Failure| failure.diagnosis)
}

/// The word of a state as it is shown, with its shape: never by colour alone.
pub fn shape(state: RunState) -> &'static str {
    match state {
        RunState::Ended(Outcome::Verified) => "✓",
        RunState::Ended(Outcome::RolledBack) => "↩",
        RunState::Ended(Outcome::Failed | Outcome::Refused | Outcome::Stuck) => "✗",
        RunState::Ended(Outcome::Superseded | Outcome::Cancelled) => "⇥",
        RunState::Held => "⏸",
        RunState::Queued | RunState::Ready => "○",
        RunState::At(_) => "◐",
    }
}

/// A duration as people read it: `0.2s`, `41s`, `3m 5s`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

impl RunView {
    /// One line for a list.
    pub fn line(&self) -> String {
        let when = self.ended_at.unwrap_or(self.created_at).strftime("%Y-%m-%d %H:%M:%S");
        let note = self.note();
        format!(
            "{} {:<11} {:<7} {:<8} {:<8} {when}  {}{}{}",
            shape(self.state),
            self.state.to_string(),
            self.id.to_string(),
            self.environment.to_string(),
            self.commit.short(),
            self.about(),
            self.subject,
            dash(&note)
        )
    }

    /// What the run is for, where that is not to deploy.
    fn about(&self) -> &'static str {
        match self.kind {
            RunKind::Deploy => "",
            RunKind::Cluster => "cluster: ",
            RunKind::Removal => "removal of the cluster: ",
        }
    }

    /// The line that begins what is told of a run that goes.
    pub fn heading(&self) -> String {
        let heading = format!(
            "{}  {} → {}  {}{}",
            self.id,
            self.commit.short(),
            self.environment,
            self.about(),
            self.subject
        );
        heading.trim_end().to_owned()
    }

    fn note(&self) -> String {
        match (&self.held, &self.reason, self.superseded_by) {
            (_, _, Some(by)) => format!("superseded by {by}"),
            (Some(held), _, _) => gist(&held.code, &held.text),
            (_, Some(reason), _) if self.outcome() != Some(Outcome::Verified) => {
                gist(&reason.code, &reason.text)
            }
            _ => String::new(),
        }
    }

    /// Everything for a person.
    pub fn to_text(&self) -> String {
        self.text_with(self.reason.as_ref().map(|reason| reason.text.clone()))
    }

    /// The same where the diagnosis follows, which gives the advice itself.
    fn to_text_before_proof(&self) -> String {
        let is_advice = |line: &&str| self.diagnosis.is_some() && line.starts_with("hint: ");
        let without =
            |text: &str| text.lines().filter(|line| !is_advice(line)).collect::<Vec<_>>().join("\n");
        self.text_with(self.reason.as_ref().map(|reason| without(&reason.text)))
    }

    fn text_with(&self, reason: Option<String>) -> String {
        let mut text = format!(
            "{} {}  {} → {}  {}\n",
            shape(self.state),
            self.id,
            self.state,
            self.environment,
            self.commit.short()
        );
        if !self.subject.is_empty() || self.kind != RunKind::Deploy {
            writeln!(text, "  {}{}", self.about(), self.subject).expect("writing to a string cannot fail");
        }
        let by = if self.requester.is_empty() { "an event" } else { &self.requester };
        writeln!(
            text,
            "  started by   {by}, {}, {}",
            self.event,
            self.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        )
        .expect("cannot fail");
        writeln!(text, "  stages       {}", self.stages_in_words()).expect("cannot fail");
        if let Some(changes) = &self.changes {
            writeln!(text, "  changes      {}", changes.in_words()).expect("cannot fail");
        }
        if let Some(plan) = &self.plan {
            writeln!(text, "  plan         {}", plan.in_words()).expect("cannot fail");
        }
        self.write_end(&mut text, reason);
        text
    }

    fn write_end(&self, text: &mut String, reason: Option<String>) {
        let mut block = |heading: &str, body: &str| {
            let indented = body.lines().collect::<Vec<_>>().join("\n               ");
            writeln!(text, "  {heading:<12} {indented}").expect("writing to a string cannot fail");
        };
        if let Some(held) = &self.held {
            block("held", &held.text);
        }
        if let Some(by) = self.superseded_by {
            block("replaced by", &by.to_string());
        }
        if let Some(reason) = reason {
            block("because", &reason);
        }
        if let Some(next) = self.next_step() {
            block("next", &next);
        }
        if let Some(word) = self.word_to_explain() {
            block("more", &format!("windlass explain {word}"));
        }
        for approval in &self.approvals {
            let why = approval.reason.as_deref().map(dash).unwrap_or_default();
            block(
                "decided",
                &format!(
                    "{:?} by {} for {}{why}",
                    approval.decision,
                    approval.approver,
                    approval.digest.short()
                )
                .to_lowercase(),
            );
        }
    }

    /// What lets a held run go on, where a command does.
    fn next_step(&self) -> Option<String> {
        let (id, environment) = (self.id, &self.environment);
        match GateCode::named(&self.held.as_ref()?.code)? {
            GateCode::ApprovalMissing => {
                let asked = match self.requester.as_str() {
                    "" => String::new(),
                    who => format!("; {who}, who asked, does not count unless the policy says `allow_self`"),
                };
                Some(format!("windlass approve {id}{asked}"))
            }
            GateCode::WindowClosed if self.kind != RunKind::Deploy => Some("it goes on by itself".to_owned()),
            GateCode::WindowClosed => Some(format!(
                "it goes on by itself; at once only with `windlass deploy -e {environment} --override REASON`"
            )),
            GateCode::ClusterAutoDeployOff => Some(format!("windlass cluster create {environment}")),
            GateCode::Frozen | GateCode::Paused | GateCode::CommitBarred => {
                Some(format!("windlass resume -e {environment}"))
            }
            _ => None,
        }
    }

    /// The word of what went wrong or is waited for, unless the text names its page itself.
    fn word_to_explain(&self) -> Option<&str> {
        let (code, text) = match (&self.held, &self.reason, self.outcome()) {
            (Some(held), _, _) => (&held.code, &held.text),
            (
                _,
                Some(reason),
                Some(Outcome::Refused | Outcome::Failed | Outcome::Stuck | Outcome::RolledBack),
            ) => (&reason.code, &reason.text),
            _ => return None,
        };
        (!text.contains("windlass explain")).then_some(code)
    }

    fn stages_in_words(&self) -> String {
        let words: Vec<_> = self
            .stages
            .iter()
            .map(|stage| {
                let shape = match stage.ok {
                    Some(true) => "✓",
                    Some(false) => "✗",
                    // What a gate let nobody pass has not ended, and nobody is at it.
                    None if self.state == RunState::Held => "⏸",
                    None => "◐",
                };
                format!(
                    "{shape} {}{}",
                    stage.stage,
                    stage.took.map_or(String::new(), |took| format!(" {}", in_words(took)))
                )
            })
            .collect();
        words.join("  ")
    }

    /// What to say beside a stage that has ended.
    pub fn stage_note(&self, stage: Stage) -> String {
        match stage {
            Stage::Gate => self.gate.as_ref().map(gate_note).unwrap_or_default(),
            Stage::Render => {
                self.digest.as_ref().map(|digest| format!("release {}", digest.short())).unwrap_or_default()
            }
            Stage::Apply => self.changes.as_ref().map(ApplyRecord::in_words).unwrap_or_default(),
            Stage::Wait => self
                .diagnosis
                .as_ref()
                .map(|diagnosis| format!("{}: {}", diagnosis.object, diagnosis.headline))
                .unwrap_or_default(),
            Stage::Plan => self.plan.as_ref().map(PlanRecord::in_words).unwrap_or_default(),
            Stage::Ensure | Stage::Verify | Stage::Publish | Stage::Remove => {
                self.cluster.as_ref().map(|cluster| cluster.note(stage)).unwrap_or_default()
            }
            Stage::Secrets | Stage::Rollback => String::new(),
        }
    }

    /// What folds below a stage that has ended: the rules of the gate, what was written.
    pub fn stage_details(&self, stage: Stage) -> String {
        match stage {
            Stage::Gate => self.gate.as_ref().map(GateAnswer::to_text).unwrap_or_default(),
            Stage::Apply => self.changes.as_ref().map(ApplyRecord::to_text).unwrap_or_default(),
            Stage::Plan => self.plan.as_ref().map(PlanRecord::to_text).unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// The whole decision: what the gate said, what would be applied and what a failure returns to, what changed, why it ended as it did.
    pub fn explain(&self) -> String {
        let mut text = self.to_text_before_proof();
        if let Some(gate) = &self.gate {
            write!(text, "\n{}\n", gate.to_text()).expect("writing to a string cannot fail");
        }
        self.write_release(&mut text);
        self.write_cluster(&mut text);
        self.write_proof(&mut text);
        text
    }

    /// What was planned for a cluster, and what its provider told on the way.
    fn write_cluster(&self, text: &mut String) {
        let Some(plan) = &self.plan else { return };
        write!(text, "\nPlan\n  {}\n{}", plan.in_words(), plan.to_text())
            .expect("writing to a string cannot fail");
        for stage in self.stages.iter().filter(|stage| !stage.progress.is_empty()) {
            write!(text, "\nWhat `{}` told of {}\n", plan.provider, stage.stage).expect("cannot fail");
            for line in &stage.progress {
                writeln!(text, "  {line}").expect("writing to a string cannot fail");
            }
        }
    }

    fn write_release(&self, text: &mut String) {
        let Some(release) = &self.release else { return };
        let kept: Vec<_> = release.carried_over.iter().map(ToString::to_string).collect();
        let kept =
            if kept.is_empty() { String::new() } else { format!("; as they are live: {}", kept.join(", ")) };
        let back = self.way_back.as_ref().map_or_else(|| "not chosen yet".to_owned(), Intent::in_words);
        write!(
            text,
            "\nRelease\n  content   {}, {} objects{kept}\n  way back  {back}\n",
            release.digest.short(),
            release.objects
        )
        .expect("writing to a string cannot fail");
    }

    /// What a person reads once a run has come to its end or waits: a gate that holds it is told there already, one that it passed is no news.
    pub fn conclusion(&self) -> String {
        let mut text = self.to_text_before_proof();
        if self.outcome() != Some(Outcome::Verified) {
            self.write_proof(&mut text);
        }
        text
    }

    fn write_proof(&self, text: &mut String) {
        if let Some(changes) = self.changes.as_ref().filter(|changes| !changes.written.is_empty()) {
            write!(text, "\nChanges\n{}", changes.to_text()).expect("writing to a string cannot fail");
        }
        if let Some(diagnosis) = &self.diagnosis {
            write!(
                text,
                "\n{}\n",
                diagnosis.render(&format!("{} on {}", self.commit.short(), self.environment))
            )
            .expect("cannot fail");
        }
    }
}

/// What to say beside a gate that has let a run be rendered: it passes, or only an approval of the render is missing.
fn gate_note(answer: &GateAnswer) -> String {
    if answer.decision == Decision::Pass {
        answer.summary()
    } else {
        "an approval of what it renders is needed".to_owned()
    }
}

/// The line of a text that stands for it: a gate's answer sums up in its last, any other text begins with what happened.
pub fn gist(code: &str, text: &str) -> String {
    let mut lines = text.lines();
    let line = if GateCode::named(code).is_some() { lines.next_back() } else { lines.next() };
    line.unwrap_or_default().to_owned()
}

fn dash(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(" — {note}") }
}
