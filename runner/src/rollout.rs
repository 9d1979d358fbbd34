//! Watching a release become ready: the cluster's reports go into the pure [`Rollout`], and what it decides comes out.
//!
//! Also frees `StatefulSet`s that wait for a pod of a revision that nobody wants any more (kubernetes/kubernetes#67250).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use windlass_cluster::{Cluster, InventoryItem, Watch};
use windlass_core::diagnosis::{
    Change, Diagnosis, Report, Rollout, Settings, SoakVerdict, Verdict, trapped_pods,
};
use windlass_core::failure::OUTAGE_PATIENCE;
use windlass_core::object::{ObjectRef, ObjectView};

use crate::engine::Engine;
use crate::run::Run;
use crate::stop::{Cause, Stop, chain};

/// How often a cluster that is out of sight is looked for, to say so.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A release that is being watched.
pub struct Watching {
    rollout: Rollout,
    sight: Sight,
    /// None where no pod may be deleted: only on the way back, or after a release that failed, is an unready pod of another revision one that
    /// nobody wants.
    cast: Option<Cast>,
}

/// What is seen of a release, from when somebody looks.
struct Sight {
    cluster: Cluster,
    scope: Vec<ObjectRef>,
    /// None until somebody asks for a report: a release that is ready at once is never watched.
    reports: Option<Watch>,
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watching").field("scope", &self.sight.scope).finish_non_exhaustive()
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
        Ok(Self { rollout, sight: Sight { cluster, scope, reports: None }, cast: frees.then(Cast::default) })
    }

    /// Waits until every object is ready, or one cannot become so; says meanwhile what is waited for.
    ///
    /// While the cluster is out of sight no time passes for the rollout: silence is no sign of a bad release.
    pub async fn until_settled(&mut self, run: &Run) -> Result<(), Box<Diagnosis>> {
        loop {
            let until = match self.rollout.verdict() {
                Verdict::Settled => return Ok(()),
                Verdict::GaveUp(diagnosis) => return Err(diagnosis.clone()),
                Verdict::Waiting { until } => *until,
            };
            run.engine.announce(run.id(), self.waiting_on());
            let report = self.sight.next(&run.engine, until).await;
            let now = self.sight.now(&run.engine);
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
    pub async fn soak(self, run: &Run, duration: Duration) -> Result<(), Box<Diagnosis>> {
        let Self { rollout, mut sight, .. } = self;
        let mut soak = rollout.soak(sight.now(&run.engine), duration);
        loop {
            let until = match soak.verdict() {
                SoakVerdict::Passed => return Ok(()),
                SoakVerdict::Failed(diagnosis) => return Err(diagnosis.clone()),
                SoakVerdict::Watching { until } => *until,
            };
            let report = sight.next(&run.engine, until).await;
            let now = sight.now(&run.engine);
            match report {
                Some(report) => soak.observe(now, report),
                None => soak.tick(now),
            };
        }
    }

    fn waiting_on(&self) -> Option<String> {
        if self.sight.reports.as_ref().is_some_and(Watch::is_cut_off) {
            return Some("the cluster to answer".to_owned());
        }
        let waiting = self.rollout.progress().waiting_on?;
        let place = waiting.at_object.as_ref().map_or(String::new(), |object| format!(" {object}"));
        Some(format!("{}{place}: {}", waiting.object, waiting.reason))
    }

    /// Deletes the pods that keep a StatefulSet from rolling to what is wanted. One that cannot be deleted shows up in the rollout's time.
    async fn free_trapped(&mut self, report: &Report) {
        for pod in self.cast.as_mut().map(|cast| cast.trapped(report)).unwrap_or_default() {
            tracing::info!(pod = %pod.0, "deleting a pod of an unwanted revision that blocks its StatefulSet");
            let namespace = pod.0.namespace.as_deref().unwrap_or(self.sight.cluster.default_namespace());
            if let Err(error) = self.sight.cluster.delete_pod_now(namespace, &pod.0.name, &pod.1).await {
                tracing::warn!(error = %chain(&error), "could not delete it");
            }
        }
    }
}

impl Sight {
    /// The next report, or none when `until` has come.
    async fn next(&mut self, engine: &Engine, until: Timestamp) -> Option<Report> {
        let nap = until_from(self.now(engine), until);
        // Whoever settled without a watch has no pods in sight yet.
        let reports = self.reports.get_or_insert_with(|| self.cluster.watch(&self.scope));
        // Out of sight, the time that is left stands still, however little it is.
        let nap = if reports.is_cut_off() { nap.max(LOOK_AGAIN) } else { nap };
        let next = async {
            match reports.next().await {
                Some(report) => report,
                // Nothing can be watched: only the time ends this.
                None => std::future::pending().await,
            }
        };
        tokio::time::timeout(nap, next).await.ok()
    }

    /// The time as the rollout counts it: without what passed while the cluster was out of sight, as far as that is borne.
    fn now(&self, engine: &Engine) -> Timestamp {
        let cut_off = self.reports.as_ref().map_or(Duration::ZERO, Watch::cut_off_for).min(OUTAGE_PATIENCE);
        engine.now() - SignedDuration::try_from(cut_off).expect("it is half an hour at most")
    }
}

/// The time from `now` to `until`, with a little more, so that the tick comes after and not just before.
fn until_from(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default() + Duration::from_millis(1)
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
