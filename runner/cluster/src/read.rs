//! Reading: single objects, many at once, lists, logs.

use futures::FutureExt as _;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use windlass_core::diagnosis::LogRequest;
use windlass_core::failure::ClusterFailure;
use windlass_core::object::ObjectRef;

use crate::connection::Cluster;
use crate::error::{ClusterError, Request};
use crate::kinds::encode;
use crate::transport::{Call, Failed};

/// How many calls are under way at once: enough to hide the latency of a remote API server, and below what one user is granted by the default
/// priority levels.
pub(crate) const PARALLEL: usize = 16;

/// Which objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// A label selector: `app=api,tier!=cache`.
    pub labels: Option<String>,
    /// A field selector: `metadata.name=api`.
    pub fields: Option<String>,
}

impl Selector {
    /// Everything.
    pub fn all() -> Selector {
        Selector::default()
    }

    /// Objects with these labels.
    pub fn labels(selector: impl Into<String>) -> Selector {
        Selector { labels: Some(selector.into()), fields: None }
    }

    /// The object of a name.
    pub fn name(name: &str) -> Selector {
        Selector { labels: None, fields: Some(format!("metadata.name={name}")) }
    }

    pub(crate) fn query(&self) -> String {
        let part = |name: &str, value: &Option<String>| {
            value.as_ref().map_or(String::new(), |value| format!("&{name}={}", encode(value)))
        };
        part("labelSelector", &self.labels) + &part("fieldSelector", &self.fields)
    }
}

/// A list of objects and the moment it is true for.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The objects, each with `apiVersion` and `kind`.
    pub objects: Vec<Value>,
    /// From where a watch continues.
    pub resource_version: String,
}

impl Cluster {
    /// An object as it is, `None` if there is none. A kind that the cluster does not know is an error.
    pub async fn get(&self, reference: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let request = Request::of("read", reference);
        let path = self.path(reference, &request).await?;
        match self.transport.try_call(&Call::get(path, request.clone())).await {
            Ok(answer) => answer.json(&request).map(Some),
            Err(Failed::Status(status)) if status.failure() == ClusterFailure::NotFound => Ok(None),
            Err(failed) => Err(failed.into_error(&request)),
        }
    }

    /// Many objects as they are, in the order asked.
    pub async fn read_back(&self, references: &[ObjectRef]) -> Result<Vec<Option<Value>>, ClusterError> {
        // Collected first: a stream that still borrows its closure is not `Send` for every lifetime (rust-lang/rust#102211).
        let asked: Vec<_> = references.iter().map(|reference| self.get(reference).boxed()).collect();
        futures::stream::iter(asked).buffered(PARALLEL).try_collect().await
    }

    /// The objects of a kind, in one namespace or in all.
    pub async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Listed, ClusterError> {
        let request = Request::about("list", list_words(kind, namespace));
        let collection = self.kind(api_version, kind, &request).await?.collection(api_version, namespace);
        let path = format!("{collection}?{}", selector.query().trim_start_matches('&'));
        let mut list = self.json(&Call::get(path, request)).await?;
        let objects = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => {
                items.into_iter().map(|item| named_kind(item, api_version, kind)).collect()
            }
            _ => Vec::new(),
        };
        let resource_version =
            list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        Ok(Listed { objects, resource_version: resource_version.to_owned() })
    }

    /// The end of what a container wrote. Bytes that are not UTF-8 are replaced.
    pub async fn logs(&self, wanted: &LogRequest) -> Result<String, ClusterError> {
        let LogRequest { namespace, pod, container, .. } = wanted;
        let request =
            Request::about("read the log of", format!("container `{container}` of `Pod {namespace}/{pod}`"));
        let pod = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: Some(namespace.clone()),
            name: pod.clone(),
        };
        let path = self.path(&pod, &request).await?;
        let (container, previous, lines) = (encode(container), wanted.previous, wanted.tail_lines);
        let path = format!("{path}/log?container={container}&previous={previous}&tailLines={lines}");
        let answer = self.transport.call(&Call::get(path, request)).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

pub(crate) fn list_words(kind: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("objects of kind `{kind}` in namespace `{namespace}`"),
        None => format!("objects of kind `{kind}`"),
    }
}

/// Items of a list do not carry the kind, the list does.
pub(crate) fn named_kind(mut item: Value, api_version: &str, kind: &str) -> Value {
    if let Value::Object(fields) = &mut item {
        fields.entry("apiVersion").or_insert_with(|| api_version.into());
        fields.entry("kind").or_insert_with(|| kind.into());
    }
    item
}
