//! The audit log: one chain of entries per environment, each sealed together with the one before it.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use windlass_core::name::{Digest, EnvironmentName, RunId};

use crate::cells::{Cells, integer, micros};
use crate::error::StoreError;
use crate::key::{Key, keyed};
use crate::store::Store;

/// What windlass does by itself, without a person, is done by this actor.
pub const RUNNER: &str = "windlass";

/// Something that was done, as the log keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its place in the chain of its environment, from one.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who: a verified person, or [`RUNNER`].
    pub actor: String,
    /// What: `begin apply`, `approve`, `freeze`, …
    pub action: String,
    /// On which run.
    pub run: Option<RunId>,
    /// More: the state before and after, a reason, a digest.
    pub detail: Value,
}

/// What checking a chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCheck {
    /// How many entries are in order.
    pub entries: u64,
    /// The place of the first entry that is missing, changed or not windlass's.
    pub broken_at: Option<u64>,
}

/// An entry before it has its place.
pub(crate) struct NewEntry {
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) run: Option<RunId>,
    pub(crate) detail: Value,
}

const HEAD: &str = "SELECT seq, hash, seal FROM audit_heads WHERE environment = ?1";
const APPEND: &str = "INSERT INTO audit (environment, seq, at, actor, action, run, detail, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const SET_HEAD: &str = "INSERT INTO audit_heads (environment, seq, hash, seal) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (environment) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, seal = excluded.seal";
const PAGE: &str = "SELECT * FROM audit WHERE environment = ?1 AND seq > ?2 ORDER BY seq LIMIT 1000";

/// Adds entries to an environment's chain. Part of the write that they tell of, so that neither is there without the other.
pub(crate) async fn append(
    connection: &mut SqliteConnection,
    key: &Key,
    environment: &EnvironmentName,
    entries: &[NewEntry],
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = key.derive("audit");
    let (mut sequence, mut hash) = head(connection, environment).await?;
    for entry in entries {
        sequence += 1;
        let detail = entry.detail.to_string();
        let sealed = Sealed {
            environment: environment.as_str(),
            sequence,
            at: micros(now),
            actor: &entry.actor,
            action: &entry.action,
            run: entry.run.map(|run| run.0),
            detail: &detail,
        };
        hash = sealed.hash(&key, &hash);
        sqlx::query(APPEND)
            .bind(sealed.environment)
            .bind(integer(sequence))
            .bind(sealed.at)
            .bind(sealed.actor)
            .bind(sealed.action)
            .bind(sealed.run.map(integer))
            .bind(sealed.detail)
            .bind(&hash)
            .execute(&mut *connection)
            .await?;
    }
    let seal = head_seal(&key, environment, sequence, &hash);
    let query =
        sqlx::query(SET_HEAD).bind(environment.as_str()).bind(integer(sequence)).bind(hash).bind(seal);
    query.execute(connection).await?;
    Ok(())
}

async fn head(
    connection: &mut SqliteConnection,
    environment: &EnvironmentName,
) -> Result<(u64, String), StoreError> {
    let row = sqlx::query(HEAD).bind(environment.as_str()).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok((0, String::new())) };
    Ok((row.try_get("seq")?, row.try_get("hash")?))
}

/// What an entry's hash covers. The hash is keyed: whoever can write the database but has not the key cannot make a chain.
struct Sealed<'entry> {
    environment: &'entry str,
    sequence: u64,
    at: i64,
    actor: &'entry str,
    action: &'entry str,
    run: Option<u64>,
    detail: &'entry str,
}

impl Sealed<'_> {
    fn hash(&self, key: &[u8; 32], previous: &str) -> String {
        let run = self.run.map(u64::to_be_bytes);
        let hash = keyed(
            key,
            &[
                previous.as_bytes(),
                self.environment.as_bytes(),
                &self.sequence.to_be_bytes(),
                &self.at.to_be_bytes(),
                self.actor.as_bytes(),
                self.action.as_bytes(),
                run.as_ref().map_or(&[], <[u8; 8]>::as_slice),
                self.detail.as_bytes(),
            ],
        );
        Digest::from_hash(&hash).to_string()
    }
}

fn head_seal(key: &[u8; 32], environment: &EnvironmentName, sequence: u64, hash: &str) -> String {
    let parts: [&[u8]; 4] =
        [b"head", environment.as_str().as_bytes(), &sequence.to_be_bytes(), hash.as_bytes()];
    Digest::from_hash(&keyed(key, &parts)).to_string()
}

impl Store {
    /// Everything that was done to an environment, oldest first.
    pub async fn audit(&self, environment: &EnvironmentName) -> Result<Vec<AuditEntry>, StoreError> {
        let mut reading = self.readers().begin().await?;
        let mut entries: Vec<AuditEntry> = Vec::new();
        loop {
            let last = entries.last().map_or(0, |entry| entry.sequence);
            let page = page(&mut reading, environment, last).await?;
            if page.is_empty() {
                return Ok(entries);
            }
            for row in &page {
                entries.push(read_entry(row)?);
            }
        }
    }

    /// Checks an environment's chain from its first entry to its sealed end.
    pub async fn audit_verify(&self, environment: &EnvironmentName) -> Result<AuditCheck, StoreError> {
        let key = self.key().derive("audit");
        // One transaction, so that an entry added meanwhile is not taken for a broken end.
        let mut reading = self.readers().begin().await?;
        let (mut entries, mut hash) = (0, String::new());
        loop {
            let page = page(&mut reading, environment, entries).await?;
            if page.is_empty() {
                break;
            }
            for row in &page {
                let expected = entries + 1;
                let Some(next) = verified_hash(row, &key, expected, &hash)? else {
                    return Ok(AuditCheck { entries, broken_at: Some(expected) });
                };
                (entries, hash) = (expected, next);
            }
        }
        let row = sqlx::query(HEAD).bind(environment.as_str()).fetch_optional(&mut *reading).await?;
        let whole = match row {
            None => entries == 0,
            Some(row) => row.try_get::<String, _>("seal")? == head_seal(&key, environment, entries, &hash),
        };
        Ok(AuditCheck { entries, broken_at: (!whole).then_some(entries + 1) })
    }
}

async fn page(
    connection: &mut SqliteConnection,
    environment: &EnvironmentName,
    after: u64,
) -> Result<Vec<SqliteRow>, StoreError> {
    Ok(sqlx::query(PAGE).bind(environment.as_str()).bind(integer(after)).fetch_all(connection).await?)
}

/// The row's hash if it is the expected entry, made after `previous`.
fn verified_hash(
    row: &SqliteRow,
    key: &[u8; 32],
    expected: u64,
    previous: &str,
) -> Result<Option<String>, StoreError> {
    let cells = Cells(row);
    let sealed = Sealed {
        environment: &cells.text("environment")?,
        sequence: cells.number("seq")?,
        at: row.try_get("at")?,
        actor: &cells.text("actor")?,
        action: &cells.text("action")?,
        run: cells.maybe_number("run")?,
        detail: &cells.text("detail")?,
    };
    let hash = sealed.hash(key, previous);
    Ok((sealed.sequence == expected && cells.text("hash")? == hash).then_some(hash))
}

fn read_entry(row: &SqliteRow) -> Result<AuditEntry, StoreError> {
    let cells = Cells(row);
    Ok(AuditEntry {
        sequence: cells.number("seq")?,
        at: cells.time("at")?,
        actor: cells.text("actor")?,
        action: cells.text("action")?,
        run: cells.maybe_number("run")?.map(RunId),
        detail: cells.json("detail")?,
    })
}

#[cfg(test)]
mod tests {
    use windlass_core::policy::gate::HoldKind;

    use super::*;
    use crate::Freeze;
    use crate::testing::{at, environment, new_run, open, planned};

    /// A store with a chain of four entries for `dev`.
    async fn chained() -> (tempfile::TempDir, Store) {
        let (dir, store) = open().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let freeze = Freeze {
            kind: HoldKind::Freeze,
            by: "ada".to_owned(),
            reason: "holidays".to_owned(),
            until: None,
        };
        store.freeze(&environment("dev"), &freeze, at(1)).await.unwrap();
        store.unfreeze(&environment("dev"), "bea", at(2)).await.unwrap();
        store.cancel(RunId(1), "bea", at(3)).await.unwrap();
        (dir, store)
    }

    async fn check_after(statement: &'static str) -> AuditCheck {
        let (_dir, store) = chained().await;
        for sql in ["DROP TRIGGER audit_is_never_changed", "DROP TRIGGER audit_is_never_deleted", statement] {
            sqlx::query(sql).execute(store.writer()).await.unwrap();
        }
        store.audit_verify(&environment("dev")).await.unwrap()
    }

    #[tokio::test]
    async fn the_log_tells_who_did_what_and_is_whole() {
        let (_dir, store) = chained().await;
        let entries = store.audit(&environment("dev")).await.unwrap();
        let told: Vec<_> =
            entries.iter().map(|entry| (entry.actor.as_str(), entry.action.as_str())).collect();
        assert_eq!(told, [("ada", "plan"), ("ada", "freeze"), ("bea", "unfreeze"), ("bea", "end cancelled")]);
        assert_eq!((entries[3].run, entries[3].at), (Some(RunId(1)), at(3)));
        assert_eq!(entries[3].detail["from"], "queued");
        let check = store.audit_verify(&environment("dev")).await.unwrap();
        assert_eq!(check, AuditCheck { entries: 4, broken_at: None });
        let empty = store.audit_verify(&environment("test")).await.unwrap();
        assert_eq!(empty, AuditCheck { entries: 0, broken_at: None });
    }

    #[tokio::test]
    async fn the_database_itself_refuses_to_change_an_entry() {
        let (_dir, store) = chained().await;
        for sql in ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"] {
            assert!(sqlx::query(sql).execute(store.writer()).await.is_err(), "{sql}");
        }
    }

    #[tokio::test]
    async fn a_changed_entry_is_found() {
        for sql in [
            "UPDATE audit SET actor = 'eve' WHERE seq = 2",
            "UPDATE audit SET at = at + 1 WHERE seq = 2",
            "UPDATE audit SET run = 7 WHERE seq = 2",
            "UPDATE audit SET detail = '{}' WHERE seq = 2",
            "UPDATE audit SET hash = 'ff' WHERE seq = 2",
            "DELETE FROM audit WHERE seq = 2",
        ] {
            assert_eq!(check_after(sql).await, AuditCheck { entries: 1, broken_at: Some(2) }, "{sql}");
        }
    }

    #[tokio::test]
    async fn entries_cut_off_at_the_end_are_missed() {
        let cut = check_after("DELETE FROM audit WHERE seq = 4").await;
        assert_eq!(cut, AuditCheck { entries: 3, broken_at: Some(4) });
        let all = check_after("DELETE FROM audit").await;
        assert_eq!(all, AuditCheck { entries: 0, broken_at: Some(1) });
        let headless = check_after("DELETE FROM audit_heads").await;
        assert_eq!(headless.broken_at, Some(5));
    }
}
