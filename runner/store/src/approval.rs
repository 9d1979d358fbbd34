//! Approvals: what people said about a run, bound to the content they saw.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use windlass_core::name::{Digest, RunId};
use windlass_core::run::RunState;

use crate::audit::{self, NewEntry};
use crate::cells::{Cells, integer, micros, word};
use crate::edit::Edit;
use crate::error::StoreError;
use crate::kill::Operation;
use crate::pause::wake;
use crate::run::Waker;
use crate::store::Store;

/// What one person said about one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who: a verified identity, not a display name.
    pub approver: String,
    /// What they said.
    pub decision: Decision,
    /// The content they saw. It counts for no other.
    pub digest: Digest,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The run may go on.
    Approved,
    /// It may not.
    Rejected,
}

/// Whether a decision was the approver's first about this content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was, and now counts.
    First,
    /// They had decided before; that decision stands.
    Repeated,
}

const INSERT: &str = "INSERT INTO approvals (run, digest, approver, decision, reason, at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (run, digest, approver) DO NOTHING";
const OF_RUN: &str = "SELECT * FROM approvals WHERE run = ?1 ORDER BY at, approver";

impl Store {
    /// Records a decision and wakes the run if it is parked, in one transaction: no worker needs to be alive for it to count.
    ///
    /// Whether the approver may decide, and how many must, is the gate's to judge.
    pub async fn approve(&self, run: RunId, approval: &Approval) -> Result<Recorded, StoreError> {
        let mut writing = self.write().await?;
        let edit = Edit::of(&mut writing, run, approval.at).await?;
        let inserted = sqlx::query(INSERT)
            .bind(integer(run.0))
            .bind(approval.digest.as_str())
            .bind(&approval.approver)
            .bind(word(&approval.decision))
            .bind(&approval.reason)
            .bind(micros(approval.at))
            .execute(&mut *writing)
            .await?;
        if inserted.rows_affected() == 0 {
            return Ok(Recorded::Repeated);
        }
        let entry = NewEntry {
            actor: approval.approver.clone(),
            action: "decide".to_owned(),
            run: Some(run),
            detail: json!({ "decision": approval.decision, "digest": approval.digest, "reason": approval.reason }),
        };
        let environment = edit.run.environment.clone();
        audit::append(&mut writing, self.key(), &environment, &[entry], approval.at).await?;
        if edit.run.state == RunState::Held {
            wake(&mut writing, self.key(), edit, Waker::Approval, &approval.approver).await?;
        }
        self.commit(writing, &[Operation::Approve]).await?;
        Ok(Recorded::First)
    }

    /// What people said about a run, oldest first.
    pub async fn approvals(&self, run: RunId) -> Result<Vec<Approval>, StoreError> {
        let query = sqlx::query(OF_RUN).bind(integer(run.0));
        query.fetch_all(self.readers()).await?.iter().map(read_approval).collect()
    }
}

fn read_approval(row: &SqliteRow) -> Result<Approval, StoreError> {
    let cells = Cells(row);
    Ok(Approval {
        approver: cells.text("approver")?,
        decision: cells.word("decision")?,
        digest: cells.word("digest")?,
        reason: cells.maybe_text("reason")?,
        at: cells.time("at")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass_core::run::Stage;

    use super::*;
    use crate::testing::{TTL, at, hold, new_run, open_leading, planned};

    fn approval(approver: &str, decision: Decision, second: i64) -> Approval {
        Approval {
            approver: approver.to_owned(),
            decision,
            digest: Digest::of(b"objects"),
            reason: None,
            at: at(second),
        }
    }

    #[tokio::test]
    async fn an_approval_wakes_its_run_without_a_worker() {
        let (_dir, store, leadership) = open_leading().await;
        let run = planned(&store, "1", new_run("prod"), 0).await.id;
        let mut claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
        store.hold(&mut claim, hold(None, Some(1000)), at(1)).await.unwrap();
        drop(leadership);

        let given = approval("bea", Decision::Approved, 5);
        assert_eq!(store.approve(run, &given).await.unwrap(), Recorded::First);
        let woken = store.run(run).await.unwrap();
        assert_eq!((woken.state, woken.woken.unwrap().by), (RunState::Queued, Waker::Approval));
        assert_eq!(store.approvals(run).await.unwrap(), [given]);
    }

    #[tokio::test]
    async fn a_person_decides_once_about_the_same_content() {
        let (_dir, store, _leadership) = open_leading().await;
        let run = planned(&store, "1", new_run("prod"), 0).await.id;
        let first = approval("bea", Decision::Approved, 1);
        store.approve(run, &first).await.unwrap();
        let repeated = store.approve(run, &approval("bea", Decision::Rejected, 2)).await.unwrap();
        assert_eq!(repeated, Recorded::Repeated);
        let other = approval("cid", Decision::Rejected, 3);
        let anew =
            Approval { digest: Digest::of(b"other objects"), ..approval("bea", Decision::Rejected, 4) };
        for given in [&other, &anew] {
            assert_eq!(store.approve(run, given).await.unwrap(), Recorded::First);
        }
        assert_eq!(store.approvals(run).await.unwrap(), [first, other, anew]);
        let unknown = store.approve(RunId(9), &approval("bea", Decision::Approved, 1)).await;
        assert!(matches!(unknown, Err(StoreError::UnknownRun(RunId(9)))), "{unknown:?}");
    }
}
