//! `status`, `completions`, and `windlass` alone: where one is, what is waited for, what to type next.

use clap::CommandFactory as _;
use serde::Serialize;
use windlass_core::run::RunState;

use super::args::{Cli, Completions, Status};
use super::command::Context;
use crate::engine::Engine;
use crate::exit::Exit;
use crate::stop::Cause;
use crate::view::EnvironmentView;

/// `windlass status`.
pub(super) async fn status(context: &Context, args: &Status) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let mut all = EnvironmentView::all(&engine).await?;
    all.retain(|one| args.env.as_ref().is_none_or(|name| *name == one.name));
    if let (true, Some(name)) = (all.is_empty(), &args.env) {
        let commit = engine.source.resolve(None).map_err(|error| crate::engine::source_cause(&error))?;
        return Err(crate::stages::gate::unknown_environment(&*engine.control(&commit)?, name.as_str()));
    }
    let width = all.iter().map(|one| one.name.as_str().len()).max().unwrap_or_default();
    context
        .printer
        .answer(&all, || all.iter().map(|one| one.to_text(width)).collect::<Vec<_>>().join("\n"))?;
    let is_well = all.iter().all(EnvironmentView::is_well);
    Ok(if args.exit_code && !is_well { Exit::Findings } else { Exit::Ok })
}

/// `windlass completions`.
pub(super) fn completions(context: &Context, args: &Completions) -> Result<Exit, Cause> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "windlass", &mut script);
    context.printer.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

/// What `windlass` alone answers.
#[derive(Debug, Serialize)]
struct Here {
    repository: String,
    policy: String,
    state: String,
    needs_you: String,
    next: String,
}

/// `windlass` without a command. Somebody who looks around has made no mistake: this always ends well.
pub(super) async fn here(context: &Context) -> Result<Exit, Cause> {
    let here = match context.engine().await {
        Ok(engine) => around(&engine).await?,
        Err(cause) => nowhere(context, &cause),
    };
    context.printer.answer(&here, || here.to_text())?;
    Ok(Exit::Ok)
}

/// Without a repository, or without a place for state.
fn nowhere(context: &Context, cause: &Cause) -> Here {
    let first = cause.text.lines().next().unwrap_or_default().to_owned();
    Here {
        repository: format!("{}: {first}", context.config.repository.display()),
        policy: "-".to_owned(),
        state: "-".to_owned(),
        needs_you: cause.hints.first().cloned().unwrap_or_else(|| "nothing".to_owned()),
        next: "windlass --help".to_owned(),
    }
}

async fn around(engine: &Engine) -> Result<Here, Cause> {
    let commit = engine.source.resolve(None);
    let subject = commit.as_ref().ok().and_then(|commit| engine.source.summary(commit).ok());
    let at = match &commit {
        Ok(commit) => {
            format!("at {} {}", commit.short(), subject.map(|summary| summary.subject).unwrap_or_default())
        }
        Err(error) => format!("{error}"),
    };
    let policy = match commit.as_ref().map(|commit| engine.control(commit)) {
        Ok(Ok(control)) => {
            let names: Vec<_> = control.environments.keys().map(ToString::to_string).collect();
            format!("{}: {}", control.file, names.join(", "))
        }
        Ok(Err(cause)) => cause.text.lines().next().unwrap_or_default().to_owned(),
        Err(_) => "-".to_owned(),
    };
    let worker = if engine.store.is_led()? { "a windlass works on it" } else { "nobody works on it" };
    let all = EnvironmentView::all(engine).await?;
    let (needs_you, next) = wanted(&all, policy.contains(": "));
    Ok(Here {
        repository: format!("{} {at}", engine.source.path().display()).trim_end().to_owned(),
        policy,
        state: format!("{}; {worker}", engine.store.dir().display()),
        needs_you,
        next,
    })
}

/// What waits for whoever asks, and the command that is most likely next.
fn wanted(all: &[EnvironmentView], has_policy: bool) -> (String, String) {
    let runs = || all.iter().flat_map(|one| one.runs.iter().map(move |run| (one, run)));
    if let Some(stuck) = all.iter().find(|one| one.attention.is_some()) {
        let next = format!("windlass runs list -e {}", stuck.name);
        return (format!("{} is stuck: a person must look", stuck.name), next);
    }
    if let Some((one, run)) = runs().find(|(_, run)| run.needs_approval) {
        let next = format!("windlass runs explain {}", run.run);
        return (format!("{} of {} waits for an approval", run.run, one.name), next);
    }
    if let Some((one, run)) = runs().find(|(_, run)| run.state == RunState::Held) {
        let next = format!("windlass runs show {}", run.run);
        return (format!("{} of {} is held: {}", run.run, one.name, run.waits_for), next);
    }
    if let Some((one, run)) = runs().next() {
        let next = format!("windlass runs watch {}", run.run);
        return (format!("nothing; {} of {} is on its way", run.run, one.name), next);
    }
    let next = match all.iter().find(|one| one.live.is_none()) {
        _ if !has_policy => "windlass check".to_owned(),
        Some(empty) => format!("windlass doctor -e {}", empty.name),
        None => "windlass status".to_owned(),
    };
    ("nothing".to_owned(), next)
}

impl Here {
    fn to_text(&self) -> String {
        let Self { repository, policy, state, needs_you, next } = self;
        format!(
            "repository  {repository}\npolicy      {policy}\nstate       {state}\nneeds you   {needs_you}\nnext        {next}"
        )
    }
}
