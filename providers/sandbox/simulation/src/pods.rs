//! Gives every pod that is bound to a simulated node a worker, and tells the API server what the workers say.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt, TryStreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodStatus, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;

use crate::facts::{Facts, ObjectKind, references};
use crate::live::{LivePod, Registry, address};
use crate::pod::{Effect, Occurrence};
use crate::recorder::{Record, Recorder};

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
    let namespace = pod.namespace().unwrap_or_default();
    tokio::spawn(record(client.clone(), namespace, Recorder::new(pod.clone()), occurrences));
    loop {
        let facts = facts(&client, &pod).await;
        let (effects, next) = live.with_worker(|worker, now| (worker.wake(now, &facts), worker.next()));
        for (_, effect) in effects {
            if let Err(error) = tell(&client, &pod, effect, &events).await {
                tracing::debug!(pod = pod.name_any(), %error, "telling the API server");
            }
        }
        live.changed();
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
    live.changed();
}

async fn record(
    client: Client,
    namespace: String,
    mut recorder: Recorder,
    mut occurrences: mpsc::UnboundedReceiver<Occurrence>,
) {
    while let Some(occurrence) = occurrences.recv().await {
        // The namespace may be on its way out; a kubelet drops such events as well.
        if let Err(error) =
            write_event(&client, &namespace, recorder.record(occurrence, Timestamp::now())).await
        {
            tracing::debug!(%error, "writing an event");
        }
    }
}

async fn write_event(client: &Client, namespace: &str, record: Record) -> kube::Result<()> {
    let events: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(client.clone(), namespace);
    match record {
        Record::First(event) => drop(events.create(&PostParams::default(), &event).await?),
        Record::Again { name, count, last } => {
            let patch = json!({ "count": count, "lastTimestamp": last });
            events.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
    }
    Ok(())
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
