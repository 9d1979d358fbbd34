//! Two workers on one store, in any order that chance finds: what must hold then holds after every step.
//!
//! Each worker opens the store for itself and acts on what it last saw, so that most of what it tries comes too late. A third hand plans
//! runs, approves, cancels, wakes and lets time pass. After every step the whole store is compared with the step before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use windlass_core::name::{Digest, RunId};
use windlass_core::run::{Outcome, RunState, Stage, Step};

use crate::testing::{TTL, at, environment, event, hold, new_run};
use crate::{
    Approval, Change, Claim, Decision, Leadership, NewRun, Reason, RunFilter, RunRow, Store, StoreError,
};

#[derive(Debug, Clone)]
enum Action {
    Plan {
        environment: usize,
        lane: usize,
        repeats: bool,
    },
    Claim {
        worker: usize,
    },
    /// The boldest next thing that the worker's own view of its run allows.
    GoOn {
        worker: usize,
        fails: bool,
    },
    Hold {
        worker: usize,
    },
    Renew {
        worker: usize,
    },
    Release {
        worker: usize,
    },
    /// The worker forgets its claim, as a crash does.
    Crash {
        worker: usize,
    },
    /// The whole process ends: a new leader voids everything.
    Restart,
    Approve {
        run: u64,
    },
    Cancel {
        run: u64,
    },
    Wake {
        run: u64,
    },
    Pass {
        seconds: i64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let worker = 0..2_usize;
    let run = 1..6_u64;
    prop_oneof![
        3 => (0..2_usize, 0..2_usize, any::<bool>())
            .prop_map(|(environment, lane, repeats)| Action::Plan { environment, lane, repeats }),
        6 => worker.clone().prop_map(|worker| Action::Claim { worker }),
        14 => (worker.clone(), prop::bool::weighted(0.1)).prop_map(|(worker, fails)| Action::GoOn { worker, fails }),
        1 => worker.clone().prop_map(|worker| Action::Hold { worker }),
        1 => worker.clone().prop_map(|worker| Action::Renew { worker }),
        1 => worker.clone().prop_map(|worker| Action::Release { worker }),
        2 => worker.prop_map(|worker| Action::Crash { worker }),
        1 => Just(Action::Restart),
        1 => run.clone().prop_map(|run| Action::Approve { run }),
        1 => run.clone().prop_map(|run| Action::Cancel { run }),
        1 => run.prop_map(|run| Action::Wake { run }),
        3 => (1..40_i64).prop_map(|seconds| Action::Pass { seconds }),
    ]
}

struct World {
    _dir: TempDir,
    stores: [Store; 2],
    leadership: Option<Leadership>,
    claims: [Option<Claim>; 2],
    /// Who claimed each run last, as the test itself remembers it.
    last_claims: BTreeMap<RunId, (usize, u64)>,
    second: i64,
    /// The event that is planned next; runs and events that were acknowledged.
    events: u64,
    before: BTreeMap<RunId, RunRow>,
    lease_epochs: BTreeMap<String, u64>,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stores = [Store::open(dir.path()).await.unwrap(), Store::open(dir.path()).await.unwrap()];
        let leadership = stores[0].try_lead(at(0)).await.unwrap();
        Self {
            _dir: dir,
            stores,
            leadership,
            claims: [None, None],
            last_claims: BTreeMap::new(),
            second: 0,
            events: 0,
            before: BTreeMap::new(),
            lease_epochs: BTreeMap::new(),
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), StoreError> {
        let now = at(self.second);
        match action {
            Action::Plan { environment, lane, repeats } => self.plan(environment, lane, repeats).await?,
            Action::Claim { worker } => {
                let leadership = self.leadership.as_ref().unwrap();
                if let Some(claim) = self.stores[worker].claim(leadership, now, TTL).await? {
                    self.last_claims.insert(claim.run.id, (worker, claim.epoch));
                    self.claims[worker] = Some(claim);
                }
            }
            Action::GoOn { worker, fails } => {
                self.go_on(worker, fails).await?;
                self.wrote(worker);
            }
            Action::Hold { worker } => {
                if let Some(claim) = &mut self.claims[worker] {
                    let hold = hold(Some(self.second + 20), Some(self.second + 200));
                    self.stores[worker].hold(claim, hold, now).await?;
                    self.wrote(worker);
                }
            }
            Action::Renew { worker } => {
                if let Some(claim) = &mut self.claims[worker] {
                    self.stores[worker].renew(claim, now, TTL).await?;
                    self.wrote(worker);
                }
            }
            Action::Release { worker } => {
                if let Some(claim) = self.claims[worker].take() {
                    self.stores[worker].release(claim).await?;
                }
            }
            Action::Crash { worker } => self.claims[worker] = None,
            Action::Restart => {
                self.leadership = None;
                // The claims stay in the workers' hands: zombies of the process that ended.
                self.last_claims.clear();
                self.leadership = self.stores[1].try_lead(now).await?;
            }
            Action::Approve { run } => {
                let approval = Approval {
                    approver: format!("approver at {}", self.second),
                    decision: Decision::Approved,
                    digest: Digest::of(b"objects"),
                    reason: None,
                    at: now,
                };
                self.stores[0].approve(RunId(run), &approval).await?;
            }
            Action::Cancel { run } => drop(self.stores[0].cancel(RunId(run), "ada", now).await?),
            Action::Wake { run } => drop(self.stores[0].wake(RunId(run), now).await?),
            Action::Pass { seconds } => {
                self.second += seconds;
                self.stores[0].wake_due(at(self.second)).await?;
            }
        }
        Ok(())
    }

    /// A write that went through must have come from whoever claimed the run last.
    fn wrote(&self, worker: usize) {
        if let Some(claim) = &self.claims[worker] {
            let last = self.last_claims.get(&claim.run.id);
            assert_eq!(last, Some(&(worker, claim.epoch)), "a void claim wrote {:?}", claim.run);
        }
    }

    async fn plan(&mut self, name: usize, lane: usize, repeats: bool) -> Result<(), StoreError> {
        if !repeats || self.events == 0 {
            self.events += 1;
        }
        let store = &self.stores[0];
        let taken = store.take_over(&[event(&self.events.to_string())], at(self.second)).await?;
        let run = NewRun { lane: format!("lane {lane}"), ..new_run(["dev", "test"][name]) };
        store.plan(taken[0].id(), &[run], at(self.second)).await?;
        Ok(())
    }

    async fn go_on(&mut self, worker: usize, fails: bool) -> Result<(), StoreError> {
        let (store, now, nothing) = (&self.stores[worker], at(self.second), json!({}));
        let Some(claim) = &mut self.claims[worker] else { return Ok(()) };
        let reason = || Reason::new("test", "as the test wants it");
        let begin = |stage| vec![Change::Begin(stage, &nothing), Change::Finish(stage, &nothing)];
        let changes = match claim.run.state {
            RunState::Ready => {
                store.acquire_lease(claim, 0, now, TTL).await?;
                return Ok(());
            }
            RunState::At(Stage::Gate) if fails => vec![Change::End(Outcome::Refused, reason())],
            RunState::At(Stage::Apply | Stage::Wait) if fails => begin(Stage::Rollback),
            RunState::Queued => begin(Stage::Gate),
            RunState::At(Stage::Gate) => begin(Stage::Render),
            RunState::At(Stage::Render) => vec![Change::Advance(Step::Prepared)],
            RunState::At(Stage::Secrets) => begin(Stage::Apply),
            RunState::At(Stage::Apply) => begin(Stage::Wait),
            RunState::At(Stage::Wait) => begin(Stage::Verify),
            RunState::At(Stage::Verify) => vec![Change::End(Outcome::Verified, reason())],
            RunState::At(Stage::Rollback) => vec![Change::End(Outcome::RolledBack, reason())],
            // Only deploy runs are made here.
            RunState::At(Stage::Plan | Stage::Ensure | Stage::Remove | Stage::Publish) => {
                unreachable!("a deploy run is in a stage of another kind")
            }
            RunState::Held | RunState::Ended(_) => vec![Change::Advance(Step::Wake)],
        };
        store.write_run(claim, &changes, now).await
    }

    /// Everything that must hold, of what is there and of how it came from what was there before.
    async fn check(&mut self) {
        let store = &self.stores[0];
        let all = store.runs(&RunFilter { limit: Some(1000), ..RunFilter::default() }).await.unwrap();
        let now: BTreeMap<_, _> = all.into_iter().map(|run| (run.id, run)).collect();
        for run in now.values() {
            check_alone(run);
            if let Some(before) = self.before.get(&run.id) {
                check_change(before, run);
            }
        }
        assert!(self.before.keys().all(|id| now.contains_key(id)), "a run vanished");
        // Every acknowledged event has its row, once.
        assert_eq!(store.events(1000).await.unwrap().len() as u64, self.events);
        for name in ["dev", "test"].map(environment) {
            let working = now.values().filter(|run| run.environment == name && is_at_work(run)).count();
            assert!(working <= 1, "{working} runs touch `{name}`");
            let row = store.environment(&name).await.unwrap();
            let known = self.lease_epochs.insert(name.to_string(), row.lease_epoch);
            assert!(known.is_none_or(|known| known <= row.lease_epoch), "the epoch of `{name}` fell");
            if let Some(holder) = row.lease_run {
                assert!(is_at_work(&now[&holder]), "`{name}` is leased to {:?}", now[&holder].state);
            }
            assert_eq!(store.audit_verify(&name).await.unwrap().broken_at, None);
        }
        self.before = now;
    }
}

fn is_at_work(run: &RunRow) -> bool {
    matches!(run.state, RunState::At(stage) if stage.is_execute())
}

fn check_alone(run: &RunRow) {
    if matches!(run.state, RunState::Held | RunState::Ended(_)) {
        assert_eq!((&run.claimed_by, run.claim_expires), (&None, None), "{run:?} is nobody's");
    }
    assert_eq!(run.hold.is_some(), run.state == RunState::Held, "{run:?}");
    assert_eq!(run.ended_at.is_some(), run.state.outcome().is_some(), "{run:?}");
    let is_superseded = run.state == RunState::Ended(Outcome::Superseded);
    assert_eq!(run.superseded_by.is_some(), is_superseded, "{run:?}");
}

fn check_change(before: &RunRow, run: &RunRow) {
    assert!(run.version >= before.version && run.epoch >= before.epoch, "{before:?} became {run:?}");
    if before.state.outcome().is_some() {
        assert_eq!(before, run, "what is over never changes");
    }
    if before.state != run.state {
        assert!(run.version > before.version, "{before:?} became {run:?} in silence");
    }
    if run.state == RunState::Ended(Outcome::Superseded) && before.state != run.state {
        assert!(before.state.is_prepare(), "{before:?} was superseded while it touched the cluster");
    }
}

/// Only refusals are allowed: a claim that came too late, a step that is not the state's, a run that is not there yet.
fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Lost(_) | StoreError::Step(_) | StoreError::UnknownRun(_))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_must_hold_holds_whoever_comes_first(actions in prop::collection::vec(action(), 1..90)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for action in actions {
                if let Err(error) = world.act(action.clone()).await {
                    assert!(is_refusal(&error), "{action:?}: {error:?}");
                }
                world.check().await;
            }
        });
    }
}
