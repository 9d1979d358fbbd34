//! `serve`: the worker, until it is told to stop.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::args::Serve;
use super::command::Context;
use crate::broker::Intake;
use crate::exit::Exit;
use crate::stop::Cause;
use crate::worker::{self, Until};

/// Takes events from the queue and carries runs. A stop finishes the runs in hand first; a second one ends at once, which loses nothing.
pub(super) async fn serve(context: &Context, args: &Serve) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let Some(leadership) = engine.store.try_lead(engine.now()).await? else {
        return Err(Cause::new(
            "already_serving",
            format!("another windlass works on `{}`", engine.store.dir().display()),
        )
        .with_hint("stop it, or give this one a directory of its own: `data_dir` in windlass.toml"));
    };
    let (stop, stopped) = watch::channel(false);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let until = if args.until_idle { Until::Idle } else { Until::Stopped };
    if args.until_idle {
        Intake::drain(&engine).await?;
    }
    let broker = if args.until_idle { None } else { Intake::start(&engine, stopped.clone()).await? };
    context.printer.say(&format!("windlass works on `{}`", engine.store.dir().display()));
    let work = worker::work(Arc::clone(&engine), &leadership, until, stopped);
    tokio::pin!(work);
    loop {
        tokio::select! {
            worked = &mut work => break worked?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.send_replace(true) {
            return Ok(Exit::Interrupted);
        }
        context.printer.say(
            "finishing the runs in hand; a second signal ends at once, and the next start goes on from there",
        );
    }
    if let Some(broker) = broker {
        broker.finish().await;
    }
    Ok(Exit::Ok)
}
