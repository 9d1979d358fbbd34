//! `check`, `render`, `plan`, `gate check`, `schema`: questions that change nothing.

use std::path::Path;

use jiff::Timestamp;
use windlass_core::event::{EventType, schema};
use windlass_core::policy::gate::Decision;
use windlass_core::run::Trigger;
use windlass_kustomize::{Directory, LoadRestrictor, Options, Reorder};

use super::args::{Check, CheckGate, Doctor, Explain, Plan, Render, Schema};
use super::command::Context;
use crate::doctor::Verdict;
use crate::engine::{render_cause, source_cause};
use crate::exit::Exit;
use crate::lints::{self, Repository};
use crate::sources::Source;
use crate::stages::gate::unknown_environment;
use crate::stop::Cause;

/// `windlass check`: contacts nothing and opens no store.
pub(super) fn check(context: &Context, args: &Check) -> Result<Exit, Cause> {
    let config = &context.config;
    let source = Source::open(&config.repository, &config.infra).map_err(|error| source_cause(&error))?;
    let commit = match &args.at {
        Some(at) => source.resolve(Some(at)),
        None => source.resolve_work_tree(),
    };
    let commit = commit.map_err(|error| source_cause(&error))?;
    let tree = source.tree(&commit).map_err(|error| source_cause(&error))?;
    let below = if args.at.is_some() { "" } else { source.infra() };
    let mut paths = lints::files_below(&tree, below).map_err(|error| source_cause(&error))?;
    if args.at.is_none() {
        paths = lints::not_ignored(&tree, &paths);
    }
    let repository = Repository {
        tree: &tree,
        paths: &paths,
        infra: source.infra(),
        placeholder: &config.secrets.placeholder,
        now: Timestamp::now(),
    };
    let report = lints::check(&repository);
    context.printer.answer(&report, || report.to_text())?;
    Ok(if report.has_errors() { Exit::Usage } else { Exit::Ok })
}

/// `windlass doctor`.
pub(super) async fn doctor(context: &Context, args: &Doctor) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    if let Some(environment) = &args.env {
        let commit = engine.source.resolve(None).map_err(|error| source_cause(&error))?;
        let control = engine.control(&commit)?;
        if !control.environments.contains_key(environment) {
            return Err(unknown_environment(&control, environment.as_str()));
        }
    }
    let report = crate::doctor::examine(&engine, args.env.as_ref()).await;
    context.printer.answer(&report, || report.to_text())?;
    let tolerated = if args.strict { Verdict::Ok } else { Verdict::Warning };
    Ok(if report.worst() <= tolerated { Exit::Ok } else { Exit::Error })
}

/// `windlass explain`: the page of an error, a hold, a cause of a failed rollout or a lint; without a name, what there is.
pub(super) fn explain(context: &Context, args: &Explain) -> Result<Exit, Cause> {
    let Some(name) = &args.name else {
        context.printer.data(&crate::explain::index())?;
        return Ok(Exit::Ok);
    };
    let page = crate::explain::page(name).ok_or_else(|| {
        let hint = match crate::explain::nearest(name) {
            Some(nearest) => format!("did you mean `windlass explain {nearest}`?"),
            None => "see what there is: `windlass explain`".to_owned(),
        };
        Cause::new("usage", format!("nothing is called `{name}`")).with_hint(hint)
    })?;
    context.printer.data(&page)?;
    Ok(Exit::Ok)
}

/// `windlass render`: of a directory as it is, or of an environment at a commit.
pub(super) async fn render(context: &Context, args: Render) -> Result<Exit, Cause> {
    let options = options(&args)?;
    let build = match (&args.target, &args.env) {
        (Some(target), _) => render_directory(target, options)?,
        (None, Some(environment)) => {
            let engine = context.engine().await?;
            let commit = match &args.at {
                Some(at) => engine.source.resolve(Some(at)),
                None => engine.source.resolve_work_tree(),
            };
            let commit = commit.map_err(|error| source_cause(&error))?;
            let control = engine.control(&commit)?;
            let policy = control
                .environments
                .get(environment)
                .ok_or_else(|| unknown_environment(&control, environment.as_str()))?;
            engine.build(environment, policy, &commit, &options)?
        }
        (None, None) => {
            return Err(Cause::new("usage", "nothing says what to render")
                .with_hint("name a directory or an environment: `windlass render -e dev`"));
        }
    };
    context.printer.data(&build.to_yaml())?;
    Ok(Exit::Ok)
}

fn options(args: &Render) -> Result<Options, Cause> {
    let wrong = |flag: &str, value: &str, known: &str| {
        Cause::new("usage", format!("`{flag}` is `{value}`: it takes {known}"))
    };
    let load_restrictor = match args.load_restrictor.as_str() {
        "LoadRestrictionsRootOnly" => LoadRestrictor::RootOnly,
        "LoadRestrictionsNone" => LoadRestrictor::None,
        other => {
            return Err(wrong(
                "--load-restrictor",
                other,
                "LoadRestrictionsRootOnly or LoadRestrictionsNone",
            ));
        }
    };
    let reorder = match args.reorder.as_deref() {
        None => Options::default().reorder,
        Some("legacy") => Reorder::Legacy,
        Some("none") => Reorder::None,
        Some(other) => return Err(wrong("--reorder", other, "legacy or none")),
    };
    Ok(Options::default().with_load_restrictor(load_restrictor).with_reorder(reorder))
}

/// A kustomization may read beside itself, so the tree begins at the root of the file system; what it may read is the restrictor's business.
fn render_directory(target: &Path, options: Options) -> Result<windlass_kustomize::Build, Cause> {
    let missing = |error: std::io::Error| {
        Cause::new("overlay_missing", format!("`{}` cannot be read: {error}", target.display()))
    };
    let path = target.canonicalize().map_err(missing)?;
    let tree = Directory::open("/").map_err(missing)?;
    let inside =
        path.to_str().ok_or_else(|| Cause::new("usage", format!("`{}` is not UTF-8", target.display())))?;
    windlass_kustomize::build(&tree, inside.trim_start_matches('/'), &options)
        .map_err(|error| render_cause(&error))
}

/// `windlass plan`: the dry run of the very apply that a deploy would make.
pub(super) async fn plan(context: &Context, args: Plan) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let commit = if args.worktree {
        engine.source.resolve_work_tree()
    } else {
        engine.source.resolve(args.at.as_deref())
    };
    let commit = commit.map_err(|error| source_cause(&error))?;
    let view = crate::preview::plan(&engine, &args.env, &commit).await?;
    context.printer.answer(&view, || view.to_text())?;
    Ok(if view.differs() && args.exit_code { Exit::Findings } else { Exit::Ok })
}

/// `windlass gate check`.
pub(super) async fn gate(context: &Context, args: CheckGate) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let commit = match &args.at {
        Some(at) => engine.source.resolve(Some(at)),
        None => engine.source.resolve_work_tree(),
    };
    let commit = commit.map_err(|error| source_cause(&error))?;
    let at = args.time.as_deref().map(super::time).transpose()?.unwrap_or_else(|| engine.now());
    let trigger = if args.automatic { Trigger::Automatic } else { Trigger::Manual };
    let answer = crate::preview::gate(&engine, &args.env, &commit, trigger, at).await?;
    context.printer.answer(&answer, || answer.to_text())?;
    Ok(if answer.decision == Decision::Pass { Exit::Ok } else { Exit::Held })
}

fn openapi_value() -> serde_json::Value {
    serde_json::to_value(crate::http::openapi()).expect("the document is plain data")
}

/// `windlass schema`.
pub(super) fn print_schema(context: &Context, args: &Schema) -> Result<Exit, Cause> {
    let Some(name) = &args.event_type else {
        let names: Vec<_> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
        context.printer.answer(&names, || names.join("\n"))?;
        return Ok(Exit::Ok);
    };
    if name == "openapi" {
        context.printer.data(&format!("{:#}", openapi_value()))?;
        return Ok(Exit::Ok);
    }
    let kind = EventType::named(name).ok_or_else(|| {
        Cause::new("usage", format!("`{name}` is no type of event")).with_hint("list them: `windlass schema`")
    })?;
    context.printer.data(&format!("{:#}", schema(kind)))?;
    Ok(Exit::Ok)
}
