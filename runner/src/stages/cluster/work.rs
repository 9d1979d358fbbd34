//! A provider at work: what it tells is journalled line by line, what may mend itself is tried again, and a person may stop it.
//!
//! The run keeps the environment lease meanwhile. It is not parked between two tries, because a half-made cluster is nobody else's to touch.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use windlass_core::failure::RUN_RETRIES;
use windlass_core::name::RunId;
use windlass_core::provider::{Progress, ProviderError, Retry};
use windlass_core::run::{Outcome, Stage};
use windlass_store::{Change, Seen, kill_point};

use crate::clusters::advised;
use crate::engine::Engine;
use crate::run::Run;
use crate::stop::{Cause, Stop, chain};
use crate::view::in_words;

/// The last lines that are kept of an attempt: its row has a bound.
const LINES_KEPT: usize = 200;

/// The longest line that is kept, in characters.
const LINE_KEPT: usize = 200;

/// How long a wish to stop may go unnoticed if nothing else changes.
const LOOK: Duration = Duration::from_secs(5);

/// Hears a provider, which may report from anywhere, and hands on what it says.
#[derive(Debug)]
pub struct Heard(mpsc::UnboundedSender<String>);

impl Progress for Heard {
    fn report(&self, line: &str) {
        // Nobody listens any more only when the work was dropped.
        let _ = self.0.send(line.to_owned());
    }
}

/// Lets a provider work until it is done, or until it cannot be.
pub async fn let_work<T, Call>(run: &mut Run, stage: Stage, call: Call) -> Result<T, Stop>
where
    T: Send,
    Call: Fn(Heard) -> BoxFuture<'static, Result<T, ProviderError>> + Send + Sync,
{
    let (mut told, mut failed) = (Vec::new(), 0);
    loop {
        let error = match attempt(run, stage, &mut told, &call).await? {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        failed += 1;
        let Some(wait) = wait_after(&error, failed, run.engine.jitter()) else {
            return Err(Stop::Fail(failure(run, &error).into()));
        };
        tell(run, stage, &mut told, &format!("{error}: tried again in {}", in_words(wait))).await?;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            stop = until_stopped(Arc::clone(&run.engine), run.id()) => return Err(stop),
        }
    }
}

/// How long to wait before the next try: as long as the backend asks for, or longer each time. None where trying again cannot help.
fn wait_after(error: &ProviderError, failed: u32, jitter: f64) -> Option<Duration> {
    let Retry::Later(asked) = error.retry else { return None };
    RUN_RETRIES.wait_after(failed, jitter).map(|own| asked.unwrap_or(own))
}

/// One call of the provider, whose lines are kept as they come. Where the work is stopped its future is dropped: what was done can be resumed.
async fn attempt<T, Call>(
    run: &mut Run,
    stage: Stage,
    told: &mut Vec<String>,
    call: &Call,
) -> Result<Result<T, ProviderError>, Stop>
where
    T: Send,
    Call: Fn(Heard) -> BoxFuture<'static, Result<T, ProviderError>> + Send + Sync,
{
    let (sender, mut lines) = mpsc::unbounded_channel();
    let mut working = call(Heard(sender));
    let mut stopped = Box::pin(until_stopped(Arc::clone(&run.engine), run.id()));
    loop {
        tokio::select! {
            biased;
            // None when the work has ended, which the next arm tells.
            Some(line) = lines.recv() => tell(run, stage, told, &line).await?,
            ended = &mut working => {
                while let Ok(line) = lines.try_recv() {
                    tell(run, stage, told, &line).await?;
                }
                kill_point("provider.done");
                return Ok(ended);
            }
            stop = &mut stopped => return Err(stop),
        }
    }
}

/// Keeps one more line with the attempt.
async fn tell(run: &mut Run, stage: Stage, told: &mut Vec<String>, line: &str) -> Result<(), Stop> {
    kill_point("provider.told");
    let printable = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let line: String = printable.take(LINE_KEPT).collect();
    told.push(run.redactor.redact(&line).into_owned());
    if told.len() > LINES_KEPT {
        told.remove(0);
    }
    let now = run.engine.now();
    Ok(run.engine.store.write_run(&mut run.claim, &[Change::Progress(stage, told)], now).await?)
}

/// Ends when a person wants the run, or this process, to stop.
async fn until_stopped(engine: Arc<Engine>, run: RunId) -> Stop {
    tokio::select! {
        stop = until_cancelled(&engine, run) => stop,
        () = engine.until_halted() => Stop::Interrupted,
    }
}

async fn until_cancelled(engine: &Engine, run: RunId) -> Stop {
    let mut seen = Seen::default();
    loop {
        let row = match engine.store.run(run).await {
            Ok(row) => row,
            Err(error) => return Stop::Store(error),
        };
        if let Some(by) = &row.cancelled_by {
            let text = format!("cancelled by {by}; what the provider has done stays");
            let cause = Cause::new("cancelled", text).with_hint(go_on(&row.environment.to_string()));
            return Stop::Yield(Outcome::Cancelled, cause);
        }
        if let Err(error) = engine.store.changed(&mut seen, LOOK).await {
            return Stop::Store(error);
        }
    }
}

fn failure(run: &Run, error: &ProviderError) -> Cause {
    let cause = Cause::new("cluster_failed", chain(error));
    advised(cause, error).with_hint(go_on(run.environment().as_str()))
}

/// What a person does about a cluster that is half-made or half-removed.
fn go_on(environment: &str) -> String {
    format!(
        "nothing is rolled back; go on where it stopped: `windlass cluster create {environment}`, or `windlass cluster delete {environment}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_says_itself_how_long_to_wait_but_not_how_often() {
        let later = |after| ProviderError::new("busy").retry_later(after);
        let asked = Some(Duration::from_secs(90));
        assert_eq!(wait_after(&later(asked), 1, 0.0), asked);
        assert_eq!(wait_after(&later(None), 1, 0.0), Some(RUN_RETRIES.first));
        assert_eq!(wait_after(&later(asked), RUN_RETRIES.tries, 0.0), None);
        assert_eq!(wait_after(&ProviderError::new("no such type"), 1, 0.0), None);
    }
}
