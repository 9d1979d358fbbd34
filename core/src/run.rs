//! A run's life: stages, states, outcomes, and the one function that says which step may follow which state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a run is for: which stages it passes, and what its outcome says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Makes a cluster hold a release.
    Deploy,
    /// Makes an environment's cluster be as its configuration says. Where it ends well, a deploy run follows.
    Cluster,
    /// Removes an environment's cluster.
    Removal,
}

impl RunKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Deploy, Self::Cluster, Self::Removal];

    /// The kind's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Cluster => "cluster",
            Self::Removal => "removal",
        }
    }

    /// The stages of its pipeline, in order. Of a deploy run `Rollback` stands for `Verify` when something failed.
    pub fn stages(self) -> &'static [Stage] {
        use Stage::{Apply, Ensure, Gate, Plan, Publish, Remove, Render, Rollback, Secrets, Verify, Wait};
        match self {
            Self::Deploy => &[Gate, Render, Secrets, Apply, Wait, Verify, Rollback],
            Self::Cluster => &[Gate, Plan, Ensure, Verify, Publish],
            Self::Removal => &[Gate, Plan, Remove],
        }
    }

    /// The stage that the environment lease opens: the first that may touch a cluster.
    pub fn first_in_execute(self) -> Stage {
        let mut stages = self.stages().iter().copied();
        stages.find(|stage| stage.is_execute()).expect("every kind of run touches a cluster")
    }

    /// The stage that ends a run which went well.
    fn last(self) -> Stage {
        match self {
            Self::Deploy => Stage::Verify,
            Self::Cluster => Stage::Publish,
            Self::Removal => Stage::Remove,
        }
    }
}

/// A part of the pipeline. The words are the same in code, journal, spans, metrics, pages and on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// May this run go ahead now?
    Gate,
    /// Turn the overlay into objects.
    Render,
    /// Ask the provider what would become of the cluster, and what it would cost.
    Plan,
    /// Replace placeholders by values, in memory.
    Secrets,
    /// Make the cluster hold the objects.
    Apply,
    /// Watch until every object is ready or one cannot become so.
    Wait,
    /// Let the provider make the cluster be as it is wanted.
    Ensure,
    /// Let the provider remove the cluster.
    Remove,
    /// Read back, and look once more after a while; of a cluster, whether it takes work.
    Verify,
    /// Keep the way into the cluster, sealed, for every run that comes.
    Publish,
    /// Return to the last verified release.
    Rollback,
}

impl Stage {
    /// Every stage, in an order that is the one of every pipeline.
    pub const ALL: [Self; 11] = [
        Self::Gate,
        Self::Render,
        Self::Plan,
        Self::Secrets,
        Self::Apply,
        Self::Wait,
        Self::Ensure,
        Self::Remove,
        Self::Verify,
        Self::Publish,
        Self::Rollback,
    ];

    /// The stage's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Render => "render",
            Self::Plan => "plan",
            Self::Secrets => "secrets",
            Self::Apply => "apply",
            Self::Wait => "wait",
            Self::Ensure => "ensure",
            Self::Remove => "remove",
            Self::Verify => "verify",
            Self::Publish => "publish",
            Self::Rollback => "rollback",
        }
    }

    /// Whether the stage belongs to the half that holds the environment lease and may touch the cluster.
    pub fn is_execute(self) -> bool {
        !matches!(self, Self::Gate | Self::Render | Self::Plan)
    }
}

/// How a run ended. Terminal: nothing follows an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What was asked for is so and was seen to be so: the release is live, the cluster takes work, or it is gone.
    Verified,
    /// The release failed and the recorded one serves again.
    RolledBack,
    /// Something in the request or the repository forbids the run; nothing was written to the cluster.
    Refused,
    /// The run failed and was not rolled back, by policy or because there is nothing to return to. What a cluster run has made stays, and the
    /// next one goes on from there.
    Failed,
    /// A newer run of the same environment and ref took its place before it touched the cluster.
    Superseded,
    /// A person stopped it before it touched the cluster; or a cluster run, on the way, which leaves what was made.
    Cancelled,
    /// The rollback itself failed: a person must look, and the environment takes no automatic run until then.
    Stuck,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Verified,
        Self::RolledBack,
        Self::Refused,
        Self::Failed,
        Self::Superseded,
        Self::Cancelled,
        Self::Stuck,
    ];

    /// The outcome's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::RolledBack => "rolled_back",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RunState {
    /// Waits for a worker.
    Queued,
    /// Parked: a person, a window or a timer must let it go on. Costs a row, nothing else.
    Held,
    /// Prepared; waits for the environment lease.
    Ready,
    /// In a stage.
    At(Stage),
    /// Over.
    Ended(Outcome),
}

impl RunState {
    /// Every state.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Queued, Self::Held, Self::Ready]
            .into_iter()
            .chain(Stage::ALL.map(Self::At))
            .chain(Outcome::ALL.map(Self::Ended))
    }

    /// The state's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Ready => "ready",
            Self::At(stage) => stage.as_str(),
            Self::Ended(outcome) => outcome.as_str(),
        }
    }

    /// How the run ended, if it has.
    pub fn outcome(self) -> Option<Outcome> {
        if let Self::Ended(outcome) = self { Some(outcome) } else { None }
    }

    /// Whether a newer run may still take this one's place: it has not begun to touch the cluster.
    pub fn is_prepare(self) -> bool {
        match self {
            Self::Queued | Self::Held | Self::Ready => true,
            Self::At(stage) => !stage.is_execute(),
            Self::Ended(_) => false,
        }
    }

    /// The state after `step`, or the error that the step is not one of this state's.
    ///
    /// This is the whole state machine: every write of a run's state in any store passes through here.
    /// No kind of run enters a stage that is not its own, so the arms need not tell one kind from another.
    pub fn after(self, kind: RunKind, step: Step) -> Result<Self, IllegalStep> {
        use Outcome::{Cancelled, Failed, Refused, RolledBack, Stuck, Superseded, Verified};
        use Stage::{Apply, Ensure, Gate, Plan, Publish, Remove, Render, Rollback, Secrets, Verify, Wait};
        let next = match step {
            Step::Hold => Self::Held,
            Step::Wake => Self::Queued,
            Step::Prepared => Self::Ready,
            Step::Begin(stage) => Self::At(stage),
            Step::End(outcome) => Self::Ended(outcome),
        };
        let legal = match (self, step) {
            (_, Step::Begin(stage)) if !kind.stages().contains(&stage) => false,
            // Taking a run up again re-enters the pipeline at its first stage; finished stages answer from the journal.
            (Self::Queued, Step::Begin(Gate))
            | (Self::At(Gate), Step::Begin(Render | Plan))
            | (Self::At(Render | Plan), Step::Prepared)
            | (Self::Ready, Step::Begin(Secrets | Ensure | Remove))
            | (Self::At(Secrets), Step::Begin(Apply))
            | (Self::At(Apply), Step::Begin(Wait | Rollback))
            | (Self::At(Wait), Step::Begin(Verify | Rollback))
            | (Self::At(Ensure), Step::Begin(Verify))
            | (Self::At(Verify), Step::Begin(Rollback | Publish))
            | (Self::At(Rollback), Step::End(RolledBack | Stuck))
            | (Self::At(Apply | Wait | Ensure | Remove | Verify | Publish | Rollback), Step::End(Failed))
            | (Self::At(Secrets | Apply), Step::End(Refused | Failed | Cancelled))
            // What a provider has begun can be left half-made: whoever comes next goes on with it.
            | (Self::At(Ensure | Remove), Step::End(Cancelled))
            | (Self::At(Gate | Render | Plan | Secrets | Apply) | Self::Ready, Step::Hold)
            // A policy that changed while the run waited for the lease is judged again, and so is its render.
            | (Self::Held | Self::Ready, Step::Wake) => true,
            (Self::At(stage), Step::End(Verified)) => stage == kind.last(),
            (state, Step::End(Refused | Failed | Cancelled | Superseded)) => state.is_prepare(),
            _ => false,
        };
        if legal { Ok(next) } else { Err(IllegalStep { state: self, step }) }
    }
}

impl FromStr for RunState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::all().find(|state| state.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl TryFrom<String> for RunState {
    type Error = UnknownState;

    fn try_from(text: String) -> Result<Self, UnknownState> {
        text.parse()
    }
}

impl From<RunState> for String {
    fn from(state: RunState) -> String {
        state.as_str().to_owned()
    }
}

/// What moves a run from one state to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A worker enters a stage.
    Begin(Stage),
    /// Gate and render are done; only the environment lease is missing.
    Prepared,
    /// Park the run.
    Hold,
    /// What the run was held for has come, or what it was prepared for has changed.
    Wake,
    /// The run is over.
    End(Outcome),
}

/// The step does not belong to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a run that is `{}` cannot take the step `{step}`", state.as_str())]
pub struct IllegalStep {
    /// Where the run stands.
    pub state: RunState,
    /// What was asked.
    pub step: Step,
}

/// The word names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state of a run")]
pub struct UnknownState(String);

macro_rules! display_word {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )*};
}
display_word!(RunKind, Stage, Outcome, RunState);

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(stage) => write!(formatter, "begin {stage}"),
            Self::Prepared => formatter.write_str("prepared"),
            Self::Hold => formatter.write_str("hold"),
            Self::Wake => formatter.write_str("wake"),
            Self::End(outcome) => write!(formatter, "end {outcome}"),
        }
    }
}

/// Why a run exists, which decides what the gate asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A push, a timer or a cluster that became ready: `auto_deploy` must allow it.
    Automatic,
    /// A person asked for it.
    Manual,
    /// A person asked for the way back: never held by a window or a freeze.
    Rollback,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn every_step() -> Vec<Step> {
        [Step::Prepared, Step::Hold, Step::Wake]
            .into_iter()
            .chain(Stage::ALL.map(Step::Begin))
            .chain(Outcome::ALL.map(Step::End))
            .collect()
    }

    /// The stages of a kind without its way back, with what is between them.
    fn straight_way(kind: RunKind) -> Vec<Step> {
        let (prepare, execute): (Vec<Stage>, Vec<Stage>) = kind
            .stages()
            .iter()
            .filter(|stage| **stage != Stage::Rollback)
            .partition(|stage| !stage.is_execute());
        let prepare = prepare.into_iter().map(Step::Begin).chain([Step::Prepared]);
        prepare.chain(execute.into_iter().map(Step::Begin)).chain([Step::End(Outcome::Verified)]).collect()
    }

    #[test]
    fn the_straight_way_leads_to_verified_and_no_step_of_it_can_be_left_out() {
        for kind in RunKind::ALL {
            let walk = |steps: &[Step]| {
                steps.iter().try_fold(RunState::Queued, |state, step| state.after(kind, *step))
            };
            let way = straight_way(kind);
            assert_eq!(walk(&way), Ok(RunState::Ended(Outcome::Verified)), "{kind}");
            for left_out in 0..way.len() - 1 {
                let shorter = [&way[..left_out], &way[left_out + 1..]].concat();
                assert!(walk(&shorter).is_err(), "{kind} without {}", way[left_out]);
            }
        }
    }

    #[test]
    fn no_kind_of_run_enters_a_stage_of_another() {
        for kind in RunKind::ALL {
            for foreign in Stage::ALL.into_iter().filter(|stage| !kind.stages().contains(stage)) {
                for state in RunState::all() {
                    let entered = state.after(kind, Step::Begin(foreign));
                    assert!(entered.is_err(), "a {kind} run enters {foreign} from {state}");
                }
            }
        }
    }

    #[test]
    fn the_stages_of_every_kind_are_in_the_order_of_all() {
        for kind in RunKind::ALL {
            assert!(kind.stages().is_sorted(), "{kind}");
            assert!(kind.first_in_execute().is_execute(), "{kind}");
        }
    }

    #[test]
    fn a_cluster_that_was_begun_is_left_half_made_and_never_parked_or_rolled_back() {
        for stage in [Stage::Ensure, Stage::Verify, Stage::Publish] {
            let at = RunState::At(stage);
            assert!(at.after(RunKind::Cluster, Step::End(Outcome::Failed)).is_ok(), "{stage}");
            for step in [
                Step::Hold,
                Step::Begin(Stage::Rollback),
                Step::End(Outcome::Superseded),
                Step::End(Outcome::Stuck),
            ] {
                assert!(at.after(RunKind::Cluster, step).is_err(), "{stage} then {step}");
            }
        }
    }

    #[test]
    fn no_stage_of_the_execute_half_can_be_skipped() {
        for (from, to) in
            [(Stage::Gate, Stage::Apply), (Stage::Secrets, Stage::Wait), (Stage::Apply, Stage::Verify)]
        {
            let step = Step::Begin(to);
            assert!(RunState::At(from).after(RunKind::Deploy, step).is_err(), "{from} to {to}");
        }
        let early = RunState::At(Stage::Apply).after(RunKind::Deploy, Step::End(Outcome::Verified));
        assert!(early.is_err());
    }

    #[test]
    fn nothing_follows_an_outcome() {
        for (outcome, kind) in
            Outcome::ALL.into_iter().flat_map(|outcome| RunKind::ALL.map(|kind| (outcome, kind)))
        {
            for step in every_step() {
                assert!(RunState::Ended(outcome).after(kind, step).is_err(), "{outcome} then {step}");
            }
        }
    }

    #[test]
    fn only_what_has_not_touched_the_cluster_is_superseded() {
        for state in RunState::all() {
            let allowed = state.after(RunKind::Deploy, Step::End(Outcome::Superseded)).is_ok();
            assert_eq!(allowed, state.is_prepare(), "{state}");
        }
    }

    #[test]
    fn a_failed_rollback_is_stuck_and_nothing_else_is() {
        for state in RunState::all() {
            let stuck = state.after(RunKind::Deploy, Step::End(Outcome::Stuck)).is_ok();
            assert_eq!(stuck, state == RunState::At(Stage::Rollback), "{state}");
        }
    }

    #[test]
    fn states_read_what_they_print() {
        for state in RunState::all() {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("blocked".parse::<RunState>().is_err());
    }

    proptest! {
        #[test]
        fn verified_needs_every_stage_before_it(
            kind in prop::sample::select(RunKind::ALL.as_slice()),
            choices in prop::collection::vec(0usize..21, 0..60),
        ) {
            let steps = every_step();
            let (mut state, mut begun) = (RunState::Queued, Vec::new());
            for choice in choices {
                let step = steps[choice % steps.len()];
                if let Ok(next) = state.after(kind, step) {
                    state = next;
                    match step {
                        Step::Begin(stage) => begun.push(stage),
                        // A run that is woken starts again.
                        Step::Wake => begun.clear(),
                        _ => {}
                    }
                }
            }
            if state == RunState::Ended(Outcome::Verified) {
                let way: Vec<_> = straight_way(kind).into_iter().filter_map(|step| match step {
                    Step::Begin(stage) => Some(stage),
                    _ => None,
                }).collect();
                prop_assert_eq!(begun, way);
            }
        }
    }
}
