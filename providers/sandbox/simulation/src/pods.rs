//! Gives every pod that is bound to a simulated node a worker, and tells the API server what the workers say.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodStatus, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::Moment;
use crate::facts::{Facts, ObjectKind, references};
use crate::pod::{Effect, Occurrence, PodWorker};
use crate::recorder::Recorder;

/// The pods that live on simulated nodes now, by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    pods: Arc<Mutex<LivePods>>,
}

type LivePods = HashMap<(String, String), Arc<LivePod>>;

/// A pod with its worker and the time it lives in.
#[derive(Debug)]
pub struct LivePod {
    worker: Mutex<PodWorker>,
    began: Instant,
    speed: f64,
    changes: watch::Sender<()>,
}

impl Registry {
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<Arc<LivePod>> {
        self.locked().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, LivePods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, pod: &Pod, live: Arc<LivePod>) {
        self.locked().insert(key(pod), live);
    }

    /// Forgets a pod, unless another has taken its name.
    fn remove(&self, pod: &Pod, live: &Arc<LivePod>) {
        let mut pods = self.locked();
        if pods.get(&key(pod)).is_some_and(|found| Arc::ptr_eq(found, live)) {
            pods.remove(&key(pod));
        }
    }
}

fn key(pod: &Pod) -> (String, String) {
    (pod.namespace().unwrap_or_default(), pod.name_any())
}

impl LivePod {
    fn new(pod: Pod, ip: String) -> Self {
        let worker = PodWorker::new(pod, Timestamp::now(), ip);
        let speed = worker.speed();
        Self { worker: Mutex::new(worker), began: Instant::now(), speed, changes: watch::Sender::new(()) }
    }

    pub(crate) fn with_worker<T>(&self, look: impl FnOnce(&mut PodWorker, Moment) -> T) -> T {
        let now = self.began.elapsed().mul_f64(self.speed);
        look(&mut self.worker.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn instant(&self, moment: Moment) -> Instant {
        self.began + moment.div_f64(self.speed)
    }
}

/// Works on the pods of these nodes until the watch ends for good.
///
/// # Errors
/// When the API server refuses the watch.
pub async fn simulate(
    client: Client,
    nodes: BTreeSet<String>,
    registry: Registry,
) -> Result<(), watcher::Error> {
    let mut workers: HashMap<String, mpsc::UnboundedSender<Pod>> = HashMap::new();
    let addresses = AtomicU32::new(0);
    let events =
        watcher::watcher(Api::<Pod>::all(client.clone()), watcher::Config::default()).default_backoff();
    pin_mut!(events);
    // A failed watch is taken up again by the watcher itself.
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
                if !node.is_some_and(|node| nodes.contains(node)) {
                    continue;
                }
                let sender = workers.entry(pod.uid().unwrap_or_default()).or_insert_with(|| {
                    let (sender, updates) = mpsc::unbounded_channel();
                    let ip = address(addresses.fetch_add(1, Ordering::Relaxed));
                    tokio::spawn(live(client.clone(), pod.clone(), ip, registry.clone(), updates));
                    sender
                });
                // A worker that has ended needs no news.
                let _ = sender.send(pod);
            }
            Ok(Event::Delete(pod)) => drop(workers.remove(&pod.uid().unwrap_or_default())),
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => tracing::warn!(%error, "watching pods"),
        }
    }
    Ok(())
}

/// Addresses of pods, counted through 10.64.0.0/10, which nothing on the machine routes.
fn address(number: u32) -> String {
    let number = (number % 0x003f_ff00) + 1;
    format!("10.{}.{}.{}", 64 + (number >> 16), (number >> 8) & 0xff, number & 0xff)
}

/// The life of one pod, from its binding to its removal.
async fn live(
    client: Client,
    pod: Pod,
    ip: String,
    registry: Registry,
    mut updates: mpsc::UnboundedReceiver<Pod>,
) {
    let live = Arc::new(LivePod::new(pod.clone(), ip));
    registry.add(&pod, live.clone());
    let (events, occurrences) = mpsc::unbounded_channel();
    // Like a kubelet, it does not wait for its events to be written.
    tokio::spawn(record(client.clone(), Recorder::new(pod.clone()), occurrences));
    loop {
        let facts = facts(&client, &pod).await;
        let (effects, next) = live.with_worker(|worker, now| (worker.wake(now, &facts), worker.next()));
        for (_, effect) in effects {
            if let Err(error) = tell(&client, &pod, effect, &events).await {
                tracing::debug!(pod = pod.name_any(), %error, "telling the API server");
            }
        }
        live.changes.send_replace(());
        let pause = async {
            match next {
                Some(moment) => tokio::time::sleep_until(live.instant(moment)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            update = updates.recv() => match update {
                Some(update) => live.with_worker(|worker, now| worker.update(update, now)),
                None => break,
            },
        }
    }
    registry.remove(&pod, &live);
    live.changes.send_replace(());
}

async fn record(
    client: Client,
    mut recorder: Recorder,
    mut occurrences: mpsc::UnboundedReceiver<Occurrence>,
) {
    while let Some(occurrence) = occurrences.recv().await {
        // The namespace may be on its way out; a kubelet drops such events as well.
        if let Err(error) = recorder.tell(&client, occurrence).await {
            tracing::debug!(%error, "writing an event");
        }
    }
}

async fn tell(
    client: &Client,
    pod: &Pod,
    effect: Effect,
    events: &mpsc::UnboundedSender<Occurrence>,
) -> kube::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    match effect {
        // The receiver lives as long as this pod.
        Effect::Event(occurrence) => drop(events.send(occurrence)),
        Effect::Status(status) => write_status(&pods, pod, &status).await?,
        Effect::Gone => {
            let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            pods.delete(&pod.name_any(), &parameters.grace_period(0)).await?;
        }
    }
    Ok(())
}

async fn write_status(pods: &Api<Pod>, pod: &Pod, status: &PodStatus) -> kube::Result<()> {
    // With the uid, a pod of the same name that came after is left alone.
    let patch = json!({ "metadata": { "uid": pod.uid() }, "status": status });
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Looks up the objects that a pod names.
async fn facts(client: &Client, pod: &Pod) -> Facts {
    let namespace = pod.namespace().unwrap_or_default();
    let names: Vec<_> = references(pod).into_iter().map(Ok).collect();
    let found = futures::stream::iter(names).and_then(|(kind, name)| {
        let (client, namespace) = (client.clone(), namespace.clone());
        async move { Ok::<_, kube::Error>((kind, name.clone(), keys(client, &namespace, kind, &name).await?)) }
    });
    let found: Vec<_> = found.try_collect().await.unwrap_or_default();
    let mut facts = Facts::default();
    for (kind, name, keys) in found {
        if let Some(keys) = keys {
            facts.add(kind, name, keys);
        }
    }
    facts
}

async fn keys(
    client: Client,
    namespace: &str,
    kind: ObjectKind,
    name: &str,
) -> kube::Result<Option<Vec<String>>> {
    Ok(match kind {
        ObjectKind::ConfigMap => {
            Api::<ConfigMap>::namespaced(client, namespace).get_opt(name).await?.map(|map| {
                let text = map.data.unwrap_or_default().into_keys();
                text.chain(map.binary_data.unwrap_or_default().into_keys()).collect()
            })
        }
        ObjectKind::Secret => {
            let secret = Api::<Secret>::namespaced(client, namespace).get_opt(name).await?;
            secret.map(|secret| secret.data.unwrap_or_default().into_keys().collect())
        }
    })
}
