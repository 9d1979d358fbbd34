//! `runs`, `approve`, `reject`, `events list`, `pause`, `resume`: what is there, and what people decide.

use windlass_core::name::RunId;
use windlass_core::policy::gate::HoldKind;
use windlass_core::run::RunState;
use windlass_store::{Decision, Freeze, RunFilter, StoreError};

use super::args::{Decide, Limit, ListRuns, OneRun, Pause, Resume, WatchRun};
use super::command::Context;
use super::follow::{conclude, watch_run};
use crate::decide::{self, Said};
use crate::engine::Engine;
use crate::exit::Exit;
use crate::stop::Cause;
use crate::view::{EventView, RunView};

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
        Err(error @ StoreError::UnknownRun(_)) => Err(unknown_run(engine, &error).await?),
        Err(error) => Err(error.into()),
    }
}

/// The refusal of a run that is not there, with the newest that is.
async fn unknown_run(engine: &Engine, error: &StoreError) -> Result<Cause, Cause> {
    let newest = engine.store.runs(&RunFilter { limit: Some(1), ..RunFilter::default() }).await?;
    let known = match newest.first() {
        Some(row) => format!("the newest is `{}`; list them: `windlass runs list`", row.id),
        None => "there are none yet; start one: `windlass deploy -e dev`".to_owned(),
    };
    Ok(Cause::new("run_unknown", error.to_string()).with_hint(known))
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
    let by = context.config.identity.name.clone();
    decide::about_run(&engine, id, Said { by, decision, reason: args.reason, about: None }).await?;
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
    let views: Vec<_> = events.into_iter().map(EventView::of).collect();
    context.printer.answer(&views, || views.iter().map(EventView::line).collect::<Vec<_>>().join("\n"))?;
    Ok(Exit::Ok)
}

/// `windlass pause` and `windlass freeze`.
pub(super) async fn stand_still(context: &Context, args: Pause, kind: HoldKind) -> Answer {
    let engine = context.engine().await?;
    let environment = args.env;
    let until = args.until.as_deref().map(super::time).transpose()?;
    let freeze = Freeze { kind, by: context.config.identity.name.clone(), reason: args.reason, until };
    decide::stand_still(&engine, &environment, &freeze).await?;
    let (what, stopped) = match kind {
        HoldKind::Pause => ("paused", "automatic runs"),
        HoldKind::Freeze => ("frozen", "every run but a rollback"),
    };
    let until = until.map_or_else(String::new, |until| format!(" until {until:.0}"));
    context.printer.say(&format!(
        "{environment} is {what}{until}: {stopped} will wait; lift it with `windlass resume -e {environment}`"
    ));
    Ok(Exit::Ok)
}

/// `windlass resume`.
pub(super) async fn resume(context: &Context, args: Resume) -> Answer {
    let engine = context.engine().await?;
    decide::resume(&engine, &args.env, &context.config.identity.name).await?;
    context.printer.say(&format!("{} goes on", args.env));
    Ok(Exit::Ok)
}
