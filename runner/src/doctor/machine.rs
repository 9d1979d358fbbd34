//! This machine: the data directory, the queue, who works here, the zones of the clock.

use std::time::Duration;

use windlass_core::queue::Queue as _;

use super::{Check, Part, Verdict};
use crate::broker::amqp_cause;
use crate::engine::Engine;
use crate::stop::Cause;
use crate::variables::Variables;

/// A broker that takes longer is one that a person would call down.
const BROKER_WAIT: Duration = Duration::from_secs(5);

/// The engine is open, so the data directory can be written and SQLite is one that loses nothing: both are asserted there.
pub(super) async fn examine(engine: &Engine) -> Vec<Check> {
    let mut part = Part::new("machine");
    let sqlite = engine.store.sqlite_version().await.unwrap_or_default();
    part.ok("state", format!("`{}` can be written; SQLite {sqlite}", engine.store.dir().display()));
    zones(&mut part);
    match engine.store.is_led() {
        Ok(true) => part.ok("worker", "another windlass works on it: runs go on without this terminal"),
        Ok(false) => part.ok("worker", "nobody works on it: each command carries its own runs"),
        Err(error) => part.cause("worker", Verdict::Failed, &Cause::from(error)),
    }
    queue(engine, &mut part).await;
    broker(engine, &mut part).await;
    attention(engine, &mut part).await;
    part.checks
}

/// Windows are judged by civil time, so the rules of the zones must be there.
fn zones(part: &mut Part) {
    let known = jiff::tz::db().available().count();
    if known > 100 {
        part.ok("zones", format!("the rules of {known} time zones are there"));
    } else {
        part.fail("zones", "the rules of time zones are missing", "install them: `apt-get install tzdata`");
    }
}

async fn queue(engine: &Engine, part: &mut Part) {
    match engine.queue.depth().await {
        Ok(depth) if depth.dead > 0 => part.warn(
            "queue",
            format!(
                "{} waiting, {} dead: what was sent could not be read as an event",
                depth.waiting, depth.dead
            ),
            "see what arrived: `windlass events list`",
        ),
        Ok(depth) if depth.waiting > 0 && !engine.store.is_led().unwrap_or(true) => part.warn(
            "queue",
            format!("{} waiting, and nobody takes them", depth.waiting),
            "carry them: `windlass serve --until-idle`",
        ),
        Ok(depth) => part.ok("queue", format!("{} waiting", depth.waiting)),
        Err(error) => part.cause("queue", Verdict::Failed, &Cause::from(error)),
    }
}

/// The broker that events come from, if one is configured.
async fn broker(engine: &Engine, part: &mut Part) {
    let config = &engine.config.queue;
    let Some(url) = &config.url else { return };
    let queue = match config.open(url, "windlass doctor", &Variables::Process) {
        Ok(queue) => queue,
        Err(cause) => return part.cause("broker", Verdict::Failed, &cause),
    };
    match tokio::time::timeout(BROKER_WAIT, queue.connect()).await {
        Ok(Ok(())) => part.ok("broker", format!("{url} lets windlass in")),
        Ok(Err(error)) => part.cause("broker", Verdict::Failed, &amqp_cause(&error)),
        Err(_) => part.fail(
            "broker",
            format!("{url} does not answer within {} s", BROKER_WAIT.as_secs()),
            "see what to look at: `windlass explain queue_unreachable`",
        ),
    }
    queue.close().await;
}

/// Environments that wait for a person.
async fn attention(engine: &Engine, part: &mut Part) {
    match engine.store.environments().await {
        Ok(rows) => {
            for row in rows {
                if let Some(text) = row.attention {
                    let first = text.lines().next().unwrap_or_default().to_owned();
                    let fix = format!("look at it, then let it go on: `windlass resume -e {}`", row.name);
                    part.warn("stuck", format!("{}: {first}", row.name), fix);
                }
            }
        }
        Err(error) => part.cause("stuck", Verdict::Failed, &Cause::from(error)),
    }
}
