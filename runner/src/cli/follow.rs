//! Staying with runs: send an event, carry its runs if nobody else does, say how far they are, and end with the run's own exit code.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};
use tokio::time::MissedTickBehavior;
use windlass_core::event::{Event, EventType};
use windlass_core::name::RunId;
use windlass_core::run::{Outcome, RunKind, RunState, Stage};
use windlass_store::{InboxId, InboxStatus, Seen, StoreError};

use super::args::Follow;
use super::signals::Signals;
use super::talk::{FRAME, HEARTBEAT, Talk};
use crate::clusters::event_identity;
use crate::engine::{Engine, Live};
use crate::exit::Exit;
use crate::printer::{Listener, Printer};
use crate::stop::Cause;
use crate::telemetry::trace;
use crate::usual::Usual;
use crate::view::RunView;
use crate::worker::{self, Until};

/// What an event came to, once its runs have ended or wait for somebody.
#[derive(Debug)]
pub(super) enum Followed {
    /// Its runs.
    Runs(Vec<RunView>),
    /// It asked for nothing, for this reason.
    Nothing(String),
    /// Nobody waits for it here.
    Queued,
    /// The time to wait was over.
    StillGoing(Vec<RunView>),
    /// A person went away; another process carries the runs on.
    Detached(Vec<RunView>),
    /// A person stopped this process, which carried the runs.
    Interrupted {
        /// Where they stand.
        runs: Vec<RunView>,
        /// Whether a stage was cut off.
        at_once: bool,
    },
}

/// Sends an event and stays until its runs have settled.
pub(super) async fn send(
    engine: &Arc<Engine>,
    printer: Printer,
    event: &Event,
    follow: &Follow,
) -> Result<Followed, Cause> {
    trace::send(&engine.queue, event).await?;
    if follow.detach {
        return Ok(Followed::Queued);
    }
    let identity = event.identity.clone();
    let followed = stay(engine, printer, follow.timeout, move |engine| {
        let identity = identity.clone();
        async move {
            let Some(inbox) = engine.store.event_of(&identity.source, &identity.id).await? else {
                return Ok(None);
            };
            match inbox.status {
                InboxStatus::New => Ok(None),
                InboxStatus::Planned => with_followers(&engine, inbox.inbox).await,
                InboxStatus::Ignored | InboxStatus::Dead => {
                    Ok(Some(Followed::Nothing(inbox.reason.unwrap_or_default())))
                }
            }
        }
    })
    .await?;
    annotate(engine, printer, &followed).await?;
    Ok(followed)
}

/// The runs of an event, and of what these asked for: a cluster that is ready is deployed to. None while such a run is only on its way.
async fn with_followers(engine: &Engine, inbox: InboxId) -> Result<Option<Followed>, Cause> {
    let mut all = views(engine, &engine.store.runs_of(inbox).await?).await?;
    let made: Vec<_> = all
        .iter()
        .filter(|view| view.kind == RunKind::Cluster && view.outcome() == Some(Outcome::Verified))
        .map(|view| view.id)
        .collect();
    for run in made {
        let ready = event_identity(run, EventType::ClusterReady);
        let Some(event) = engine.store.event_of(&ready.source, &ready.id).await? else { continue };
        if event.status == InboxStatus::New {
            return Ok(None);
        }
        all.extend(views(engine, &engine.store.runs_of(event.inbox).await?).await?);
    }
    Ok(Some(Followed::Runs(all)))
}

/// Where GitHub Actions listens: marks what failed in its files, and writes the summary of the step.
async fn annotate(engine: &Engine, printer: Printer, followed: &Followed) -> Result<(), Cause> {
    match followed {
        Followed::Runs(views) | Followed::StillGoing(views) if printer.listener() == Listener::Actions => {
            super::actions::report(engine, printer, views).await
        }
        _ => Ok(()),
    }
}

/// Stays with one run.
pub(super) async fn watch_run(
    engine: &Arc<Engine>,
    printer: Printer,
    run: RunId,
    timeout: Option<Duration>,
) -> Result<Followed, Cause> {
    let followed = stay(engine, printer, timeout, move |engine| async move {
        Ok(Some(Followed::Runs(views(&engine, &[run]).await?)))
    })
    .await?;
    annotate(engine, printer, &followed).await?;
    Ok(followed)
}

async fn views(engine: &Engine, runs: &[RunId]) -> Result<Vec<RunView>, Cause> {
    let mut views = Vec::new();
    for run in runs {
        views.push(RunView::load(&engine.store, *run).await?);
    }
    Ok(views)
}

/// Carries runs in this process if no other does, and looks until everything asked about has settled, or a person stops it.
async fn stay<Look, Looking>(
    engine: &Arc<Engine>,
    printer: Printer,
    timeout: Option<Duration>,
    look: Look,
) -> Result<Followed, Cause>
where
    Look: Fn(Arc<Engine>) -> Looking,
    Looking: Future<Output = Result<Option<Followed>, Cause>>,
{
    let (mut signals, (stop, stopped)) = (Signals::new()?, watch::channel(false));
    let leadership = engine.store.try_lead(engine.now()).await?;
    let work = async {
        match &leadership {
            Some(leadership) => worker::work(Arc::clone(engine), leadership, Until::Followed, stopped).await,
            None => std::future::pending().await,
        }
    };
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    tokio::pin!(work);
    let followed = tokio::select! {
        followed = observe(engine, printer, deadline, &look) => Some(followed?),
        worked = &mut work => return Err(worked.map_or_else(Cause::from, |()| Cause::new("interrupted", "the worker stopped"))),
        () = signals.next() => None,
    };
    if leadership.is_none() {
        return match followed {
            Some(followed) => Ok(followed),
            None => Ok(Followed::Detached(runs(look(Arc::clone(engine)).await?))),
        };
    }
    stop.send_replace(true);
    let stopped_at_once = finish(engine, printer, followed.is_none(), &mut signals, work).await?;
    match followed {
        Some(followed) if !engine.is_halted() => Ok(followed),
        _ => Ok(stopped_by_person(look(Arc::clone(engine)).await?, stopped_at_once)),
    }
}

/// Waits for the run in hand: to its end, or once a person wants to go to the end of its stage, or not at all. Answers whether not at all.
async fn finish(
    engine: &Engine,
    printer: Printer,
    is_wanted: bool,
    signals: &mut Signals,
    mut work: Pin<&mut impl Future<Output = Result<(), StoreError>>>,
) -> Result<bool, Cause> {
    let mut wants_to_go = is_wanted;
    loop {
        if wants_to_go && !engine.is_halted() {
            engine.halt();
            printer.say("  ◐ finishing the current step; Ctrl-C again stops at once");
        }
        tokio::select! {
            worked = &mut work => return worked.map(|()| false).map_err(Cause::from),
            () = signals.next() => {
                if wants_to_go {
                    return Ok(true);
                }
                wants_to_go = true;
            }
        }
    }
}

/// What came of it when a person stopped this process: the step in hand may well have been the last.
fn stopped_by_person(looked: Option<Followed>, at_once: bool) -> Followed {
    match looked {
        Some(Followed::Runs(views)) if views.iter().all(|view| is_settled(view.state)) => {
            Followed::Runs(views)
        }
        Some(Followed::Nothing(reason)) => Followed::Nothing(reason),
        looked => Followed::Interrupted { runs: runs(looked), at_once },
    }
}

fn runs(looked: Option<Followed>) -> Vec<RunView> {
    match looked {
        Some(Followed::Runs(views) | Followed::StillGoing(views)) => views,
        _ => Vec::new(),
    }
}

async fn observe<Look, Looking>(
    engine: &Arc<Engine>,
    printer: Printer,
    deadline: Option<Instant>,
    look: &Look,
) -> Result<Followed, Cause>
where
    Look: Fn(Arc<Engine>) -> Looking,
    Looking: Future<Output = Result<Option<Followed>, Cause>>,
{
    let mut talk = Talk::new(printer);
    let (mut seen, mut live) = (Seen::default(), engine.watch_live());
    loop {
        match look(Arc::clone(engine)).await? {
            Some(Followed::Runs(views)) => {
                if tell(engine, &mut talk, &views).await? > 0 {
                    // What was waited for before these stages ended is no news any more.
                    live = engine.watch_live();
                }
                if views.iter().all(|view| is_settled(view.state)) {
                    return Ok(Followed::Runs(views));
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(Followed::StillGoing(views));
                }
            }
            Some(other) => return Ok(other),
            None => {}
        }
        let nap = deadline
            .map_or(HEARTBEAT, |deadline| deadline.saturating_duration_since(Instant::now()).min(HEARTBEAT));
        pause(engine, &mut talk, &mut live, engine.store.changed(&mut seen, nap)).await?;
        talk.heartbeat();
    }
}

/// Says what is new about runs, and answers how many stages have ended.
async fn tell(engine: &Engine, talk: &mut Talk, views: &[RunView]) -> Result<usize, Cause> {
    let mut news = 0;
    for view in views {
        if talk.wants_usual(&view.environment) {
            talk.learn(view.environment.clone(), Usual::load(engine, &view.environment).await?);
        }
        news += talk.tell(view);
    }
    Ok(news)
}

/// Waits until something has changed, and says meanwhile what is waited for.
async fn pause(
    engine: &Engine,
    talk: &mut Talk,
    live: &mut broadcast::Receiver<Live>,
    changed: impl Future<Output = Result<(), StoreError>>,
) -> Result<(), Cause> {
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tokio::pin!(changed);
    loop {
        tokio::select! {
            changed = &mut changed => return Ok(changed?),
            news = live.recv() => match news {
                Ok(news) => talk.waiting(&news),
                Err(_) => *live = engine.watch_live(),
            },
            _ = frames.tick(), if talk.draws() => talk.draw(),
        }
    }
}

/// Nothing more happens to the run unless somebody does something or a time comes.
fn is_settled(state: RunState) -> bool {
    matches!(state, RunState::Ended(_) | RunState::Held)
}

/// What a run's exit means for the command that waited for it.
pub(super) fn exit_of(view: &RunView) -> Exit {
    match view.state {
        RunState::Ended(outcome) => {
            let refusal =
                view.reason.as_ref().map_or(Exit::Error, |reason| crate::stop::exit_of(&reason.code));
            Exit::of(outcome, refusal)
        }
        RunState::Held => view.held.as_ref().map_or(Exit::Held, |held| crate::stop::exit_of(&held.code)),
        _ => Exit::Pending,
    }
}

/// Prints what became of the runs and answers with the exit code of the worst.
///
/// `nothing` is the exit where there was nothing to do: an event may well ask for nothing, a person who asks for a deploy does not.
pub(super) fn conclude(printer: Printer, followed: &Followed, nothing: Exit) -> Result<Exit, Cause> {
    match followed {
        Followed::Queued => {
            printer.say("queued: a worker carries it (`windlass serve`)");
            Ok(Exit::Ok)
        }
        Followed::Nothing(reason) => {
            printer.answer(&serde_json::json!({"runs": [], "reason": reason}), || reason.clone())?;
            if nothing != Exit::Ok {
                printer.say(
                    "\nhint: see which runs there were, and which of them verified: `windlass runs list`",
                );
            }
            Ok(nothing)
        }
        Followed::Runs(views) | Followed::StillGoing(views) => {
            printer.answer(&serde_json::json!({"runs": views}), || {
                views.iter().map(RunView::conclusion).collect::<Vec<_>>().join("\n")
            })?;
            let worst = views.iter().map(exit_of).max_by_key(|exit| exit.severity()).unwrap_or(Exit::Ok);
            Ok(if matches!(followed, Followed::StillGoing(_)) { Exit::Pending } else { worst })
        }
        Followed::Detached(views) => conclude_stopped(printer, views, leaving),
        Followed::Interrupted { runs, at_once } => {
            conclude_stopped(printer, runs, |view| stopping(view, *at_once))
        }
    }
}

/// Prints where the runs stand that a person stopped following, and what each leaves to do.
fn conclude_stopped(
    printer: Printer,
    views: &[RunView],
    says: impl Fn(&RunView) -> String,
) -> Result<Exit, Cause> {
    printer.answer(&serde_json::json!({"runs": views, "interrupted": true}), || {
        views.iter().map(RunView::to_text).collect::<Vec<_>>().join("\n")
    })?;
    if views.is_empty() {
        printer.say("stopped before a run was made; the event waits for the next windlass that works here");
    }
    for view in views.iter().filter(|view| !is_settled(view.state)) {
        printer.say(&says(view));
    }
    Ok(Exit::Interrupted)
}

/// A run that another process carries.
fn leaving(view: &RunView) -> String {
    let id = view.id;
    format!(
        "{id} goes on in another process: follow it with `windlass runs watch {id}`, or cancel it, while nothing is written, with `windlass runs cancel {id}`"
    )
}

/// A run that this process carried and leaves.
fn stopping(view: &RunView, at_once: bool) -> String {
    let id = view.id;
    let stands = match (&view.changes, view.state) {
        (_, RunState::At(Stage::Rollback)) => "the way back is not complete".to_owned(),
        (_, RunState::At(Stage::Ensure | Stage::Verify | Stage::Publish)) => {
            "the cluster is not ready, and what was made stays".to_owned()
        }
        (_, RunState::At(Stage::Remove)) => "the cluster may be removed in part".to_owned(),
        (Some(changes), _) => format!("applied ({}), and not yet verified", changes.in_words()),
        (None, RunState::At(Stage::Apply)) if at_once => "some of its objects may be written".to_owned(),
        (None, _) => "nothing is applied".to_owned(),
    };
    let may_cancel = match view.kind {
        RunKind::Deploy => view.changes.is_none() && !at_once,
        RunKind::Cluster | RunKind::Removal => true,
    };
    let cancel =
        if may_cancel { format!(", or end it with `windlass runs cancel {id}`") } else { String::new() };
    format!(
        "{id} is stopped: {stands}. The next windlass that works here goes on with it: `windlass runs watch {id}`{cancel}"
    )
}
