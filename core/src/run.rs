//! A run's life: stages, states, outcomes, and the one function that says which step may follow which state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of the pipeline. The words are the same in code, journal, spans, metrics, pages and on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// May this run go ahead now?
    Gate,
    /// Turn the overlay into objects.
    Render,
    /// Replace placeholders by values, in memory.
    Secrets,
    /// Make the cluster hold the objects.
    Apply,
    /// Watch until every object is ready or one cannot become so.
    Wait,
    /// Read back, and look once more after a while.
    Verify,
    /// Return to the last verified release.
    Rollback,
}

impl Stage {
    /// Every stage in the order of the pipeline; `Rollback` stands for `Verify` when something failed.
    pub const ALL: [Self; 7] =
        [Self::Gate, Self::Render, Self::Secrets, Self::Apply, Self::Wait, Self::Verify, Self::Rollback];

    /// The stage's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Render => "render",
            Self::Secrets => "secrets",
            Self::Apply => "apply",
            Self::Wait => "wait",
            Self::Verify => "verify",
            Self::Rollback => "rollback",
        }
    }

    /// Whether the stage belongs to the half that holds the environment lease and may touch the cluster.
    pub fn is_execute(self) -> bool {
        !matches!(self, Self::Gate | Self::Render)
    }
}

/// How a run ended. Terminal: nothing follows an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The release is live and was seen to be so.
    Verified,
    /// The release failed and the recorded one serves again.
    RolledBack,
    /// Something in the request or the repository forbids the run; nothing was written to the cluster.
    Refused,
    /// The run failed and was not rolled back, by policy or because there is nothing to return to.
    Failed,
    /// A newer run of the same environment and ref took its place before it touched the cluster.
    Superseded,
    /// A person stopped it before it touched the cluster.
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
    pub fn after(self, step: Step) -> Result<Self, IllegalStep> {
        use Outcome::{Cancelled, Failed, Refused, RolledBack, Stuck, Superseded, Verified};
        use Stage::{Apply, Gate, Render, Rollback, Secrets, Verify, Wait};
        let next = match step {
            Step::Hold => Self::Held,
            Step::Wake => Self::Queued,
            Step::Prepared => Self::Ready,
            Step::Begin(stage) => Self::At(stage),
            Step::End(outcome) => Self::Ended(outcome),
        };
        let legal = match (self, step) {
            // Taking a run up again re-enters the pipeline at its first stage; finished stages answer from the journal.
            (Self::Queued, Step::Begin(Gate))
            | (Self::At(Gate), Step::Begin(Render))
            | (Self::At(Render), Step::Prepared)
            | (Self::Ready, Step::Begin(Secrets))
            | (Self::At(Secrets), Step::Begin(Apply))
            | (Self::At(Apply), Step::Begin(Wait | Rollback))
            | (Self::At(Wait), Step::Begin(Verify | Rollback))
            | (Self::At(Verify), Step::Begin(Rollback) | Step::End(Verified))
            | (Self::At(Rollback), Step::End(RolledBack | Stuck))
            | (Self::At(Apply | Wait | Verify | Rollback), Step::End(Failed))
            | (Self::At(Secrets | Apply), Step::End(Refused | Failed | Cancelled))
            | (Self::At(Gate | Render | Secrets | Apply) | Self::Ready, Step::Hold)
            // A policy that changed while the run waited for the lease is judged again, and so is its render.
            | (Self::Held | Self::Ready, Step::Wake) => true,
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
display_word!(Stage, Outcome, RunState);

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

    fn walk(steps: &[Step]) -> Result<RunState, IllegalStep> {
        steps.iter().try_fold(RunState::Queued, |state, step| state.after(*step))
    }

    #[test]
    fn the_straight_way_leads_to_verified() {
        use Step::{Begin, End, Prepared};
        let mut steps = vec![Begin(Stage::Gate), Begin(Stage::Render), Prepared];
        steps.extend([Stage::Secrets, Stage::Apply, Stage::Wait, Stage::Verify].map(Begin));
        steps.push(End(Outcome::Verified));
        assert_eq!(walk(&steps), Ok(RunState::Ended(Outcome::Verified)));
    }

    #[test]
    fn no_stage_of_the_execute_half_can_be_skipped() {
        for (from, to) in
            [(Stage::Gate, Stage::Apply), (Stage::Secrets, Stage::Wait), (Stage::Apply, Stage::Verify)]
        {
            assert!(RunState::At(from).after(Step::Begin(to)).is_err(), "{from} to {to}");
        }
        assert!(RunState::At(Stage::Apply).after(Step::End(Outcome::Verified)).is_err());
    }

    #[test]
    fn nothing_follows_an_outcome() {
        for outcome in Outcome::ALL {
            for step in every_step() {
                assert!(RunState::Ended(outcome).after(step).is_err(), "{outcome} then {step}");
            }
        }
    }

    #[test]
    fn only_what_has_not_touched_the_cluster_is_superseded() {
        for state in RunState::all() {
            let allowed = state.after(Step::End(Outcome::Superseded)).is_ok();
            assert_eq!(allowed, state.is_prepare(), "{state}");
        }
    }

    #[test]
    fn a_failed_rollback_is_stuck_and_nothing_else_is() {
        for state in RunState::all() {
            let stuck = state.after(Step::End(Outcome::Stuck)).is_ok();
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
        fn verified_needs_every_stage_before_it(choices in prop::collection::vec(0usize..17, 0..60)) {
            let steps = every_step();
            let (mut state, mut begun) = (RunState::Queued, Vec::new());
            for choice in choices {
                let step = steps[choice % steps.len()];
                if let Ok(next) = state.after(step) {
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
                prop_assert_eq!(begun, Stage::ALL[..6].to_vec());
            }
        }
    }
}
