//! Staying with runs: send an event, carry its runs if nobody else does, say how far they are, and end with the run's own exit code.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use windlass_core::event::Event;
use windlass_core::name::RunId;
use windlass_core::queue::Queue as _;
use windlass_core::run::RunState;
use windlass_store::{InboxStatus, Seen};

use super::args::Follow;
use crate::engine::Engine;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::stop::Cause;
use crate::view::{RunView, in_words};
use crate::worker::{self, Until};

/// A line at least this often, so that a log shows that somebody is still there.
const HEARTBEAT: Duration = Duration::from_secs(30);

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
}

/// Sends an event and stays until its runs have settled.
pub(super) async fn send(
    engine: &Arc<Engine>,
    printer: Printer,
    event: &Event,
    follow: &Follow,
) -> Result<Followed, Cause> {
    let message = serde_json::to_vec(&event.to_json()).expect("an event is plain data");
    engine.queue.publish(&message).await?;
    if follow.detach {
        return Ok(Followed::Queued);
    }
    let identity = event.identity.clone();
    stay(engine, printer, follow.timeout, move |engine| {
        let identity = identity.clone();
        async move {
            let Some(inbox) = engine.store.event_of(&identity.source, &identity.id).await? else {
                return Ok(None);
            };
            match inbox.status {
                InboxStatus::New => Ok(None),
                InboxStatus::Planned => {
                    Ok(Some(Followed::Runs(views(&engine, &engine.store.runs_of(inbox.inbox).await?).await?)))
                }
                InboxStatus::Ignored | InboxStatus::Dead => {
                    Ok(Some(Followed::Nothing(inbox.reason.unwrap_or_default())))
                }
            }
        }
    })
    .await
}

/// Stays with one run.
pub(super) async fn watch_run(
    engine: &Arc<Engine>,
    printer: Printer,
    run: RunId,
    timeout: Option<Duration>,
) -> Result<Followed, Cause> {
    stay(engine, printer, timeout, move |engine| async move {
        Ok(Some(Followed::Runs(views(&engine, &[run]).await?)))
    })
    .await
}

async fn views(engine: &Engine, runs: &[RunId]) -> Result<Vec<RunView>, Cause> {
    let mut views = Vec::new();
    for run in runs {
        views.push(RunView::load(&engine.store, *run).await?);
    }
    Ok(views)
}

/// Carries runs in this process if no other does, and looks until everything asked about has settled.
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
    let (stop, stopped) = watch::channel(false);
    let leadership = engine.store.try_lead(engine.now()).await?;
    let work = async {
        match &leadership {
            Some(leadership) => worker::work(Arc::clone(engine), leadership, Until::Stopped, stopped).await,
            None => std::future::pending().await,
        }
    };
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let following = async {
        let followed = observe(engine, printer, deadline, look).await;
        // The run in hand is finished before the process goes.
        let _ = stop.send(true);
        followed
    };
    tokio::pin!(work, following);
    tokio::select! {
        followed = &mut following => {
            if leadership.is_some() {
                work.await?;
            }
            followed
        }
        worked = &mut work => {
            worked?;
            following.await
        }
    }
}

async fn observe<Look, Looking>(
    engine: &Arc<Engine>,
    printer: Printer,
    deadline: Option<Instant>,
    look: Look,
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
                let news: usize = views.iter().map(|view| talk.tell(view)).sum();
                if news > 0 {
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
        tokio::select! {
            changed = engine.store.changed(&mut seen, nap) => changed?,
            Ok(news) = live.recv() => talk.waiting(&news),
        }
        talk.heartbeat();
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

/// Says what is new about runs, each thing once.
#[derive(Debug)]
struct Talk {
    printer: Printer,
    told: BTreeMap<RunId, usize>,
    waiting: Option<(RunId, String)>,
    spoke: Instant,
    began: Instant,
}

impl Talk {
    fn new(printer: Printer) -> Self {
        Self { printer, told: BTreeMap::new(), waiting: None, spoke: Instant::now(), began: Instant::now() }
    }

    fn say(&mut self, line: &str) {
        self.spoke = Instant::now();
        self.printer.say(line);
    }

    /// Says which stages have ended since the last look, and answers how many.
    fn tell(&mut self, view: &RunView) -> usize {
        let told = self.told.entry(view.id).or_insert(usize::MAX);
        if *told == usize::MAX {
            *told = 0;
            let line =
                format!("{}  {} → {}  {}", view.id, view.commit.short(), view.environment, view.subject);
            self.say(line.trim_end());
        }
        let from = self.told[&view.id];
        let ended: Vec<_> =
            view.stages.iter().skip(from).take_while(|stage| stage.ok.is_some()).cloned().collect();
        for stage in &ended {
            let shape = if stage.ok == Some(true) { "✓" } else { "✗" };
            let took = stage.took.map(in_words).unwrap_or_default();
            let line =
                format!("  {shape} {:<9}{took:>8}  {}", stage.stage.as_str(), view.stage_note(stage.stage));
            self.say(line.trim_end());
        }
        self.told.insert(view.id, from + ended.len());
        ended.len()
    }

    fn waiting(&mut self, news: &crate::engine::Live) {
        let Some(reason) = &news.waiting_on else { return };
        let is_new = self.waiting.as_ref().is_none_or(|(run, told)| *run != news.run || told != reason);
        self.waiting = Some((news.run, reason.clone()));
        if is_new {
            self.say(&format!("  ◐ waiting on {reason}"));
        }
    }

    fn heartbeat(&mut self) {
        if self.spoke.elapsed() >= HEARTBEAT {
            let on = self.waiting.as_ref().map_or_else(String::new, |(_, reason)| format!(", on {reason}"));
            self.say(&format!("  ◐ still waiting after {}{on}", in_words(self.began.elapsed())));
        }
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
            Ok(nothing)
        }
        Followed::Runs(views) | Followed::StillGoing(views) => {
            printer.answer(&serde_json::json!({"runs": views}), || {
                views.iter().map(RunView::conclusion).collect::<Vec<_>>().join("\n")
            })?;
            let worst = views.iter().map(exit_of).max_by_key(|exit| exit.severity()).unwrap_or(Exit::Ok);
            Ok(if matches!(followed, Followed::StillGoing(_)) { Exit::Pending } else { worst })
        }
    }
}
