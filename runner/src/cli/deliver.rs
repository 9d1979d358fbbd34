//! `deploy`, `rollback` and `events send`: each sends an event and stays with its runs.

use std::io::Read as _;
use std::path::Path;

use windlass_core::event::text::{Line, Revision};
use windlass_core::event::{DeployRequested, Event, EventData, RollbackRequested};

use super::args::{Deploy, Rollback, SendEvent};
use super::command::Context;
use super::follow::{conclude, send};
use crate::broker::amqp_cause;
use crate::engine::source_cause;
use crate::exit::Exit;
use crate::stop::{Cause, chain};
use crate::telemetry::trace;
use crate::variables::Variables;

/// `windlass deploy`.
pub(super) async fn deploy(context: &Context, args: Deploy) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let commit = if args.worktree {
        engine.source.resolve_work_tree()
    } else {
        engine.source.resolve(args.at.as_deref())
    };
    let data = commit.map_err(|error| source_cause(&error)).and_then(|commit| {
        Ok(EventData::DeployRequested(DeployRequested {
            environment: args.env.clone(),
            services: Some(args.services.clone()).filter(|services| !services.is_empty()),
            commit: Some(parse::<Revision>("commit", commit.as_str())?),
            requester: context.requester()?,
            reason: None,
            override_reason: args
                .window_override
                .as_deref()
                .map(|reason| parse::<Line>("--override", reason))
                .transpose()?,
        }))
    });
    let event = Context::event(&engine, data?);
    let followed = send(&engine, context.printer, &event, &args.follow).await?;
    conclude(context.printer, &followed, Exit::Error)
}

/// `windlass rollback`.
pub(super) async fn rollback(context: &Context, args: Rollback) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let request = || -> Result<_, Cause> {
        Ok(RollbackRequested {
            environment: args.env.clone(),
            to: args.to.as_deref().map(|to| parse::<Revision>("--to", to)).transpose()?,
            requester: context.requester()?,
            reason: args.reason.as_deref().map(|reason| parse::<Line>("--reason", reason)).transpose()?,
        })
    };
    let event = Context::event(&engine, EventData::RollbackRequested(request()?));
    let followed = send(&engine, context.printer, &event, &args.follow).await?;
    conclude(context.printer, &followed, Exit::Error)
}

/// `windlass events send`.
pub(super) async fn send_event(context: &Context, args: SendEvent) -> Result<Exit, Cause> {
    let event = Event::parse(&read(&args.file)?).map_err(|error| {
        let mut cause = Cause::new(
            "event_invalid",
            format!("`{}` is not an event: {}", args.file.display(), chain(&error)),
        );
        cause.hints.extend(error.hint());
        cause
    })?;
    if let Some(broker) = &args.queue {
        return publish(context, broker, &event).await;
    }
    let engine = context.engine().await?;
    let known = engine.store.event_of(&event.identity.source, &event.identity.id).await?;
    if let Some(known) = known {
        context.printer.say(&format!("this event is known: it arrived before as {}", known.inbox));
    }
    let followed = send(&engine, context.printer, &event, &args.follow).await?;
    conclude(context.printer, &followed, Exit::Ok)
}

/// Puts an event into the queue of a broker. When this returns, it is on the broker's disk.
async fn publish(context: &Context, broker: &str, event: &Event) -> Result<Exit, Cause> {
    let queue = context.config.queue.open(broker, "windlass events send", &Variables::Process)?;
    queue.connect().await.map_err(|error| amqp_cause(&error))?;
    trace::send(&queue, event).await?;
    queue.close().await;
    context.printer.say(&format!("published to the queue `{}`", context.config.queue.name));
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<Vec<u8>, Cause> {
    let read = || -> std::io::Result<Vec<u8>> {
        if file == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(file)
    };
    read().map_err(|error| {
        Cause::new("file_unreadable", format!("`{}` cannot be read: {error}", file.display()))
    })
}

fn parse<T: TryFrom<String>>(flag: &str, text: &str) -> Result<T, Cause>
where
    T::Error: std::fmt::Display,
{
    T::try_from(text.to_owned()).map_err(|error| Cause::new("usage", format!("`{flag}`: {error}")))
}
