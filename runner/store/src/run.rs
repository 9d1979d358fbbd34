//! Runs: what is known of each, and reading them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId, ServiceName};
use windlass_core::run::{RunKind, RunState, Trigger};

use crate::cells::{Cells, integer, micros};
use crate::error::StoreError;
use crate::inbox::InboxId;
use crate::store::Store;

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its identity.
    pub id: RunId,
    /// The event that asked for it.
    pub event: InboxId,
    /// What it is for.
    pub kind: RunKind,
    /// Where it deploys to.
    pub environment: EnvironmentName,
    /// Zero, or which repetition of the event's run it is.
    pub replay: u32,
    /// Why it exists.
    pub trigger: Trigger,
    /// What it deploys.
    pub commit: Commit,
    /// The ref within the environment: newer automatic runs of a lane take the place of older ones of their kind.
    pub lane: String,
    /// Who asked, as verified.
    pub requester: String,
    /// The services it is limited to; empty for all.
    pub services: Vec<ServiceName>,
    /// The run whose release it returns to.
    pub rollback_to: Option<RunId>,
    /// Leave to pass a closed window.
    pub window_override: Option<WindowOverride>,
    /// What people read, such as the first line of the commit's message.
    pub subject: String,
    /// W3C trace context of the event.
    pub traceparent: Option<String>,
    /// When it was planned.
    pub created_at: Timestamp,

    /// Where it stands.
    pub state: RunState,
    /// Rises with every write of its state.
    pub version: u64,
    /// How often it was woken. Journal records of an earlier round were made before a pause.
    pub round: u32,
    /// Why it ended, or what a worker said last.
    pub reason: Option<Reason>,
    /// The newer run that took its place.
    pub superseded_by: Option<RunId>,
    /// When its state was written last.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,

    /// Rises with every claim.
    pub epoch: u64,
    /// The boot that has it, or that died with it.
    pub claimed_by: Option<String>,
    /// Until when the claim stands; none if nobody has the run.
    pub claim_expires: Option<Timestamp>,
    /// How many workers died in its present stage without a result.
    pub crash_count: u32,
    /// Who asked to stop it while a worker had it.
    pub cancelled_by: Option<String>,

    /// Why it is parked; only while it is held.
    pub hold: Option<Hold>,
    /// Since when it is parked.
    pub held_at: Option<Timestamp>,
    /// What it was parked for last and what ended that; only while it is not held.
    pub woken: Option<Woken>,
}

/// Leave to pass a closed deployment window, given by a person for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowOverride {
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs: `superseded`, `render_failed`, …
    pub code: String,
    /// For people.
    pub text: String,
}

impl Reason {
    /// A reason from its two parts.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }
}

/// Why a run is parked and what ends that. A hold without `due` must have a waker outside: an approval, a person, an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The deciding rule, for programs.
    pub code: String,
    /// The same for people.
    pub text: String,
    /// When to look again by itself.
    pub due: Option<Timestamp>,
    /// When waiting ends in vain.
    pub expires: Option<Timestamp>,
    /// What an approval must be for.
    pub digest: Option<Digest>,
}

/// A pause that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// What ended it.
    pub by: Waker,
    /// What the run was parked for.
    pub hold: Hold,
    /// Since when it was parked.
    pub held_at: Timestamp,
}

/// What ended a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waker {
    /// Its time came.
    Due,
    /// Its time ran out.
    Expired,
    /// Somebody approved or rejected.
    Approval,
    /// A person, or something that the run waited for, asked to look again.
    Request,
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this environment.
    pub environment: Option<EnvironmentName>,
    /// Only in this state.
    pub state: Option<RunState>,
    /// Only older than this run: the next page.
    pub before: Option<RunId>,
    /// At most so many; fifty if none is given.
    pub limit: Option<u32>,
}

const ONE: &str = "SELECT * FROM runs WHERE id = ?1";
const ACTIVE: &str = "SELECT * FROM runs WHERE ended_at IS NULL ORDER BY id";
const NEWEST: &str =
    "SELECT * FROM runs WHERE id < ?1 AND (?2 IS NULL OR state = ?2) ORDER BY id DESC LIMIT ?3";
const NEWEST_OF: &str = "SELECT * FROM runs WHERE environment = ?4 AND id < ?1 AND (?2 IS NULL OR state = ?2)
    ORDER BY id DESC LIMIT ?3";
/// In the order of the index `runs_changed`.
pub(crate) const CHANGED: &str =
    "SELECT * FROM runs WHERE (updated_at, id) > (?1, ?2) ORDER BY updated_at, id LIMIT ?3";
const OF_EVENT: &str = "SELECT id FROM runs WHERE event = ?1 ORDER BY id";
const PAGE: u32 = 50;

impl Store {
    /// One run.
    pub async fn run(&self, id: RunId) -> Result<RunRow, StoreError> {
        let row = sqlx::query(ONE).bind(integer(id.0)).fetch_optional(self.readers()).await?;
        read_run(&row.ok_or(StoreError::UnknownRun(id))?)
    }

    /// The runs that an event has become, oldest first.
    pub async fn runs_of(&self, event: InboxId) -> Result<Vec<RunId>, StoreError> {
        let ids: Vec<u64> =
            sqlx::query_scalar(OF_EVENT).bind(integer(event.0)).fetch_all(self.readers()).await?;
        Ok(ids.into_iter().map(RunId).collect())
    }

    /// Runs from the newest to the oldest.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let query = sqlx::query(if filter.environment.is_some() { NEWEST_OF } else { NEWEST })
            .bind(filter.before.map_or(i64::MAX, |run| integer(run.0)))
            .bind(filter.state.map(RunState::as_str))
            .bind(filter.limit.unwrap_or(PAGE))
            .bind(filter.environment.as_ref().map(EnvironmentName::as_str));
        query.fetch_all(self.readers()).await?.iter().map(read_run).collect()
    }

    /// Runs whose state was written after `time`, or then for a run above `run`; in that order, at most `limit`. The last of them is what to
    /// ask after next. A run that was written twice since then is there once, as it stands.
    pub async fn runs_changed(
        &self,
        (time, run): (Timestamp, RunId),
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        let query = sqlx::query(CHANGED).bind(micros(time)).bind(integer(run.0)).bind(limit);
        query.fetch_all(self.readers()).await?.iter().map(read_run).collect()
    }

    /// Every run that has not ended, held ones included, oldest first.
    pub async fn active_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        sqlx::query(ACTIVE).fetch_all(self.readers()).await?.iter().map(read_run).collect()
    }
}

/// Reads a run inside of a write.
pub(crate) async fn find(connection: &mut SqliteConnection, id: RunId) -> Result<RunRow, StoreError> {
    let row = sqlx::query(ONE).bind(integer(id.0)).fetch_optional(connection).await?;
    read_run(&row.ok_or(StoreError::UnknownRun(id))?)
}

pub(crate) fn read_run(row: &SqliteRow) -> Result<RunRow, StoreError> {
    let cells = Cells(row);
    let state = cells.parsed("state")?;
    Ok(RunRow {
        id: RunId(cells.number("id")?),
        event: InboxId(cells.number("event")?),
        kind: cells.word("kind")?,
        environment: cells.parsed("environment")?,
        replay: cells.small("replay")?,
        trigger: cells.word("trigger")?,
        commit: Commit::new(cells.text("commit_id")?),
        lane: cells.text("lane")?,
        requester: cells.text("requester")?,
        services: cells.json("services")?,
        rollback_to: cells.maybe_number("rollback_to")?.map(RunId),
        window_override: read_override(cells)?,
        subject: cells.text("subject")?,
        traceparent: cells.maybe_text("traceparent")?,
        created_at: cells.time("created_at")?,
        state,
        version: cells.number("version")?,
        round: cells.small("round")?,
        reason: read_reason(cells)?,
        superseded_by: cells.maybe_number("superseded_by")?.map(RunId),
        updated_at: cells.time("updated_at")?,
        ended_at: cells.maybe_time("ended_at")?,
        epoch: cells.number("epoch")?,
        claimed_by: cells.maybe_text("claimed_by")?,
        claim_expires: if row.try_get::<i64, _>("claim_expires")? == 0 {
            None
        } else {
            Some(cells.time("claim_expires")?)
        },
        crash_count: cells.small("crash_count")?,
        cancelled_by: cells.maybe_text("cancelled_by")?,
        hold: if state == RunState::Held { read_hold(cells)? } else { None },
        held_at: if state == RunState::Held { cells.maybe_time("held_at")? } else { None },
        woken: if state == RunState::Held { None } else { read_woken(cells)? },
    })
}

fn read_override(cells: Cells<'_>) -> Result<Option<WindowOverride>, StoreError> {
    let Some(by) = cells.maybe_text("override_by")? else { return Ok(None) };
    Ok(Some(WindowOverride { by, reason: cells.text("override_reason")? }))
}

fn read_reason(cells: Cells<'_>) -> Result<Option<Reason>, StoreError> {
    let Some(code) = cells.maybe_text("reason_code")? else { return Ok(None) };
    Ok(Some(Reason { code, text: cells.text("reason_text")? }))
}

fn read_hold(cells: Cells<'_>) -> Result<Option<Hold>, StoreError> {
    let Some(code) = cells.maybe_text("hold_code")? else { return Ok(None) };
    Ok(Some(Hold {
        code,
        text: cells.text("hold_text")?,
        due: cells.maybe_time("hold_due")?,
        expires: cells.maybe_time("hold_expires")?,
        digest: cells.maybe_digest("hold_digest")?,
    }))
}

fn read_woken(cells: Cells<'_>) -> Result<Option<Woken>, StoreError> {
    let (Some(_), Some(hold)) = (cells.maybe_text("woken_by")?, read_hold(cells)?) else { return Ok(None) };
    Ok(Some(Woken { by: cells.word("woken_by")?, hold, held_at: cells.time("held_at")? }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{at, new_run, open, planned};

    #[tokio::test]
    async fn what_changed_is_told_once_and_as_it_stands() {
        let (_dir, store) = open().await;
        let mut runs = Vec::new();
        for (id, second) in [("1", 1), ("2", 1), ("3", 2)] {
            runs.push(planned(&store, id, new_run(&format!("env-{id}")), second).await.id);
        }
        let changed = async |after, limit| {
            let rows = store.runs_changed(after, limit).await.unwrap();
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(changed((at(0), runs[0]), 2).await, runs[..2]);
        assert_eq!(changed((at(1), runs[1]), 9).await, runs[2..]);
        store.cancel(runs[0], "ada", at(3)).await.unwrap();
        assert_eq!(changed((at(1), runs[0]), 9).await, [runs[1], runs[2], runs[0]]);
        assert!(changed((at(3), runs[0]), 9).await.is_empty());
    }
}
