//! Watching a release: every change of its objects and of what their controllers make, as it happens.
//!
//! Each kind in each namespace is listed and then watched from that moment on (Kubernetes API concepts, "Efficient detection of changes").
//! A watch that ends goes on where it was; one that is too old (410) lists again, and what went away meanwhile is reported as deleted.
//! While the cluster cannot be reached the watch is silent and tries on, and tells how long that was: silence says nothing about a release.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures::Stream;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use windlass_core::diagnosis::Report;
use windlass_core::failure::{Backoff, ClusterFailure, FailureClass};
use windlass_core::object::ObjectRef;

use crate::connection::Cluster;
use crate::error::{ClusterError, Request};
use crate::outage::{Gap, Outages};
use crate::read::{list_words, named_kind};
use crate::scope::{Watched, watched};
use crate::status::Status;
use crate::transport::{Call, Failed};

/// How long the server keeps one watch open. Shorter than what load balancers allow, longer than most rollouts.
const OPEN_FOR: Duration = Duration::from_secs(290);

/// A watch of which nothing was heard for this long is a dead connection: the server ends each after [`OPEN_FOR`].
const SILENT_FOR: Duration = Duration::from_mins(5);

/// Waits between tries while the cluster cannot be reached; there is no last one, whoever listens ends it.
const RECONNECT: Backoff =
    Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(5), tries: u32::MAX };

/// Reports that wait to be taken. A consumer that is slower than this slows the watches, and the server ends those that fall too far behind.
const WAITING_REPORTS: usize = 1_024;

/// The reports of a release, in the order they arrive. Dropping it ends the watches.
#[derive(Debug)]
pub struct Watch {
    reports: mpsc::Receiver<Report>,
    outages: Arc<Outages>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// How long any part of the release could not be seen so far, because the cluster did not answer.
    pub fn cut_off_for(&self) -> Duration {
        self.outages.total()
    }

    /// Whether that is so now.
    pub fn is_cut_off(&self) -> bool {
        self.outages.is_open()
    }
}

impl Stream for Watch {
    type Item = Report;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Report>> {
        self.reports.poll_recv(context)
    }
}

impl Cluster {
    /// Watches the objects of a release, what their controllers make, and the events of their namespaces. What is there already is reported
    /// first, as added. `metadata.managedFields` is left out.
    ///
    /// Kinds that are ready as soon as they are stored are not watched. A kind that these credentials may not watch is left out, with a
    /// warning in the log. The stream ends when nothing can be watched.
    pub fn watch(&self, release: &[ObjectRef]) -> Watch {
        let (sender, reports) = mpsc::channel(WAITING_REPORTS);
        let mut tasks = JoinSet::new();
        let outages = Arc::<Outages>::default();
        for target in watched(release, self.default_namespace()) {
            let follower = Follower {
                cluster: self.clone(),
                target,
                reports: sender.clone(),
                known: HashMap::new(),
                outages: Arc::clone(&outages),
                gap: None,
            };
            tasks.spawn(follower.follow());
        }
        Watch { reports, outages, _tasks: tasks }
    }
}

/// One watch, with what it has reported and not yet as deleted.
struct Follower {
    cluster: Cluster,
    target: Watched,
    reports: mpsc::Sender<Report>,
    /// By UID, what identifies an object in a report of its deletion.
    known: HashMap<String, Value>,
    outages: Arc<Outages>,
    /// Open while this watch is cut off.
    gap: Option<Gap>,
}

/// Why a watch ended.
enum End {
    /// It goes on from this resource version.
    GoOn(String),
    /// It is too old; what is there must be listed.
    TooOld,
    /// Nobody listens any more.
    Unheard,
}

/// A line of a watch.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

impl Follower {
    async fn follow(mut self) {
        let mut from: Option<String> = None;
        let mut failed = 0;
        loop {
            match self.turn(from.clone()).await {
                Ok(End::GoOn(version)) => {
                    from = Some(version);
                    failed = 0;
                }
                Ok(End::TooOld) => from = None,
                Ok(End::Unheard) => return,
                Err(error) if is_final(&error) => {
                    tracing::warn!(%error, "not watching");
                    return;
                }
                Err(error) => {
                    failed += 1;
                    // A kind that is not served yet is the release's own trouble, and its time runs.
                    if error.class() == FailureClass::Transient {
                        self.gap.get_or_insert_with(|| Outages::open(&self.outages));
                    }
                    tracing::debug!(%error, failed, "watching again");
                    tokio::time::sleep(RECONNECT.wait_after(failed, 0.5).unwrap_or(RECONNECT.cap)).await;
                }
            }
        }
    }

    /// Lists where there is nothing to go on from, and watches once.
    async fn turn(&mut self, from: Option<String>) -> Result<End, ClusterError> {
        let from = match from {
            Some(version) => version,
            None => match self.list().await? {
                Some(version) => version,
                None => return Ok(End::Unheard),
            },
        };
        self.watch_once(from).await
    }

    /// Reports what is there, and what is not any more; answers from where to watch, or `None` when nobody listens.
    async fn list(&mut self) -> Result<Option<String>, ClusterError> {
        let Watched { api_version, kind, namespace, .. } = &self.target;
        let listed =
            self.cluster.list(api_version, kind, namespace.as_deref(), &self.target.selector()).await?;
        self.gap = None;
        let mut gone = std::mem::take(&mut self.known);
        for object in listed.objects {
            gone.remove(uid_of(&object));
            if !self.report("ADDED", object).await {
                return Ok(None);
            }
        }
        for object in gone.into_values() {
            if !self.report("DELETED", object).await {
                return Ok(None);
            }
        }
        Ok(Some(listed.resource_version))
    }

    async fn watch_once(&mut self, mut version: String) -> Result<End, ClusterError> {
        let request =
            Request::about("watch", list_words(&self.target.kind, self.target.namespace.as_deref()));
        let call = self.call(&version, &request).await?;
        let mut body = match self.cluster.transport.stream(&call).await {
            Ok(body) => body,
            Err(Failed::Status(status)) if status.failure() == ClusterFailure::Expired => {
                return Ok(End::TooOld);
            }
            Err(failed) => return Err(failed.into_error(&request)),
        };
        self.gap = None;
        let mut buffer = BytesMut::new();
        // A broken body is the end of this watch and not a failure: the next one goes on after the last line that came.
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENT_FOR, body.frame()).await {
            let Ok(data) = frame.into_data() else { continue };
            buffer.extend_from_slice(&data);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line = buffer.split_to(end);
                buffer.advance(1);
                match self.line(&line, &mut version, &request).await? {
                    None => {}
                    Some(end) => return Ok(end),
                }
            }
        }
        Ok(End::GoOn(version))
    }

    async fn call(&self, version: &str, request: &Request) -> Result<Call, ClusterError> {
        let Watched { api_version, kind, namespace, .. } = &self.target;
        let kind = self.cluster.kind(api_version, kind, request).await?;
        let collection = kind.collection(api_version, namespace.as_deref());
        let query = self.target.selector().query();
        let path = format!(
            "{collection}?watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={}{query}",
            OPEN_FOR.as_secs()
        );
        Ok(Call::get(path, request.clone()))
    }

    /// Takes one line in; answers when the watch is over.
    async fn line(
        &mut self,
        line: &[u8],
        version: &mut String,
        request: &Request,
    ) -> Result<Option<End>, ClusterError> {
        let Ok(Line { kind, object }) = serde_json::from_slice(line) else {
            return Err(ClusterError::new(
                ClusterFailure::ServerError,
                request,
                "a line of the watch is not JSON",
            ));
        };
        if kind == "ERROR" {
            let status = Status::of_event(object);
            let is_old = status.failure() == ClusterFailure::Expired;
            return if is_old { Ok(Some(End::TooOld)) } else { Err(status.into_error(request)) };
        }
        if let Some(seen) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
            seen.clone_into(version);
        }
        if kind == "BOOKMARK" || self.report(&kind, object).await { Ok(None) } else { Ok(Some(End::Unheard)) }
    }

    /// Hands a report on; `false` when nobody listens.
    async fn report(&mut self, change: &str, object: Value) -> bool {
        let mut object = named_kind(object, &self.target.api_version, &self.target.kind);
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        // Events go by age, and their end says nothing.
        if self.target.kind != "Event" {
            let uid = uid_of(&object).to_owned();
            match change {
                "DELETED" => self.known.remove(&uid),
                _ => self.known.insert(uid, remembered(&object)),
            };
        }
        match Report::of_watch(change, object) {
            Some(report) => self.reports.send(report).await.is_ok(),
            None => true,
        }
    }
}

fn uid_of(object: &Value) -> &str {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}

/// What a report of a deletion needs of an object.
fn remembered(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "labels": metadata["labels"],
            "ownerReferences": metadata["ownerReferences"],
        },
    })
}

/// Whether trying again cannot help. A kind that is not served yet may come with a definition of the release.
fn is_final(error: &ClusterError) -> bool {
    matches!(
        error.failure(),
        ClusterFailure::Forbidden
            | ClusterFailure::Unauthorised
            | ClusterFailure::UntrustedCertificate
            | ClusterFailure::Invalid
    )
}
