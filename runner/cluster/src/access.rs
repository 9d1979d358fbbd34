//! What a connection is good for: which rights its credentials have, and how far its server's clock is away.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::json;
use windlass_core::object::{ObjectRef, ObjectView, Scope};

use crate::connection::Cluster;
use crate::error::{ClusterError, Request, THE_CLUSTER};
use crate::transport::Call;

/// Where the API server answers which rights whoever asks has; everybody may ask about oneself.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Something that is done to objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`.
    pub verb: &'static str,
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// A part of the object, such as `log` of a pod.
    pub part: Option<&'static str>,
    /// Where; without one the context's own namespace, or the whole cluster for kinds that live there.
    pub namespace: Option<String>,
}

impl Cluster {
    /// Whether the credentials have a right (`SelfSubjectAccessReview`). Changes nothing.
    pub async fn may(&self, right: &Right) -> Result<bool, ClusterError> {
        let request = Request::about("ask for the rights in", THE_CLUSTER);
        let kind = self.kind(&right.api_version, &right.kind, &request).await?;
        let group = right.api_version.split_once('/').map_or("", |(group, _)| group);
        let mut attributes = json!({"verb": right.verb, "group": group, "resource": kind.plural});
        if let Some(part) = right.part {
            attributes["subresource"] = json!(part);
        }
        if kind.scope == Scope::Namespaced {
            attributes["namespace"] = json!(right.namespace.as_deref().unwrap_or(self.default_namespace()));
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let call = Call::with_body(http::Method::POST, REVIEWS.to_owned(), &review, request);
        let answer = self.json(&call).await?;
        Ok(ObjectView::new(&answer).flag("/status/allowed"))
    }

    /// The API server's clock, to the second, as its answers say (HTTP `Date`); none if it says nothing.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, ClusterError> {
        let call = Call::get("/version".to_owned(), Request::about("ask for the time of", THE_CLUSTER));
        let date = self.transport.call(&call).await?.date;
        Ok(date.and_then(|date| DateTimeParser::new().parse_timestamp(&date).ok()))
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        self.transport.server()
    }

    /// Whether a storage class is there.
    pub async fn has_storage_class(&self, name: &str) -> Result<bool, ClusterError> {
        let reference = ObjectRef {
            api_version: "storage.k8s.io/v1".to_owned(),
            kind: "StorageClass".to_owned(),
            namespace: None,
            name: name.to_owned(),
        };
        Ok(self.get(&reference).await?.is_some())
    }
}
