//! Pods that are alive, each with its worker and the time it lives in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Moment;
use crate::pod::PodWorker;

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
    /// A pod by namespace and name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<LivePod>> {
        self.locked().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, LivePods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a pod that has come alive.
    pub fn add(&self, pod: &Pod, live: Arc<LivePod>) {
        self.locked().insert(key(pod), live);
    }

    /// Forgets a pod, unless another has taken its name.
    pub fn remove(&self, pod: &Pod, live: &Arc<LivePod>) {
        let mut pods = self.locked();
        if pods.get(&key(pod)).is_some_and(|found| Arc::ptr_eq(found, live)) {
            pods.remove(&key(pod));
        }
    }
}

fn key(pod: &Pod) -> (String, String) {
    let metadata = &pod.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

impl LivePod {
    /// A pod that is taken up now and gets the address `ip`.
    pub fn new(pod: Pod, ip: String) -> Self {
        let worker = PodWorker::new(pod, Timestamp::now(), ip);
        let speed = worker.speed();
        Self { worker: Mutex::new(worker), began: Instant::now(), speed, changes: watch::Sender::new(()) }
    }

    /// Looks at the worker at this moment of its life.
    pub fn with_worker<T>(&self, look: impl FnOnce(&mut PodWorker, Moment) -> T) -> T {
        let now = self.began.elapsed().mul_f64(self.speed);
        look(&mut self.worker.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Wakes whenever something has happened to the pod.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Tells that something has happened.
    pub fn changed(&self) {
        self.changes.send_replace(());
    }

    /// When a moment of its life is.
    pub fn instant(&self, moment: Moment) -> Instant {
        self.began + moment.div_f64(self.speed)
    }
}

/// Addresses of pods, counted through 10.64.0.0/10, which nothing on the machine routes.
pub fn address(number: u32) -> String {
    let number = (number % 0x003f_ff00) + 1;
    format!("10.{}.{}.{}", 64 + (number >> 16), (number >> 8) & 0xff, number & 0xff)
}
