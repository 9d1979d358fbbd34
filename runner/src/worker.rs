//! The worker: takes events over, plans runs, carries them, and sleeps until something changes.
//!
//! One process of a data directory leads and carries runs; others send events, decide and watch. Everything the leader does starts from what
//! the store says, so a leader that dies is replaced by the next process that leads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;
use windlass_core::failure::{FailureClass, RUN_RETRIES};
use windlass_core::name::RunId;
use windlass_core::queue::Queue as _;
use windlass_core::run::{Outcome, RunState};
use windlass_store::{Claim, Leadership, Seen, StoreError};

use crate::engine::Engine;
use crate::metrics;
use crate::pause::Pause;
use crate::pipeline;
use crate::planner;
use crate::run::Run;
use crate::stop::{Cause, Held, Stop};
use crate::telemetry::trace;

/// How long a claim and a lease hold without being renewed: a machine that is only slow renews in time, one that died is followed soon.
pub const CLAIM_TTL: Duration = Duration::from_secs(30);

/// Runs carried side by side. More would not be faster: they wait for clusters, and each environment carries one at a time.
const WIDTH: usize = 16;

/// Events taken over in one transaction.
const INTAKE_BATCH: usize = 64;

/// The longest sleep when nothing is known to come, in case a wake-up was missed.
const IDLE: Duration = Duration::from_secs(5);

/// How old the numbers may be that are looked at and not counted.
const MEASURE: Duration = Duration::from_secs(10);

/// A process may die this often in one run before the run itself is taken for the cause.
const POISON: u32 = 3;

/// When a worker stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Only when it is told to; a store that fails is waited for.
    Stopped,
    /// When it is told to by whoever follows its runs, or the store fails, which they see.
    Followed,
    /// When no event waits and no run can go on now.
    Idle,
}

/// Works until told to stop: finishes the runs in hand first, then returns.
pub async fn work(
    engine: Arc<Engine>,
    leadership: &Leadership,
    until: Until,
    stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let (seen, carried, in_hand) = (Seen::default(), JoinSet::new(), BTreeSet::new());
    let mut hands = Hands { engine, leadership, until, stop, seen, carried, in_hand, measured: None };
    let mut pause = Pause::default();
    loop {
        match hands.turn().await {
            Ok(true) => return Ok(()),
            Ok(false) => pause.is_over(&hands.engine),
            Err(error) if hands.may_wait_for(&error) => pause.after(&hands.engine, &error).await,
            Err(error) => return Err(error),
        }
    }
}

/// What a worker has in hand.
struct Hands<'a> {
    engine: Arc<Engine>,
    leadership: &'a Leadership,
    until: Until,
    stop: watch::Receiver<bool>,
    seen: Seen,
    carried: JoinSet<RunId>,
    in_hand: BTreeSet<RunId>,
    measured: Option<Instant>,
}

impl Hands<'_> {
    /// Takes over, plans, begins what can begin, and sleeps until something changes. Whether that was all there is to do.
    async fn turn(&mut self) -> Result<bool, StoreError> {
        let engine = &self.engine;
        if self.measured.is_none_or(|measured| measured.elapsed() >= MEASURE) {
            metrics::refresh(engine).await?;
            self.measured = Some(Instant::now());
        }
        take_over(engine).await?;
        plan_pending(engine).await?;
        engine.store.wake_due(engine.now()).await?;
        self.begin().await?;
        if self.carried.is_empty() && (self.is_stopping() || self.until == Until::Idle) {
            return Ok(true);
        }
        let nap = nap(&self.engine).await?;
        tokio::select! {
            Some(ended) = self.carried.join_next() => {
                self.in_hand.remove(&ended.expect("a run's task does not panic"));
            }
            _ = self.stop.changed() => {}
            changed = self.engine.store.changed(&mut self.seen, nap) => changed?,
        }
        Ok(false)
    }

    /// Claims runs, as many as may be carried.
    async fn begin(&mut self) -> Result<(), StoreError> {
        while !self.is_stopping() && self.in_hand.len() < WIDTH {
            let engine = &self.engine;
            let Some(claim) = engine.store.claim(self.leadership, engine.now(), CLAIM_TTL).await? else {
                break;
            };
            self.in_hand.insert(claim.run.id);
            self.carried.spawn(carry(Arc::clone(engine), claim));
        }
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Whether the store may work again, and somebody wants to see it.
    fn may_wait_for(&self, error: &StoreError) -> bool {
        self.until == Until::Stopped && !self.is_stopping() && error.class() == FailureClass::Transient
    }
}

/// How long nothing has to be looked at, unless the store changes.
async fn nap(engine: &Engine) -> Result<Duration, StoreError> {
    let due = engine.store.next_due().await?;
    let until_due = due.map(|due| Duration::try_from(due.duration_since(engine.now())).unwrap_or_default());
    Ok(until_due.map_or(IDLE, |wait| wait.min(IDLE)))
}

/// Moves what waits in the queue into the inbox, and only then settles it.
async fn take_over(engine: &Engine) -> Result<(), StoreError> {
    loop {
        let deliveries = match engine.queue.receive(INTAKE_BATCH, Duration::ZERO).await {
            Ok(deliveries) if deliveries.is_empty() => return Ok(()),
            Ok(deliveries) => deliveries,
            Err(error) => {
                tracing::warn!(error = %crate::stop::chain(&error), "the queue does not answer");
                return Ok(());
            }
        };
        crate::intake::take_over(engine, deliveries).await?;
    }
}

async fn plan_pending(engine: &Arc<Engine>) -> Result<(), StoreError> {
    for event in engine.store.pending_events().await? {
        planner::plan(engine, &event).await?;
    }
    Ok(())
}

/// Carries one run as far as it goes and writes down where that is.
async fn carry(engine: Arc<Engine>, claim: Claim) -> RunId {
    let id = claim.run.id;
    let span = trace::run_span(&claim.run);
    async {
        if let Err(error) = carry_claimed(engine, claim).await {
            // Not ours any more, or the disk failed: the store decides who goes on.
            tracing::warn!(error = %crate::stop::chain(&error), "let go of {id}");
        }
    }
    .instrument(span)
    .await;
    id
}

async fn carry_claimed(engine: Arc<Engine>, claim: Claim) -> Result<(), StoreError> {
    let poisoned = claim.run.crash_count >= POISON;
    let mut run = match Run::take_up(engine, claim).await {
        Ok(run) => run,
        Err(Stop::Store(error)) => return Err(error),
        Err(stop) => unreachable!("taking a run up only reads the store, but stopped with {stop:?}"),
    };
    if poisoned {
        return end_poisoned(&mut run).await;
    }
    if run.has_expired() {
        let cause = Cause::new("held_too_long", "nobody let it go on within thirty days");
        return run.end(Outcome::Cancelled, cause).await;
    }
    let heartbeat = run.heartbeat();
    let result = tokio::select! {
        result = pipeline::carry(&mut run) => result,
        lost = heartbeat => Err(Stop::Store(lost)),
    };
    settle(run, result).await
}

/// A run that kills its process every time must not be tried for ever.
async fn end_poisoned(run: &mut Run) -> Result<(), StoreError> {
    let (at, crashes) = (run.row().state, run.row().crash_count);
    let cause = Cause::new(
        "poison",
        format!("the process died {crashes} times in `{at}` of this run, so it is not tried again"),
    );
    let touched = matches!(at, RunState::At(stage) if stage.is_execute());
    if touched {
        run.flag_attention(&cause).await?;
    }
    run.end(Outcome::Failed, cause).await
}

/// Writes down how far the run came.
async fn settle(mut run: Run, result: Result<Outcome, Stop>) -> Result<(), StoreError> {
    match result {
        Ok(_) => Ok(()),
        Err(Stop::Hold(held)) => run.hold(held).await,
        Err(Stop::Refuse(cause)) => run.end(Outcome::Refused, cause).await,
        Err(Stop::Yield(outcome, cause)) => run.end(outcome, cause).await,
        Err(Stop::Fail(failure)) => run.end(Outcome::Failed, failure.cause).await,
        Err(Stop::Later(cause)) => try_later(run, cause).await,
        Err(Stop::Busy | Stop::Interrupted) => run.give_back().await,
        Err(Stop::Store(error)) => Err(error),
    }
}

/// Parks a run whose cluster does not answer, each time for longer; in the end it fails.
async fn try_later(mut run: Run, cause: Cause) -> Result<(), StoreError> {
    let failed = run.tries();
    match RUN_RETRIES.wait_after(failed, run.engine.jitter()) {
        Some(wait) => {
            let due = run.engine.now() + jiff::SignedDuration::try_from(wait).expect("waits are minutes");
            let text = format!(
                "{}\ntried {failed} of {} times; tried again by itself",
                cause.to_text(),
                RUN_RETRIES.tries
            );
            run.hold(Held { code: cause.code.clone(), text, due: Some(due), digest: None }).await
        }
        None => run.end(Outcome::Failed, cause).await,
    }
}
