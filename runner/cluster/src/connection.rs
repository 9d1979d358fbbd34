//! The way into a cluster.

use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::Instant;
use windlass_core::failure::ClusterFailure;
use windlass_core::object::{ObjectRef, ObjectView, Scope};
use windlass_core::provider::Kubeconfig;

use crate::error::{ClusterError, Request, THE_CLUSTER};
use crate::kinds::{Kind, KindCache, check_name, encode};
use crate::kubeconfig;
use crate::transport::{Call, Transport};

/// A connection to a cluster. Clones share it.
///
/// Calls that fail in a way that may pass (no answer, throttled, a server that restarts) are repeated with
/// [`STAGE_RETRIES`](windlass_core::failure::STAGE_RETRIES); every call that windlass makes is safe to repeat. [`Cluster::until`] sets
/// the moment by which all of it must be over.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) transport: Transport,
    kinds: Arc<KindCache>,
    default_namespace: Arc<str>,
    version: Arc<str>,
}

impl Cluster {
    /// Connects with the current context of a kubeconfig and asks the server for its version.
    ///
    /// Kubeconfigs that name programs or files (`exec`, `auth-provider`, `tokenFile`, paths of certificates), a proxy, or a server
    /// whose certificate is not checked are refused.
    pub async fn connect(kubeconfig: &Kubeconfig) -> Result<Cluster, ClusterError> {
        let kubeconfig = kubeconfig::read(kubeconfig.expose())?;
        let request = Request::about("use", "the kubeconfig");
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
                .await
                .map_err(|error| {
                    ClusterError::new(
                        ClusterFailure::Unauthorised,
                        &request,
                        "its current context is not complete",
                    )
                    .caused_by(error)
                })?;
        let transport = Transport::new(&config)?;
        let version = server_version(&transport).await?;
        Ok(Cluster {
            transport,
            kinds: Arc::default(),
            default_namespace: config.default_namespace.as_str().into(),
            version: version.into(),
        })
    }

    /// The same connection, on which nothing is asked and no retry waits after `deadline`. A lease that is trusted until then is not
    /// outlived by a write.
    pub fn until(&self, deadline: Instant) -> Cluster {
        Cluster { transport: self.transport.until(deadline), ..self.clone() }
    }

    /// The namespace of the context, `default` if it names none: where objects live whose manifest names no namespace.
    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// What the API server calls itself: `v1.34.4+k3s1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How far the server's clock is ahead of ours, as its last answer told; negative where it is behind. Times that the server wrote down
    /// (of events, of creations) are by its clock.
    pub fn clock_ahead(&self) -> SignedDuration {
        self.transport.clock.ahead()
    }

    pub(crate) async fn kind(
        &self,
        api_version: &str,
        kind: &str,
        request: &Request,
    ) -> Result<Kind, ClusterError> {
        self.kinds.find(&self.transport, api_version, kind, request).await
    }

    /// The reference of an object with the namespace it lives in: the default one where the manifest names none, and none for kinds of
    /// the whole cluster.
    pub(crate) fn located(&self, mut reference: ObjectRef, scope: Scope) -> ObjectRef {
        match scope {
            Scope::Cluster => reference.namespace = None,
            Scope::Namespaced => {
                reference.namespace.get_or_insert_with(|| self.default_namespace.to_string());
            }
        }
        reference
    }

    /// The path of one object.
    pub(crate) async fn path(
        &self,
        reference: &ObjectRef,
        request: &Request,
    ) -> Result<String, ClusterError> {
        check_name(reference, request)?;
        let kind = self.kind(&reference.api_version, &reference.kind, request).await?;
        let reference = self.located(reference.clone(), kind.scope);
        let collection = kind.collection(&reference.api_version, reference.namespace.as_deref());
        Ok(format!("{collection}/{}", encode(&reference.name)))
    }

    pub(crate) async fn json(&self, call: &Call) -> Result<Value, ClusterError> {
        self.transport.call(call).await?.json(&call.request)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("version", &self.version)
            .field("default_namespace", &self.default_namespace)
            .finish_non_exhaustive()
    }
}

/// Asked first and alone, so that the connection is there for what follows in parallel.
async fn server_version(transport: &Transport) -> Result<String, ClusterError> {
    let request = Request::about("connect to", THE_CLUSTER);
    let answer = transport.call(&Call::get("/version".to_owned(), request.clone())).await?.json(&request)?;
    let version = ObjectView::new(&answer).text("/gitVersion");
    version.map(str::to_owned).ok_or_else(|| {
        let words = "the server has no version; is `server` in the kubeconfig an API server?";
        ClusterError::new(ClusterFailure::UnknownKind, &request, words)
    })
}
