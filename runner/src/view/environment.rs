//! An environment as people and programs see it: what is live and since when, what waits, what needs a person.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId};
use windlass_core::policy::gate::HoldKind;
use windlass_core::release::Release;
use windlass_core::run::RunState;
use windlass_store::RunRow;

use super::{gist, shape};
use crate::engine::Engine;
use crate::stop::Cause;

/// How an environment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Environment)]
pub struct EnvironmentView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: EnvironmentName,
    /// What was applied last; null if windlass has deployed nothing here.
    pub live: Option<LiveView>,
    /// The last release that was verified.
    pub verified: Option<ReleaseView>,
    /// Runs that have not ended, oldest first.
    pub runs: Vec<OpenRunView>,
    /// The run that is at the cluster now.
    #[schema(value_type = Option<String>)]
    pub at_work: Option<RunId>,
    /// The pause or freeze, while somebody has stopped its runs.
    pub paused: Option<PauseView>,
    /// Why a person must look before anything automatic happens here.
    pub attention: Option<String>,
    /// Commits that it takes no more, because they failed here.
    pub barred: Vec<BarView>,
}

/// The release that was applied last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Live)]
pub struct LiveView {
    /// The commit that it is of.
    #[schema(value_type = String)]
    pub commit: Commit,
    /// The objects, by content.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The run that applied it.
    #[schema(value_type = String)]
    pub run: RunId,
    /// When that run ended, or began if it has not.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Whether it was verified, by that run or by one before.
    pub verified: bool,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OpenRun)]
pub struct OpenRunView {
    /// Which.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Where it is.
    #[schema(value_type = String)]
    pub state: RunState,
    /// What it waits for, in one line; empty if it is on its way.
    pub waits_for: String,
    /// Whether only people can let it go on.
    pub needs_approval: bool,
}

/// A pause or freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseView {
    /// `pause`: automatic runs wait; `freeze`: every run but a rollback.
    #[schema(value_type = String)]
    pub kind: HoldKind,
    /// Who paused.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when; null: until it is resumed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// A commit that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Bar)]
pub struct BarView {
    /// Which.
    #[schema(value_type = String)]
    pub commit: Commit,
    /// The run that failed with it.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Why.
    pub reason: String,
}

/// A release that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Release)]
pub struct ReleaseView {
    /// The run that made it.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Its commit.
    #[schema(value_type = String)]
    pub commit: Commit,
    /// Its digest.
    #[schema(value_type = String)]
    pub digest: Digest,
}

impl EnvironmentView {
    /// Reads how one stands.
    pub async fn load(engine: &Engine, name: &EnvironmentName) -> Result<Self, Cause> {
        Self::among(engine, &engine.store.active_runs().await?, name).await
    }

    /// Reads how all stand: those of the policy, where it can be read, and those that something was heard of.
    pub async fn all(engine: &Engine) -> Result<Vec<Self>, Cause> {
        let control = engine.present_control().ok();
        let heard_of = engine.store.environments().await?.into_iter().map(|row| row.name);
        let known = control.iter().flat_map(|control| control.environments.keys().cloned());
        let names: BTreeSet<_> = known.chain(heard_of).collect();
        let active = engine.store.active_runs().await?;
        let mut views = Vec::with_capacity(names.len());
        for name in &names {
            views.push(Self::among(engine, &active, name).await?);
        }
        Ok(views)
    }

    async fn among(engine: &Engine, active: &[RunRow], name: &EnvironmentName) -> Result<Self, Cause> {
        let store = &engine.store;
        let (row, bars, releases) =
            (store.environment(name).await?, store.bars(name).await?, store.releases(name).await?);
        let live = match releases.last() {
            Some(last) => Some(LiveView::of(&releases, last, &store.run(last.run).await?)),
            None => None,
        };
        let verified = releases.into_iter().rfind(|release| release.verified);
        let bars =
            bars.into_iter().map(|bar| BarView { commit: bar.commit, run: bar.run, reason: bar.reason });
        Ok(Self {
            name: row.name,
            live,
            verified: verified.map(|release| ReleaseView {
                run: release.run,
                commit: release.commit,
                digest: release.digest,
            }),
            runs: active.iter().filter(|run| run.environment == *name).map(OpenRunView::of).collect(),
            at_work: row.lease_run,
            paused: row.frozen.filter(|freeze| freeze.is_on(engine.now())).map(|freeze| PauseView {
                kind: freeze.kind,
                by: freeze.by,
                reason: freeze.reason,
                until: freeze.until,
            }),
            attention: row.attention,
            barred: bars.collect(),
        })
    }

    /// Whether nothing waits for anybody and what is live was verified.
    pub fn is_well(&self) -> bool {
        let is_good = self.live.as_ref().is_none_or(|live| live.verified);
        is_good && self.attention.is_none() && self.paused.is_none() && self.runs.is_empty()
    }

    /// One line, and one more for each thing that waits.
    pub fn to_text(&self, width: usize) -> String {
        let sign = match (&self.attention, &self.live) {
            (Some(_), _) => "✗",
            (None, None) => "○",
            (None, Some(live)) if live.verified => "✓",
            (None, Some(_)) => "◐",
        };
        let live = self.live.as_ref().map_or_else(|| "nothing is deployed".to_owned(), LiveView::in_words);
        let mut text = format!("{sign} {:<width$}  {live}", self.name.to_string());
        let mut more = |line: String| {
            write!(text, "\n  {:<width$}  {line}", "").expect("writing to a string cannot fail");
        };
        if let Some(attention) = &self.attention {
            let first = attention.lines().next().unwrap_or_default();
            more(format!("stuck: {first}; look, then `windlass resume -e {}`", self.name));
        }
        if let Some(paused) = &self.paused {
            more(format!("{}; lift it with `windlass resume -e {}`", paused.in_words(), self.name));
        }
        for run in &self.runs {
            let waits = if run.waits_for.is_empty() { String::new() } else { format!(": {}", run.waits_for) };
            more(format!("{} {} {}{waits}", shape(run.state), run.run, run.state));
        }
        text
    }
}

impl PauseView {
    fn in_words(&self) -> String {
        let word = if self.kind == HoldKind::Freeze { "frozen" } else { "paused" };
        format!("{word} by {}: {}", self.by, self.reason)
    }
}

impl LiveView {
    fn of(releases: &[Release], last: &Release, run: &RunRow) -> Self {
        // What a run went back to is of the commit that was verified, not of the one that failed.
        let good = releases.iter().find(|known| known.verified && known.digest == last.digest);
        Self {
            commit: good.unwrap_or(last).commit.clone(),
            digest: last.digest.clone(),
            run: last.run,
            since: run.ended_at.unwrap_or(run.created_at),
            verified: good.is_some(),
        }
    }

    fn in_words(&self) -> String {
        let word = if self.verified { "live" } else { "applied, not verified" };
        format!(
            "{} {word} since {} ({})",
            self.commit.short(),
            self.since.strftime("%Y-%m-%d %H:%M UTC"),
            self.run
        )
    }
}

impl OpenRunView {
    fn of(run: &RunRow) -> Self {
        let gist = run.hold.as_ref().map(|hold| gist(&hold.code, &hold.text)).unwrap_or_default();
        let waits_for = gist.strip_prefix("held by ").map_or_else(|| gist.clone(), str::to_owned);
        let needs_approval = run.hold.as_ref().is_some_and(|hold| hold.code == "approval_missing");
        Self { run: run.id, state: run.state, waits_for, needs_approval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> EnvironmentView {
        let live = LiveView {
            commit: Commit::new("4e1a9b2000000000000000000000000000000000"),
            digest: Digest::of(b"release"),
            run: RunId(12),
            since: Timestamp::from_second(1_800_000_000).unwrap(),
            verified: true,
        };
        EnvironmentView {
            name: "dev".parse().unwrap(),
            live: Some(live),
            verified: None,
            runs: Vec::new(),
            at_work: None,
            paused: None,
            attention: None,
            barred: Vec::new(),
        }
    }

    #[test]
    fn an_environment_that_is_well_is_one_line() {
        assert_eq!(view().to_text(5), "✓ dev    4e1a9b2 live since 2027-01-15 08:00 UTC (r-12)");
        assert!(view().is_well());
    }

    #[test]
    fn what_waits_stands_below_with_what_lets_it_go() {
        let held = OpenRunView {
            run: RunId(14),
            state: RunState::Held,
            waits_for: "approval: 0 of 1 given".to_owned(),
            needs_approval: true,
        };
        let waiting = EnvironmentView {
            runs: vec![held],
            attention: Some("the rollback failed\nmore".to_owned()),
            ..view()
        };
        let expected = "\
✗ dev  4e1a9b2 live since 2027-01-15 08:00 UTC (r-12)
       stuck: the rollback failed; look, then `windlass resume -e dev`
       ⏸ r-14 held: approval: 0 of 1 given";
        assert_eq!(waiting.to_text(3), expected);
        assert!(!waiting.is_well());
    }
}
