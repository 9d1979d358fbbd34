//! The nodes of a sandbox: simulated ones, in this process.
//!
//! What a pod does and tells is decided by `windlass-simulation`, as on the simulated nodes of the project's test bed, and held there to what a real
//! kubelet was seen to do. Here it is only carried from and to the [`Objects`].

mod faults;
mod life;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use windlass_simulation::output::{Output, Wanted};
use windlass_simulation::{LivePod, Registry, address, node};

use crate::kubelet::{Kubelet, LogError, LogRequest, LogText};
use crate::objects::kinds::{NODE, POD};
use crate::objects::{ChangeKind, ObjectError, Objects};

pub use faults::{Faults, UnknownFault};
use life::live;

/// The simulated nodes of a cluster. They stop when this is dropped.
#[derive(Debug)]
pub struct Nodes {
    registry: Registry,
    faults: Faults,
    task: JoinHandle<()>,
}

impl Nodes {
    /// Adds so many nodes to a cluster and lets them run the pods that are bound to them.
    ///
    /// # Errors
    /// When there are nodes of these names already.
    pub fn start(objects: Objects, count: usize) -> Result<Self, ObjectError> {
        let names = node::names(count);
        for name in &names {
            objects.create(&NODE, node::object(name, 0))?;
        }
        let (registry, faults) = (Registry::default(), Faults::default());
        let house = House {
            objects,
            names: names.into_iter().collect(),
            registry: registry.clone(),
            faults: faults.clone(),
            workers: HashMap::new(),
            lives: JoinSet::new(),
            addresses: 0,
        };
        Ok(Self { registry, faults, task: tokio::spawn(house.go_on()) })
    }

    /// What goes wrong on these nodes.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All pods of all nodes.
struct House {
    objects: Objects,
    names: BTreeSet<String>,
    registry: Registry,
    faults: Faults,
    /// Whom to tell what becomes of a pod, by its UID.
    workers: HashMap<String, mpsc::UnboundedSender<Pod>>,
    lives: JoinSet<()>,
    addresses: u32,
}

impl House {
    async fn go_on(mut self) {
        loop {
            let listed = self.objects.list(&POD, None);
            for pod in &listed.items {
                self.take_up(pod);
            }
            let Ok(mut watch) = self.objects.watch(&POD, None, listed.version) else { continue };
            // A watch that has fallen behind ends: then everything is looked at again.
            while let Some(Ok(change)) = watch.next().await {
                if change.kind == ChangeKind::Deleted {
                    self.workers.remove(change.object["metadata"]["uid"].as_str().unwrap_or_default());
                } else {
                    self.take_up(&change.object);
                }
                while self.lives.try_join_next().is_some() {}
            }
        }
    }

    /// Gives a pod of these nodes a worker, or tells its worker what has changed.
    fn take_up(&mut self, object: &Value) {
        let node = object["spec"]["nodeName"].as_str();
        if !node.is_some_and(|node| self.names.contains(node)) {
            return;
        }
        let Ok(mut pod) = Pod::deserialize(object) else { return };
        self.faults.afflict(&mut pod);
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        if let Some(worker) = self.workers.get(&uid) {
            // A worker that has ended needs no news.
            let _ = worker.send(pod);
            return;
        }
        let (worker, updates) = mpsc::unbounded_channel();
        self.workers.insert(uid, worker);
        let ip = address(self.addresses);
        self.addresses = self.addresses.wrapping_add(1);
        self.lives.spawn(live(self.objects.clone(), pod, ip, self.registry.clone(), updates));
    }
}

#[async_trait]
impl Kubelet for Nodes {
    async fn log(&self, request: &LogRequest) -> Result<LogText, LogError> {
        let missing = || LogError { code: 404, message: format!("pod \"{}\" not found", request.pod) };
        let pod = self.registry.find(&request.namespace, &request.pod).ok_or_else(missing)?;
        let output = read(&pod, request).map_err(|message| LogError { code: 400, message })?;
        let first = Bytes::from(output.shown(wanted(request)));
        let text = futures::stream::once(async { first });
        if !request.follow {
            return Ok(text.boxed());
        }
        let end = until_over(pod, request.clone(), output);
        Ok(text.chain(futures::stream::once(end).filter_map(|()| async { None })).boxed())
    }
}

fn read(pod: &LivePod, request: &LogRequest) -> Result<Output, String> {
    pod.with_worker(|worker, now| worker.output(&request.container, request.previous, now))
}

fn wanted(request: &LogRequest) -> Wanted {
    let count = |count: Option<u64>| count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    Wanted {
        timestamps: request.timestamps,
        lines: count(request.tail_lines),
        bytes: count(request.limit_bytes),
    }
}

/// Waits for the end of the run that wrote an output.
async fn until_over(pod: Arc<LivePod>, request: LogRequest, first: Output) {
    let mut changes = pod.changes();
    let mut is_over = first.is_over;
    while !is_over && changes.changed().await.is_ok() {
        is_over = read(&pod, &request).map_or(true, |now| now.is_over || now.written != first.written);
    }
}

#[cfg(test)]
mod tests;
