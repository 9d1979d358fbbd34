//! How long a stage usually takes, from the runs before.

use std::collections::BTreeMap;
use std::time::Duration;

use windlass_core::name::EnvironmentName;
use windlass_core::run::{Outcome, RunState, Stage};
use windlass_store::RunFilter;

use crate::engine::Engine;
use crate::stop::Cause;
use crate::view::RunView;

/// Runs that are looked at: what took longer months ago says nothing of today.
const LAST: usize = 20;

/// With fewer runs one of them decides.
const ENOUGH: usize = 5;

/// The durations of an environment's last good runs, by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usual(BTreeMap<Stage, Vec<Duration>>);

impl Usual {
    /// Reads the last verified runs of an environment that wrote something; a run without a change is over at once and says nothing.
    pub async fn load(engine: &Engine, environment: &EnvironmentName) -> Result<Self, Cause> {
        let state = Some(RunState::Ended(Outcome::Verified));
        let limit = u32::try_from(2 * LAST).expect("a small number");
        let filter = RunFilter {
            environment: Some(environment.clone()),
            state,
            limit: Some(limit),
            ..RunFilter::default()
        };
        let mut views = Vec::new();
        for row in engine.store.runs(&filter).await? {
            views.push(RunView::load(&engine.store, row.id).await?);
        }
        Ok(Self::of(&views))
    }

    fn of(views: &[RunView]) -> Self {
        let mut usual = Self::default();
        let has_written =
            |view: &&RunView| view.changes.as_ref().is_some_and(|changes| !changes.written.is_empty());
        for view in views.iter().filter(has_written).take(LAST) {
            for stage in view.stages.iter().filter(|stage| stage.ok == Some(true)) {
                usual.add(stage.stage, stage.took);
            }
        }
        usual
    }

    fn add(&mut self, stage: Stage, took: Option<Duration>) {
        self.0.entry(stage).or_default().extend(took);
    }

    /// In words that follow the time that has passed.
    pub fn in_words(&self, stage: Stage) -> String {
        let mut times = self.0.get(&stage).cloned().unwrap_or_default();
        times.sort();
        if times.len() < ENOUGH {
            return "too few runs yet to say how long".to_owned();
        }
        let middle = times[times.len() / 2];
        format!("usually {} (last {} runs)", crate::view::in_words(middle), times.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_enough_runs_is_usual() {
        let mut usual = Usual::default();
        for seconds in [90, 30, 35, 40] {
            usual.add(Stage::Wait, Some(Duration::from_secs(seconds)));
        }
        assert_eq!(usual.in_words(Stage::Wait), "too few runs yet to say how long");
        usual.add(Stage::Wait, Some(Duration::from_secs(31)));
        assert_eq!(usual.in_words(Stage::Wait), "usually 35s (last 5 runs)");
        assert_eq!(usual.in_words(Stage::Verify), "too few runs yet to say how long");
    }
}
