//! Watching a release become ready: the cluster's reports go into the pure [`Rollout`], and what it decides comes out.
//!
//! Also frees `StatefulSet`s that wait for a pod of a revision that nobody wants any more (kubernetes/kubernetes#67250).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::Value;
use windlass_cluster::{Cluster, InventoryItem, Watch};
use windlass_core::diagnosis::{
    Change, Diagnosis, Report, Rollout, Settings, SoakVerdict, Verdict, trapped_pods,
};
use windlass_core::object::{ObjectRef, ObjectView};

use crate::engine::Engine;
use crate::run::Run;
use crate::stop::{Cause, Stop, chain};

/// A release that is being watched.
pub struct Watching {
    rollout: Rollout,
    reports: Option<Watch>,
    scope: Vec<ObjectRef>,
    cluster: Cluster,
    /// None where no pod may be deleted: only on the way back, or after a release that failed, is an unready pod of another revision one that
    /// nobody wants.
    cast: Option<Cast>,
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watching").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Watching {
    /// Reads the objects of a release back and begins to judge them. A release that is ready at once is never watched.
    pub async fn open(
        cluster: Cluster,
        inventory: &[InventoryItem],
        mut settings: Settings,
        frees: bool,
    ) -> Result<Self, Stop> {
        let scope: Vec<ObjectRef> = inventory.iter().map(|item| item.object.clone()).collect();
        let objects = cluster.read_back(&scope).await?;
        if let Some(missing) =
            scope.iter().zip(&objects).find_map(|(object, found)| found.is_none().then_some(object))
        {
            let text = format!("`{missing:#}` is gone: it was deleted after it was applied");
            return Err(Stop::Fail(Cause::new("gone", text).into()));
        }
        settings.clock_ahead = cluster.clock_ahead();
        let rollout = Rollout::new(objects.into_iter().flatten().collect(), settings)
            .map_err(|error| Stop::Fail(Cause::new("unreadable", chain(&error)).into()))?;
        Ok(Self { rollout, reports: None, scope, cluster, cast: frees.then(Cast::default) })
    }

    /// Waits until every object is ready, or one cannot become so; says meanwhile what is waited for.
    pub async fn until_settled(&mut self, run: &Run) -> Result<(), Box<Diagnosis>> {
        loop {
            let until = match self.rollout.verdict() {
                Verdict::Settled => return Ok(()),
                Verdict::GaveUp(diagnosis) => return Err(diagnosis.clone()),
                Verdict::Waiting { until } => *until,
            };
            run.engine.announce(run.id(), waiting_on(&self.rollout));
            let report = self.next(&run.engine, until).await;
            let now = run.engine.now();
            match report {
                Some(report) => {
                    self.free_trapped(&report).await;
                    self.rollout.observe(now, report);
                }
                None => {
                    self.rollout.tick(now);
                }
            }
        }
    }

    /// Watches on for a while: what was ready must stay so.
    pub async fn soak(mut self, run: &Run, duration: Duration) -> Result<(), Box<Diagnosis>> {
        // Whoever settled without a watch has no pods in sight yet.
        let mut reports = self.reports.take().unwrap_or_else(|| self.cluster.watch(&self.scope));
        let mut soak = self.rollout.soak(run.engine.now(), duration);
        loop {
            let until = match soak.verdict() {
                SoakVerdict::Passed => return Ok(()),
                SoakVerdict::Failed(diagnosis) => return Err(diagnosis.clone()),
                SoakVerdict::Watching { until } => *until,
            };
            let report = tokio::time::timeout(until_from(run.engine.now(), until), reports.next()).await;
            let now = run.engine.now();
            match report {
                Ok(Some(report)) => soak.observe(now, report),
                _ => soak.tick(now),
            };
        }
    }

    async fn next(&mut self, engine: &Engine, until: Timestamp) -> Option<Report> {
        let reports = self.reports.get_or_insert_with(|| self.cluster.watch(&self.scope));
        tokio::time::timeout(until_from(engine.now(), until), reports.next()).await.ok().flatten()
    }

    /// Deletes the pods that keep a StatefulSet from rolling to what is wanted. One that cannot be deleted shows up in the rollout's time.
    async fn free_trapped(&mut self, report: &Report) {
        for pod in self.cast.as_mut().map(|cast| cast.trapped(report)).unwrap_or_default() {
            tracing::info!(pod = %pod.0, "deleting a pod of an unwanted revision that blocks its StatefulSet");
            let namespace = pod.0.namespace.as_deref().unwrap_or(self.cluster.default_namespace());
            if let Err(error) = self.cluster.delete_pod_now(namespace, &pod.0.name, &pod.1).await {
                tracing::warn!(error = %chain(&error), "could not delete it");
            }
        }
    }
}

/// The time from `now` to `until`, with a little more, so that the tick comes after and not just before.
fn until_from(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default() + Duration::from_millis(1)
}

fn waiting_on(rollout: &Rollout) -> Option<String> {
    let waiting = rollout.progress().waiting_on?;
    let place = waiting.at_object.as_ref().map_or(String::new(), |object| format!(" {object}"));
    Some(format!("{}{place}: {}", waiting.object, waiting.reason))
}

/// The `StatefulSet`s in sight and the pods they own, as last reported.
#[derive(Debug, Default)]
struct Cast {
    sets: BTreeMap<ObjectRef, Value>,
    pods: BTreeMap<ObjectRef, Value>,
    freed: BTreeSet<String>,
}

impl Cast {
    /// Takes a report in and answers with the pods to delete now, each once.
    fn trapped(&mut self, report: &Report) -> Vec<(ObjectRef, String)> {
        let Report::Object { change, object } = report else { return Vec::new() };
        let Ok(reference) = ObjectRef::of(object) else { return Vec::new() };
        let kept = match ObjectView::new(object).kind() {
            "StatefulSet" => &mut self.sets,
            "Pod" => &mut self.pods,
            _ => return Vec::new(),
        };
        match change {
            Change::Deleted => kept.remove(&reference),
            Change::Added | Change::Modified => kept.insert(reference, object.clone()),
        };
        let pods: Vec<Value> = self.pods.values().cloned().collect();
        let trapped = self.sets.values().flat_map(|set| trapped_pods(set, &pods));
        let fresh: Vec<_> =
            trapped.filter(|pod| !self.freed.contains(&pod.uid)).map(|pod| (pod.pod, pod.uid)).collect();
        self.freed.extend(fresh.iter().map(|(_, uid)| uid.clone()));
        fresh
    }
}
