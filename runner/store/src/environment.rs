//! What is known of an environment beside its policy: frozen, in need of attention, barred commits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use windlass_core::name::{Commit, EnvironmentName, RunId};
use windlass_core::policy::gate::HoldKind;

use crate::audit::{self, NewEntry, RUNNER};
use crate::cells::{Cells, integer, micros, word};
use crate::error::StoreError;
use crate::kill::Operation;
use crate::pause::wake_environment;
use crate::store::{Store, Writing};

/// An environment as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentRow {
    /// Its name.
    pub name: EnvironmentName,
    /// Frozen by a person. A freeze whose `until` has passed is still listed; whoever judges looks at the clock.
    pub frozen: Option<Freeze>,
    /// Why a person must look before anything automatic happens here.
    pub attention: Option<String>,
    /// When one of its runs was claimed last.
    pub served_at: Option<Timestamp>,
    /// The epoch of its last lease.
    pub lease_epoch: u64,
    /// The run that has the lease.
    pub lease_run: Option<RunId>,
}

/// An environment closed by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// To whom it is closed: to everybody, or to automatic runs only.
    pub kind: HoldKind,
    /// Who froze it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when; open-ended if none.
    pub until: Option<Timestamp>,
}

impl Freeze {
    /// Whether it still holds.
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// A commit that an environment takes no more, because it failed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Which commit.
    pub commit: Commit,
    /// The run that failed with it.
    pub run: RunId,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

const ENSURE: &str = "INSERT INTO environments (name) VALUES (?1) ON CONFLICT DO NOTHING";
const ONE: &str = "SELECT environments.*, leases.epoch, leases.run FROM environments
    LEFT JOIN leases ON leases.environment = environments.name WHERE name = ?1";
const ALL: &str = "SELECT environments.*, leases.epoch, leases.run FROM environments
    LEFT JOIN leases ON leases.environment = environments.name ORDER BY name";
const FREEZE: &str = "UPDATE environments SET freeze_by = ?2, freeze_reason = ?3, freeze_until = ?4, freeze_kind = ?5 WHERE name = ?1";
const ATTENTION: &str = "UPDATE environments SET attention = ?2 WHERE name = ?1";
const BAR: &str = "INSERT INTO bars (environment, commit_id, run, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (environment, commit_id) DO NOTHING";
const LIFT: &str = "DELETE FROM bars WHERE environment = ?1";
const BARS: &str = "SELECT * FROM bars WHERE environment = ?1 ORDER BY at, commit_id";

impl Store {
    /// An environment; one that nothing was heard of is open and at peace.
    pub async fn environment(&self, name: &EnvironmentName) -> Result<EnvironmentRow, StoreError> {
        let row = sqlx::query(ONE).bind(name.as_str()).fetch_optional(self.readers()).await?;
        row.as_ref().map_or_else(|| Ok(untouched(name)), read_environment)
    }

    /// Every environment that something was heard of.
    pub async fn environments(&self) -> Result<Vec<EnvironmentRow>, StoreError> {
        sqlx::query(ALL).fetch_all(self.readers()).await?.iter().map(read_environment).collect()
    }

    /// Closes an environment by a person's hand, in place of an earlier freeze.
    pub async fn freeze(
        &self,
        environment: &EnvironmentName,
        freeze: &Freeze,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write_environment(environment).await?;
        set_freeze(&mut writing, environment, Some(freeze)).await?;
        let detail = json!({ "reason": freeze.reason, "until": freeze.until });
        let action = if freeze.kind == HoldKind::Freeze { "freeze" } else { "pause" };
        self.finish(writing, environment, (&freeze.by, action, detail), now).await
    }

    /// Opens an environment again, and wakes its held runs to be judged anew.
    pub async fn unfreeze(
        &self,
        environment: &EnvironmentName,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write_environment(environment).await?;
        set_freeze(&mut writing, environment, None).await?;
        wake_environment(&mut writing, self.key(), environment, by, now).await?;
        self.finish(writing, environment, (by, "unfreeze", json!({})), now).await
    }

    /// Says that a person must look before anything automatic happens here.
    pub async fn flag_attention(
        &self,
        environment: &EnvironmentName,
        text: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write_environment(environment).await?;
        set_attention(&mut writing, environment, Some(text)).await?;
        self.finish(writing, environment, (RUNNER, "flag attention", json!({ "text": text })), now).await
    }

    /// Says that a person has looked, and wakes the environment's held runs to be judged anew.
    pub async fn clear_attention(
        &self,
        environment: &EnvironmentName,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write_environment(environment).await?;
        set_attention(&mut writing, environment, None).await?;
        wake_environment(&mut writing, self.key(), environment, by, now).await?;
        self.finish(writing, environment, (by, "clear attention", json!({})), now).await
    }

    /// Bars a commit that failed; the first reason stays.
    pub async fn bar(
        &self,
        environment: &EnvironmentName,
        commit: &Commit,
        run: RunId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write_environment(environment).await?;
        let barred = sqlx::query(BAR)
            .bind(environment.as_str())
            .bind(commit.as_str())
            .bind(integer(run.0))
            .bind(reason)
            .bind(micros(now))
            .execute(&mut *writing)
            .await?;
        if barred.rows_affected() == 0 {
            return Ok(());
        }
        let detail = json!({ "commit": commit, "run": run, "reason": reason });
        self.finish(writing, environment, (RUNNER, "bar", detail), now).await
    }

    /// Lifts every bar of an environment, wakes its held runs, and answers how many bars there were.
    pub async fn lift_bars(
        &self,
        environment: &EnvironmentName,
        by: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut writing = self.write_environment(environment).await?;
        let lifted =
            sqlx::query(LIFT).bind(environment.as_str()).execute(&mut *writing).await?.rows_affected();
        if lifted > 0 {
            wake_environment(&mut writing, self.key(), environment, by, now).await?;
            self.finish(writing, environment, (by, "lift bars", json!({ "lifted": lifted })), now).await?;
        }
        Ok(lifted)
    }

    /// The commits that an environment takes no more.
    pub async fn bars(&self, environment: &EnvironmentName) -> Result<Vec<Bar>, StoreError> {
        let query = sqlx::query(BARS).bind(environment.as_str());
        query.fetch_all(self.readers()).await?.iter().map(read_bar).collect()
    }

    async fn write_environment(&self, environment: &EnvironmentName) -> Result<Writing, StoreError> {
        let mut writing = self.write().await?;
        ensure(&mut writing, environment).await?;
        Ok(writing)
    }

    /// Commits a write of an environment together with its entry in the audit log.
    async fn finish(
        &self,
        mut writing: Writing,
        environment: &EnvironmentName,
        (actor, action, detail): (&str, &str, Value),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let entry = NewEntry { actor: actor.to_owned(), action: action.to_owned(), run: None, detail };
        audit::append(&mut writing, self.key(), environment, &[entry], now).await?;
        self.commit(writing, &[Operation::Environment]).await
    }
}

/// Makes sure that an environment has its row.
pub(crate) async fn ensure(
    connection: &mut SqliteConnection,
    environment: &EnvironmentName,
) -> Result<(), StoreError> {
    sqlx::query(ENSURE).bind(environment.as_str()).execute(connection).await?;
    Ok(())
}

async fn set_freeze(
    connection: &mut SqliteConnection,
    environment: &EnvironmentName,
    freeze: Option<&Freeze>,
) -> Result<(), StoreError> {
    sqlx::query(FREEZE)
        .bind(environment.as_str())
        .bind(freeze.map(|freeze| &freeze.by))
        .bind(freeze.map(|freeze| &freeze.reason))
        .bind(freeze.and_then(|freeze| freeze.until).map(micros))
        .bind(word(&freeze.map_or(HoldKind::Pause, |freeze| freeze.kind)))
        .execute(connection)
        .await?;
    Ok(())
}

async fn set_attention(
    connection: &mut SqliteConnection,
    environment: &EnvironmentName,
    text: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(ATTENTION).bind(environment.as_str()).bind(text).execute(connection).await?;
    Ok(())
}

fn untouched(name: &EnvironmentName) -> EnvironmentRow {
    EnvironmentRow {
        name: name.clone(),
        frozen: None,
        attention: None,
        served_at: None,
        lease_epoch: 0,
        lease_run: None,
    }
}

fn read_environment(row: &SqliteRow) -> Result<EnvironmentRow, StoreError> {
    let cells = Cells(row);
    let served = cells.time("served_at")?;
    Ok(EnvironmentRow {
        name: cells.parsed("name")?,
        frozen: match cells.maybe_text("freeze_by")? {
            None => None,
            Some(by) => Some(Freeze {
                kind: cells.word("freeze_kind")?,
                by,
                reason: cells.text("freeze_reason")?,
                until: cells.maybe_time("freeze_until")?,
            }),
        },
        attention: cells.maybe_text("attention")?,
        served_at: (served != Timestamp::UNIX_EPOCH).then_some(served),
        lease_epoch: cells.maybe_number("epoch")?.unwrap_or(0),
        lease_run: cells.maybe_number("run")?.map(RunId),
    })
}

fn read_bar(row: &SqliteRow) -> Result<Bar, StoreError> {
    let cells = Cells(row);
    Ok(Bar {
        commit: Commit::new(cells.text("commit_id")?),
        run: RunId(cells.number("run")?),
        reason: cells.text("reason")?,
        at: cells.time("at")?,
    })
}

#[cfg(test)]
mod tests {
    use windlass_core::run::{RunState, Stage};

    use super::*;
    use crate::testing::{TTL, at, environment, hold, new_run, open, open_leading, planned};

    #[tokio::test]
    async fn an_environment_is_open_and_at_peace_until_something_happens() {
        let (_dir, store) = open().await;
        let dev = environment("dev");
        assert_eq!(store.environment(&dev).await.unwrap(), untouched(&dev));
        assert!(store.environments().await.unwrap().is_empty());

        let freeze =
            |kind| Freeze { kind, by: "ada".to_owned(), reason: "holidays".to_owned(), until: Some(at(90)) };
        store.freeze(&dev, &freeze(HoldKind::Pause), at(0)).await.unwrap();
        assert_eq!(store.environment(&dev).await.unwrap().frozen, Some(freeze(HoldKind::Pause)));
        let freeze = freeze(HoldKind::Freeze);
        store.freeze(&dev, &freeze, at(0)).await.unwrap();
        store.flag_attention(&dev, "the disk is full", at(0)).await.unwrap();
        let row = store.environment(&dev).await.unwrap();
        assert_eq!((row.frozen, row.attention.as_deref()), (Some(freeze), Some("the disk is full")));

        store.unfreeze(&dev, "bea", at(1)).await.unwrap();
        store.clear_attention(&dev, "bea", at(1)).await.unwrap();
        assert_eq!(store.environments().await.unwrap(), [untouched(&dev)]);
    }

    #[tokio::test]
    async fn what_held_runs_back_wakes_them_when_it_goes() {
        let (_dir, store, leadership) = open_leading().await;
        let dev = environment("dev");
        let run = planned(&store, "1", new_run("dev"), 0).await.id;
        store.bar(&dev, &Commit::new("bad"), run, "crashed", at(0)).await.unwrap();
        for second in 1..4 {
            let mut claim = store.claim(&leadership, at(second), TTL).await.unwrap().unwrap();
            store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(second)).await.unwrap();
            store.hold(&mut claim, hold(None, None), at(second)).await.unwrap();
            match second {
                1 => store.unfreeze(&dev, "ada", at(second)).await.unwrap(),
                2 => store.clear_attention(&dev, "ada", at(second)).await.unwrap(),
                _ => assert_eq!(store.lift_bars(&dev, "ada", at(second)).await.unwrap(), 1),
            }
            assert_eq!(store.run(run).await.unwrap().state, RunState::Queued, "{second}");
        }
    }

    #[tokio::test]
    async fn a_commit_is_barred_with_its_first_reason_until_lifted() {
        let (_dir, store) = open().await;
        let (dev, test) = (environment("dev"), environment("test"));
        let commit = Commit::new("bad");
        store.bar(&dev, &commit, RunId(1), "crashed", at(0)).await.unwrap();
        store.bar(&dev, &commit, RunId(2), "crashed again", at(1)).await.unwrap();
        store.bar(&test, &commit, RunId(3), "crashed there", at(1)).await.unwrap();
        let bar = Bar { commit, run: RunId(1), reason: "crashed".to_owned(), at: at(0) };
        assert_eq!(store.bars(&dev).await.unwrap(), [bar]);
        assert_eq!(store.lift_bars(&dev, "ada", at(2)).await.unwrap(), 1);
        assert_eq!(store.lift_bars(&dev, "ada", at(2)).await.unwrap(), 0);
        assert!(store.bars(&dev).await.unwrap().is_empty());
        assert_eq!(store.bars(&test).await.unwrap().len(), 1);
    }
}
