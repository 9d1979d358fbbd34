//! Planning: an event becomes runs, and newer runs take the place of older ones.

use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;
use windlass_core::name::{Commit, EnvironmentName, RunId, ServiceName};
use windlass_core::run::{Outcome, RunKind, RunState, Step, Trigger};

use crate::audit::{self, NewEntry, RUNNER};
use crate::cells::{integer, micros, word};
use crate::edit::Edit;
use crate::environment;
use crate::error::StoreError;
use crate::inbox::{InboxId, mark_planned};
use crate::kill::Operation;
use crate::run::{Reason, RunRow, WindowOverride, find, read_run};
use crate::store::Store;

/// A run to be made of an event. An event makes one run per environment; a repetition has its own `replay` number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
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
    /// The ref within the environment.
    pub lane: String,
    /// Who asked, as verified.
    pub requester: String,
    /// The services it is limited to; empty for all.
    pub services: Vec<ServiceName>,
    /// The run whose release it returns to.
    pub rollback_to: Option<RunId>,
    /// Leave to pass a closed window.
    pub window_override: Option<WindowOverride>,
    /// What people read.
    pub subject: String,
    /// W3C trace context of the event.
    pub traceparent: Option<String>,
}

const INSERT: &str = "INSERT INTO runs
    (event, environment, replay, trigger, commit_id, lane, requester, services, rollback_to,
     override_by, override_reason, subject, traceparent, created_at, updated_at, state, kind, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?15, ?16, 0)
    RETURNING id";
const OF_KEY: &str = "SELECT * FROM runs WHERE event = ?1 AND environment = ?2 AND replay = ?3";
/// The literal states and trigger are those of the index `runs_lane`.
pub(crate) const OLDER_OF_LANE: &str = "SELECT id FROM runs WHERE environment = ?1 AND kind = ?2 AND lane = ?3
    AND id < ?4 AND state IN ('queued', 'held', 'ready', 'gate', 'render', 'plan') AND trigger = 'automatic' ORDER BY id";

impl Store {
    /// Makes the runs of an event, in one transaction with marking the event as planned. Planning again answers the same runs.
    ///
    /// A new automatic run supersedes older automatic runs of its kind and lane that have not begun to touch the cluster, parked ones included.
    /// A deploy run does not make a cluster run needless, nor the other way round.
    /// What a person asked for, runs and rollbacks, is never superseded and supersedes nothing.
    pub async fn plan(
        &self,
        inbox: InboxId,
        runs: &[NewRun],
        now: Timestamp,
    ) -> Result<Vec<RunRow>, StoreError> {
        let mut writing = self.write().await?;
        mark_planned(&mut writing, inbox).await?;
        let mut planned = Vec::with_capacity(runs.len());
        for run in runs {
            environment::ensure(&mut writing, &run.environment).await?;
            planned.push(match existing(&mut writing, inbox, run).await? {
                Some(run) => run,
                None => self.insert(&mut writing, inbox, run, now).await?,
            });
        }
        self.commit(writing, &[Operation::Plan]).await?;
        Ok(planned)
    }

    /// Makes a new run and gives it its place in the audit log and in its lane.
    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        inbox: InboxId,
        wanted: &NewRun,
        now: Timestamp,
    ) -> Result<RunRow, StoreError> {
        let id = insert(connection, inbox, wanted, now).await?;
        let run = find(connection, id).await?;
        let entry = NewEntry {
            actor: run.requester.clone(),
            action: "plan".to_owned(),
            run: Some(id),
            detail: json!({ "event": run.event, "kind": run.kind, "commit": run.commit, "lane": run.lane, "trigger": run.trigger }),
        };
        audit::append(connection, self.key(), &run.environment, &[entry], now).await?;
        if run.trigger == Trigger::Automatic {
            self.supersede_older(connection, &run, now).await?;
        }
        Ok(run)
    }

    async fn supersede_older(
        &self,
        connection: &mut SqliteConnection,
        newer: &RunRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let query = sqlx::query_scalar::<_, u64>(OLDER_OF_LANE)
            .bind(newer.environment.as_str())
            .bind(newer.kind.as_str())
            .bind(&newer.lane)
            .bind(integer(newer.id.0));
        for id in query.fetch_all(&mut *connection).await? {
            let mut edit = Edit::of(connection, RunId(id), now).await?;
            if edit.run.state.after(edit.run.kind, Step::End(Outcome::Superseded)).is_err() {
                continue;
            }
            let reason = Reason::new("superseded", format!("run {} of the same ref is newer", newer.id));
            edit.run.superseded_by = Some(newer.id);
            edit.end(Outcome::Superseded, reason, RUNNER)?;
            edit.save(connection, self.key()).await?;
        }
        Ok(())
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    inbox: InboxId,
    run: &NewRun,
    now: Timestamp,
) -> Result<RunId, StoreError> {
    let services = serde_json::to_string(&run.services).expect("names are text");
    let id = sqlx::query_scalar(INSERT)
        .bind(integer(inbox.0))
        .bind(run.environment.as_str())
        .bind(run.replay)
        .bind(word(&run.trigger))
        .bind(run.commit.as_str())
        .bind(&run.lane)
        .bind(&run.requester)
        .bind(services)
        .bind(run.rollback_to.map(|run| integer(run.0)))
        .bind(run.window_override.as_ref().map(|given| &given.by))
        .bind(run.window_override.as_ref().map(|given| &given.reason))
        .bind(&run.subject)
        .bind(&run.traceparent)
        .bind(micros(now))
        .bind(RunState::Queued.as_str())
        .bind(run.kind.as_str())
        .fetch_one(connection)
        .await?;
    Ok(RunId(id))
}

/// The run that the event has for the environment already.
async fn existing(
    connection: &mut SqliteConnection,
    inbox: InboxId,
    run: &NewRun,
) -> Result<Option<RunRow>, StoreError> {
    let query = sqlx::query(OF_KEY).bind(integer(inbox.0)).bind(run.environment.as_str()).bind(run.replay);
    query.fetch_optional(connection).await?.as_ref().map(read_run).transpose()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use windlass_core::run::Stage;

    use super::*;
    use crate::inbox::InboxStatus;
    use crate::testing::{TTL, at, environment, event, hold, new_run, open_leading, planned, prepare};
    use crate::{Claim, Leadership, StoreError};

    /// Which of `ids` ended as superseded.
    async fn superseded(store: &Store) -> BTreeSet<u64> {
        let all = store.runs(&crate::RunFilter::default()).await.unwrap();
        let is_superseded = |run: &&RunRow| run.state == RunState::Ended(Outcome::Superseded);
        all.iter().filter(is_superseded).map(|run| run.id.0).collect()
    }

    async fn claimed(store: &Store, leadership: &Leadership, run: &RunRow) -> Claim {
        store.claim_run(leadership, run.id, at(1), TTL).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn planning_twice_is_planning_once() {
        let (_dir, store, _leadership) = open_leading().await;
        let inbox = store.take_over(&[event("1")], at(0)).await.unwrap()[0].id();
        let wanted = [new_run("dev"), new_run("test")];
        let first = store.plan(inbox, &wanted, at(0)).await.unwrap();
        assert_eq!(store.plan(inbox, &wanted, at(1)).await.unwrap(), first);
        assert_eq!(store.active_runs().await.unwrap(), first);
        assert!(store.pending_events().await.unwrap().is_empty());
        assert_eq!(store.event(inbox).await.unwrap().status, InboxStatus::Planned);

        let replay = NewRun { replay: 1, ..new_run("dev") };
        let third = store.plan(inbox, &[replay], at(2)).await.unwrap();
        assert_eq!((third[0].id, third[0].replay), (RunId(3), 1));
    }

    #[tokio::test]
    async fn an_event_that_is_not_there_is_not_planned() {
        let (_dir, store, _leadership) = open_leading().await;
        let refused = store.plan(InboxId(7), &[new_run("dev")], at(0)).await;
        assert!(matches!(refused, Err(StoreError::UnknownEvent(InboxId(7)))), "{refused:?}");
        assert!(store.active_runs().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_newer_run_supersedes_what_has_not_touched_the_cluster() {
        let (_dir, store, leadership) = open_leading().await;
        let mut lanes = Vec::new();
        for state in ["queued", "gate", "held", "ready", "apply"] {
            let run = NewRun { lane: state.to_owned(), ..new_run("dev") };
            let run = planned(&store, state, run, 0).await;
            lanes.push(state);
            if state == "queued" {
                continue;
            }
            let mut claim = claimed(&store, &leadership, &run).await;
            match state {
                "gate" => store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap(),
                "held" => {
                    store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
                    store.hold(&mut claim, hold(Some(50), None), at(1)).await.unwrap();
                }
                "ready" => prepare(&store, &mut claim, 1).await,
                _ => {
                    prepare(&store, &mut claim, 1).await;
                    store.acquire_lease(&mut claim, 0, at(1), TTL).await.unwrap().unwrap();
                    store.begin_stage(&mut claim, Stage::Apply, &json!({}), at(1)).await.unwrap();
                }
            }
        }
        for lane in lanes {
            let run = NewRun { lane: lane.to_owned(), ..new_run("dev") };
            planned(&store, &format!("newer {lane}"), run, 2).await;
        }
        assert_eq!(superseded(&store).await, BTreeSet::from([1, 2, 3, 4]));
        let held = store.run(RunId(3)).await.unwrap();
        assert_eq!((held.superseded_by, held.hold, held.ended_at), (Some(RunId(8)), None, Some(at(2))));
        assert_eq!(held.reason.unwrap().code, "superseded");
        assert_eq!(store.next_due().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_superseded_run_is_lost_to_the_worker_that_has_it() {
        let (_dir, store, leadership) = open_leading().await;
        let older = planned(&store, "1", new_run("dev"), 0).await;
        let mut claim = claimed(&store, &leadership, &older).await;
        planned(&store, "2", new_run("dev"), 1).await;
        let refused = store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(2)).await;
        assert!(matches!(refused, Err(StoreError::Lost(RunId(1)))), "{refused:?}");
        assert!(store.journal(older.id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn lanes_and_environments_do_not_meet() {
        let (_dir, store, _leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        planned(&store, "2", new_run("test"), 0).await;
        planned(&store, "3", NewRun { lane: "feature".to_owned(), ..new_run("dev") }, 0).await;
        assert!(superseded(&store).await.is_empty());
    }

    #[tokio::test]
    async fn what_a_person_asked_for_is_not_superseded_and_supersedes_nothing() {
        let (_dir, store, _leadership) = open_leading().await;
        for (id, trigger) in [("1", Trigger::Automatic), ("2", Trigger::Manual), ("3", Trigger::Rollback)] {
            planned(&store, id, NewRun { trigger, ..new_run("dev") }, 0).await;
        }
        assert!(superseded(&store).await.is_empty());
        planned(&store, "4", new_run("dev"), 0).await;
        assert_eq!(superseded(&store).await, BTreeSet::from([1]));
    }

    #[tokio::test]
    async fn a_run_is_read_as_it_was_planned() {
        let (_dir, store, _leadership) = open_leading().await;
        let wanted = NewRun {
            services: vec!["postgres".parse().unwrap()],
            rollback_to: Some(RunId(5)),
            window_override: Some(WindowOverride { by: "eve".to_owned(), reason: "outage".to_owned() }),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            trigger: Trigger::Rollback,
            ..new_run("prod")
        };
        let id = planned(&store, "1", wanted.clone(), 3).await.id;
        let run = store.run(id).await.unwrap();
        let read = NewRun {
            kind: run.kind,
            environment: run.environment,
            replay: run.replay,
            trigger: run.trigger,
            commit: run.commit,
            lane: run.lane,
            requester: run.requester,
            services: run.services,
            rollback_to: run.rollback_to,
            window_override: run.window_override,
            subject: run.subject,
            traceparent: run.traceparent,
        };
        assert_eq!(read, wanted);
        assert_eq!((run.state, run.created_at, run.version, run.epoch), (RunState::Queued, at(3), 0, 0));
        assert!(store.environment(&environment("prod")).await.unwrap().served_at.is_none());
    }
}
