//! How each environment stands: what is live and since when, what is held, what needs a person.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId};
use windlass_core::policy::gate::HoldKind;
use windlass_core::run::RunState;
use windlass_store::RunRow;

use crate::engine::Engine;
use crate::stop::Cause;
use crate::view::{gist, shape};

/// An environment as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentStatus {
    /// Which.
    pub environment: EnvironmentName,
    /// What was applied last; none if windlass has deployed nothing here.
    pub live: Option<Live>,
    /// Runs that have not ended, oldest first.
    pub runs: Vec<OpenRun>,
    /// What people ordered to stand still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Why a person must look before anything automatic happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<String>,
}

/// The release that was applied last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Live {
    /// The commit that it is of.
    pub commit: Commit,
    /// The objects, by content.
    pub digest: Digest,
    /// The run that applied it.
    pub run: RunId,
    /// When that run ended, or began if it has not.
    pub since: Timestamp,
    /// Whether it was verified, by that run or by one before.
    pub verified: bool,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenRun {
    /// Which.
    pub run: RunId,
    /// Where it is.
    pub state: RunState,
    /// What it waits for, in one line; empty if it is on its way.
    pub waits_for: String,
    /// Whether only people can let it go on.
    pub needs_approval: bool,
}

/// Every environment of the policy at `HEAD`, and those that something was deployed to before.
pub async fn load(engine: &Engine) -> Result<Vec<EnvironmentStatus>, Cause> {
    let control = engine.source.resolve(None).ok().and_then(|commit| engine.control(&commit).ok());
    let mut names: Vec<EnvironmentName> =
        control.iter().flat_map(|control| control.environments.keys().cloned()).collect();
    names.extend(engine.store.environments().await?.into_iter().map(|row| row.name));
    names.sort();
    names.dedup();
    let active = engine.store.active_runs().await?;
    let mut all = Vec::new();
    for name in names {
        all.push(one(engine, &active, name).await?);
    }
    Ok(all)
}

async fn one(
    engine: &Engine,
    active: &[RunRow],
    environment: EnvironmentName,
) -> Result<EnvironmentStatus, Cause> {
    let row = engine.store.environment(&environment).await?;
    let releases = engine.store.releases(&environment).await?;
    let live = match releases.last() {
        None => None,
        Some(last) => {
            let run = engine.store.run(last.run).await?;
            // What a run went back to is of the commit that was verified, not of the one that failed.
            let good = releases.iter().find(|known| known.verified && known.digest == last.digest);
            let verified = good.is_some();
            Some(Live {
                commit: good.unwrap_or(last).commit.clone(),
                digest: last.digest.clone(),
                run: last.run,
                since: run.ended_at.unwrap_or(run.created_at),
                verified,
            })
        }
    };
    let stopped = row.frozen.filter(|freeze| freeze.is_on(engine.now())).map(|freeze| {
        let word = if freeze.kind == HoldKind::Freeze { "frozen" } else { "paused" };
        format!("{word} by {}: {}", freeze.by, freeze.reason)
    });
    let runs = active.iter().filter(|run| run.environment == environment).map(OpenRun::of).collect();
    Ok(EnvironmentStatus { environment, live, runs, stopped, attention: row.attention })
}

impl OpenRun {
    fn of(run: &RunRow) -> Self {
        let gist = run.hold.as_ref().map(|hold| gist(&hold.code, &hold.text)).unwrap_or_default();
        let waits_for = gist.strip_prefix("held by ").map_or_else(|| gist.clone(), str::to_owned);
        let needs_approval = run.hold.as_ref().is_some_and(|hold| hold.code == "approval_missing");
        Self { run: run.id, state: run.state, waits_for, needs_approval }
    }
}

impl EnvironmentStatus {
    /// Whether nothing waits for anybody and what is live was verified.
    pub fn is_well(&self) -> bool {
        let is_good = self.live.as_ref().is_none_or(|live| live.verified);
        is_good && self.attention.is_none() && self.stopped.is_none() && self.runs.is_empty()
    }

    /// One line, and one more for each thing that waits.
    pub fn to_text(&self, width: usize) -> String {
        let sign = match (&self.attention, &self.live) {
            (Some(_), _) => "✗",
            (None, None) => "○",
            (None, Some(live)) if live.verified => "✓",
            (None, Some(_)) => "◐",
        };
        let live = self.live.as_ref().map_or_else(|| "nothing is deployed".to_owned(), Live::in_words);
        let mut text = format!("{sign} {:<width$}  {live}", self.environment.to_string());
        let mut more = |line: String| {
            write!(text, "\n  {:<width$}  {line}", "").expect("writing to a string cannot fail");
        };
        if let Some(attention) = &self.attention {
            let first = attention.lines().next().unwrap_or_default();
            more(format!("stuck: {first}; look, then `windlass resume -e {}`", self.environment));
        }
        if let Some(stopped) = &self.stopped {
            more(format!("{stopped}; lift it with `windlass resume -e {}`", self.environment));
        }
        for run in &self.runs {
            let waits = if run.waits_for.is_empty() { String::new() } else { format!(": {}", run.waits_for) };
            more(format!("{} {} {}{waits}", shape(run.state), run.run, run.state));
        }
        text
    }
}

impl Live {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> EnvironmentStatus {
        let live = Live {
            commit: Commit::new("4e1a9b2000000000000000000000000000000000"),
            digest: Digest::of(b"release"),
            run: RunId(12),
            since: Timestamp::from_second(1_800_000_000).unwrap(),
            verified: true,
        };
        let (stopped, attention) = (None, None);
        EnvironmentStatus {
            environment: "dev".parse().unwrap(),
            live: Some(live),
            runs: Vec::new(),
            stopped,
            attention,
        }
    }

    #[test]
    fn an_environment_that_is_well_is_one_line() {
        assert_eq!(status().to_text(5), "✓ dev    4e1a9b2 live since 2027-01-15 08:00 UTC (r-12)");
        assert!(status().is_well());
    }

    #[test]
    fn what_waits_stands_below_with_what_lets_it_go() {
        let held = OpenRun {
            run: RunId(14),
            state: RunState::Held,
            waits_for: "approval: 0 of 1 given".to_owned(),
            needs_approval: true,
        };
        let waiting = EnvironmentStatus {
            runs: vec![held],
            attention: Some("the rollback failed\nmore".to_owned()),
            ..status()
        };
        let expected = "\
✗ dev  4e1a9b2 live since 2027-01-15 08:00 UTC (r-12)
       stuck: the rollback failed; look, then `windlass resume -e dev`
       ⏸ r-14 held: approval: 0 of 1 given";
        assert_eq!(waiting.to_text(3), expected);
        assert!(!waiting.is_well());
    }
}
