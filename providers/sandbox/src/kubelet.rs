//! What the API server asks of the node that a pod is on.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

/// The nodes of a cluster, as far as the API server asks them.
#[async_trait]
pub trait Kubelet: fmt::Debug + Send + Sync + 'static {
    /// What a container wrote. With `follow` the text goes on until the container ends.
    async fn log(&self, request: &LogRequest) -> Result<LogText, LogError>;
}

/// Output, piece by piece as it is written.
pub type LogText = BoxStream<'static, Bytes>;

/// Whose output is wanted, and how much of it: the parameters of `/api/v1/namespaces/{}/pods/{}/log`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The output of the instance before the present one.
    pub previous: bool,
    /// Go on with what is written from now on.
    pub follow: bool,
    /// Each line begins with the time it was written at.
    pub timestamps: bool,
    /// Only so many lines from the end.
    pub tail_lines: Option<u64>,
    /// Only so many bytes.
    pub limit_bytes: Option<u64>,
}

/// A node has no output to give, in a kubelet's words: `container "main" in pod "db-0" is waiting to start: ImagePullBackOff`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LogError {
    /// The HTTP status of the answer: 400 where there is no such output, 404 where the node does not know the pod.
    pub code: u16,
    /// Why.
    pub message: String,
}
