//! `runs`, `approve`, `reject`, `events list`, `pause`, `resume`: what is there, and what people decide.

use windlass_core::name::RunId;
use windlass_core::run::RunState;
use windlass_store::{Approval, Decision, Freeze, RunFilter, StoreError};

use super::args::{Decide, Limit, ListRuns, OneRun, Pause, Resume, WatchRun};
use super::command::Context;
use super::follow::{conclude, watch_run};
use crate::engine::Engine;
use crate::exit::Exit;
use crate::stop::Cause;
use crate::view::RunView;

type Answer = Result<Exit, Cause>;

/// `windlass runs list`: those that need somebody first.
pub(super) async fn list(context: &Context, args: ListRuns) -> Answer {
    let engine = context.engine().await?;
    let filter = RunFilter { environment: args.env, limit: Some(args.limit.limit), ..RunFilter::default() };
    let mut views = Vec::new();
    for row in engine.store.runs(&filter).await? {
        views.push(RunView::load(&engine.store, row.id).await?);
    }
    views.sort_by_key(|view| !matches!(view.state, RunState::Held));
    context.printer.answer(&views, || views.iter().map(RunView::line).collect::<Vec<_>>().join("\n"))?;
    Ok(Exit::Ok)
}

/// The run asked for, or the newest.
async fn one(engine: &Engine, run: Option<RunId>) -> Result<RunId, Cause> {
    let Some(run) = run else {
        let newest = engine.store.runs(&RunFilter { limit: Some(1), ..RunFilter::default() }).await?;
        let none = || {
            Cause::new("no_runs", "there are no runs yet").with_hint("start one: `windlass deploy -e dev`")
        };
        return newest.first().map(|row| row.id).ok_or_else(none);
    };
    match engine.store.run(run).await {
        Ok(row) => Ok(row.id),
        Err(error @ StoreError::UnknownRun(_)) => {
            Err(Cause::new("run_unknown", error.to_string()).with_hint("list them: `windlass runs list`"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `windlass runs show` and `explain`.
pub(super) async fn show(context: &Context, args: OneRun, whole: bool) -> Answer {
    let engine = context.engine().await?;
    let id = one(&engine, args.run).await?;
    let view = RunView::load(&engine.store, id).await?;
    context.printer.answer(&view, || if whole { view.explain() } else { view.to_text() })?;
    Ok(Exit::Ok)
}

/// `windlass runs watch`.
pub(super) async fn watch(context: &Context, args: WatchRun) -> Answer {
    let engine = context.engine().await?;
    let id = one(&engine, args.run).await?;
    let followed = watch_run(&engine, context.printer, id, args.timeout).await?;
    conclude(context.printer, &followed, Exit::Ok)
}

/// `windlass runs cancel`.
pub(super) async fn cancel(context: &Context, args: OneRun) -> Answer {
    let engine = context.engine().await?;
    let id = one(&engine, args.run).await?;
    engine.store.cancel(id, &context.config.identity.name, engine.now()).await?;
    let view = RunView::load(&engine.store, id).await?;
    context.printer.answer(&view, || view.to_text())?;
    Ok(Exit::Ok)
}

/// `windlass approve` and `reject`: the decision is about what was rendered when the run was held, and stays with the run to its end.
pub(super) async fn decide(context: &Context, args: Decide, decision: Decision) -> Answer {
    let engine = context.engine().await?;
    let id = one(&engine, Some(args.run)).await?;
    let row = engine.store.run(id).await?;
    let Some(digest) = row.hold.as_ref().and_then(|hold| hold.digest.clone()) else {
        let cause = Cause::new("not_waiting", format!("`{id}` is {} and waits for no approval", row.state))
            .with_hint(format!("see what it waits for: `windlass runs show {id}`"));
        return Err(cause);
    };
    let approval = Approval {
        approver: context.config.identity.name.clone(),
        decision,
        digest,
        reason: args.reason,
        at: engine.now(),
    };
    engine.store.approve(id, &approval).await?;
    if args.follow.detach {
        let view = RunView::load(&engine.store, id).await?;
        context.printer.answer(&view, || view.to_text())?;
        return Ok(Exit::Ok);
    }
    let followed = watch_run(&engine, context.printer, id, args.follow.timeout).await?;
    conclude(context.printer, &followed, Exit::Ok)
}

/// `windlass events list`.
pub(super) async fn events(context: &Context, args: Limit) -> Answer {
    let engine = context.engine().await?;
    let events = engine.store.events(args.limit).await?;
    let views: Vec<_> = events
        .iter()
        .map(|event| {
            serde_json::json!({
                "inbox": event.inbox.to_string(), "source": event.source, "id": event.id, "type": event.event_type,
                "status": event.status, "reason": event.reason, "received_at": event.received_at,
            })
        })
        .collect();
    let line = |event: &windlass_store::InboxEvent| {
        let (kind, why) = (event.event_type.as_deref().unwrap_or("-"), event.reason.as_deref().unwrap_or(""));
        format!(
            "{:<6} {:<8} {:<30} {}  {why}",
            event.inbox,
            event.status.as_str(),
            kind,
            event.received_at.strftime("%Y-%m-%d %H:%M:%S")
        )
        .trim_end()
        .to_owned()
    };
    context.printer.answer(&views, || events.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    Ok(Exit::Ok)
}

/// `windlass pause`.
pub(super) async fn pause(context: &Context, args: Pause) -> Answer {
    let engine = context.engine().await?;
    let until = args.until.as_deref().map(super::time).transpose()?;
    let freeze = Freeze { by: context.config.identity.name.clone(), reason: args.reason, until };
    engine.store.freeze(&args.env, &freeze, engine.now()).await?;
    context.printer.say(&format!("{} is paused: lift it with `windlass resume -e {}`", args.env, args.env));
    Ok(Exit::Ok)
}

/// `windlass resume`.
pub(super) async fn resume(context: &Context, args: Resume) -> Answer {
    let engine = context.engine().await?;
    let (who, now) = (context.config.identity.name.as_str(), engine.now());
    engine.store.unfreeze(&args.env, who, now).await?;
    engine.store.clear_attention(&args.env, who, now).await?;
    engine.store.lift_bars(&args.env, who, now).await?;
    for row in engine
        .store
        .active_runs()
        .await?
        .iter()
        .filter(|row| row.environment == args.env && row.state == RunState::Held)
    {
        engine.store.wake(row.id, now).await?;
    }
    context.printer.say(&format!("{} goes on", args.env));
    Ok(Exit::Ok)
}
