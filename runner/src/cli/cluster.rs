//! `cluster`: what a provider would do, asking for it, and what runs have made.

use serde::Serialize;
use windlass_core::event::text::Revision;
use windlass_core::event::{ClusterRequested, ClusterWork, EventData};
use windlass_core::name::{ClusterName, EnvironmentName, ProviderName, RunId};
use windlass_core::run::RunKind;
use windlass_store::PublishedCluster;

use super::args::{CreateCluster, DeleteCluster, OneCluster, PlanCluster};
use super::command::Context;
use super::follow::{conclude, send};
use crate::clusters::Target;
use crate::engine::{Engine, source_cause};
use crate::exit::Exit;
use crate::stages::cluster::plan::{PlanRecord, look};
use crate::stop::{Cause, Stop};

/// `windlass cluster plan`.
pub(super) async fn plan(context: &Context, args: &PlanCluster) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let commit = if args.worktree {
        engine.source.resolve_work_tree()
    } else {
        engine.source.resolve(args.at.as_deref())
    };
    let commit = commit.map_err(|error| source_cause(&error))?;
    let target = engine.cluster_target(&args.env, &commit)?;
    let record = look(&target, RunKind::Cluster).await.map_err(Stop::into_cause)?;
    context.printer.answer(&record, || in_full(&record))?;
    Ok(if args.exit_code && !record.changes.is_empty() { Exit::Findings } else { Exit::Ok })
}

fn in_full(record: &PlanRecord) -> String {
    format!("{}\n{}", record.in_words(), record.to_text()).trim_end().to_owned()
}

/// `windlass cluster create`.
pub(super) async fn create(context: &Context, args: CreateCluster) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let (_, commit) = target(&engine, &args.env, args.at.as_deref())?;
    let request = request(context, args.env, ClusterWork::Ensure, commit)?;
    let event = Context::event(&engine, EventData::ClusterRequested(request));
    let followed = send(&engine, context.printer, &event, &args.follow).await?;
    conclude(context.printer, &followed, Exit::Error)
}

/// `windlass cluster delete`: says what it would remove, and removes it where the cluster's name was typed.
pub(super) async fn delete(context: &Context, args: DeleteCluster) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let (target, commit) = target(&engine, &args.env, None)?;
    let would = look(&target, RunKind::Removal).await.map_err(Stop::into_cause)?;
    if args.dry_run {
        context.printer.answer(&would, || in_full(&would))?;
        return Ok(Exit::Ok);
    }
    context.printer.say(&in_full(&would));
    let cluster = &target.spec.name;
    if args.yes.as_ref() != Some(cluster) {
        return Err(unconfirmed(&args.env, cluster));
    }
    expect_nobody_at_work(&engine, &args.env).await?;
    let confirm = Some(cluster.clone());
    let request = ClusterRequested { confirm, ..request(context, args.env, ClusterWork::Remove, commit)? };
    let event = Context::event(&engine, EventData::ClusterRequested(request));
    let followed = send(&engine, context.printer, &event, &args.follow).await?;
    conclude(context.printer, &followed, Exit::Error)
}

fn unconfirmed(environment: &EnvironmentName, cluster: &ClusterName) -> Cause {
    let text = format!("nothing is removed: `--yes` must name the cluster, which is `{cluster}`");
    let hint = format!("if you mean it: `windlass cluster delete {environment} --yes {cluster}`");
    Cause::new("usage", text).with_hint(hint)
}

/// A removal waits for no run: whoever asks for it would be surprised by one that comes an hour later.
async fn expect_nobody_at_work(engine: &Engine, environment: &EnvironmentName) -> Result<(), Cause> {
    match engine.store.environment(environment).await?.lease_run {
        None => Ok(()),
        Some(run) => {
            let text = format!("`{run}` is at the cluster of `{environment}`");
            Err(Cause::new("busy", text).with_hint(format!("wait for it: `windlass runs watch {run}`")))
        }
    }
}

/// The cluster that is asked about, and the commit that says so.
fn target(
    engine: &Engine,
    environment: &EnvironmentName,
    at: Option<&str>,
) -> Result<(Target, Revision), Cause> {
    let commit = engine.source.resolve(at).map_err(|error| source_cause(&error))?;
    let target = engine.cluster_target(environment, &commit)?;
    let revision = Revision::try_from(commit.as_str().to_owned()).expect("a commit's id names a commit");
    Ok((target, revision))
}

fn request(
    context: &Context,
    environment: EnvironmentName,
    work: ClusterWork,
    commit: Revision,
) -> Result<ClusterRequested, Cause> {
    let requester = Some(context.requester()?);
    let commit = Some(commit);
    Ok(ClusterRequested { environment, work, provider: None, commit, confirm: None, requester, reason: None })
}

/// A cluster as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    environment: EnvironmentName,
    cluster: ClusterName,
    provider: ProviderName,
    version: Option<String>,
    run: RunId,
    published_at: jiff::Timestamp,
}

impl Listed {
    fn of(published: PublishedCluster) -> Self {
        let PublishedCluster { environment, provider, name: cluster, version, run, published_at } = published;
        Self { environment, cluster, provider, version, run, published_at }
    }

    fn line(&self) -> String {
        let version = self.version.as_deref().unwrap_or("-");
        let when = self.published_at.strftime("%Y-%m-%d %H:%M:%S");
        format!(
            "{:<8} {:<24} {version:<14} {:<7} {when}",
            self.environment.as_str(),
            self.cluster.as_str(),
            self.run.to_string()
        )
    }
}

fn in_lines(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "no run has made a cluster; plan one: `windlass cluster plan dev`".to_owned();
    }
    listed.iter().map(Listed::line).collect::<Vec<_>>().join("\n")
}

/// `windlass cluster list`.
pub(super) async fn list(context: &Context) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let listed: Vec<_> = engine.store.clusters().await?.into_iter().map(Listed::of).collect();
    context.printer.answer(&listed, || in_lines(&listed))?;
    Ok(Exit::Ok)
}

/// `windlass cluster kubeconfig`. It was asked for, so it is printed.
pub(super) async fn kubeconfig(context: &Context, args: &OneCluster) -> Result<Exit, Cause> {
    let engine = context.engine().await?;
    let unknown = || {
        Cause::new("cluster_unknown", format!("no run has made a cluster for `{}`", args.env))
            .with_hint(format!("make one: `windlass cluster create {}`", args.env))
    };
    let published = engine.store.cluster(&args.env).await?.ok_or_else(unknown)?;
    let found = engine.store.kubeconfig(&args.env, &published.provider, &published.name).await?;
    context.printer.data(found.ok_or_else(unknown)?.expose())?;
    Ok(Exit::Ok)
}
