//! The few calls of the Kubernetes API that tell whether a cluster is ready and let a node leave it.
//!
//! Not a client for work in clusters: that is `windlass-cluster`, which providers do not know. Its certificate is checked against the authority in
//! the kubeconfig, under the name that the kubeconfig names, so that a certificate which does not cover it shows here.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use windlass_core::provider::Kubeconfig;

use crate::machines::MachineError;

const TIMEOUT: Duration = Duration::from_secs(20);
const LARGEST_ANSWER: usize = 64 << 20;
const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// A cluster's API.
pub(crate) struct Kubernetes {
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
}

impl Kubernetes {
    /// By the kubeconfig that the provider wrote itself. Nothing is asked yet.
    pub(crate) fn connect(way: &Kubeconfig) -> Result<Self, MachineError> {
        let broken = || MachineError::lasting("the kubeconfig is not one that this provider wrote");
        let read: Value = serde_json::from_str(way.expose()).map_err(|_| broken())?;
        let pem = |path: &str| {
            let text = read.pointer(path).and_then(Value::as_str).ok_or_else(broken)?;
            STANDARD.decode(text).map_err(|_| broken())
        };
        let (authority, certificate, key) = (
            pem("/clusters/0/cluster/certificate-authority-data")?,
            pem("/users/0/user/client-certificate-data")?,
            pem("/users/0/user/client-key-data")?,
        );
        let tls = tls(&authority, &certificate, &key).ok_or_else(broken)?;
        let server = read.pointer("/clusters/0/cluster/server").and_then(Value::as_str).ok_or_else(broken)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(TIMEOUT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, server: server.trim_end_matches('/').to_owned() })
    }

    /// All objects of a list.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, MachineError> {
        let mut answer = self.get(path).await?.unwrap_or_default();
        match answer["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// An object; nothing if it is not there.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>, MachineError> {
        self.call(Method::GET, path, None).await
    }

    /// Changes some fields of an object.
    pub(crate) async fn merge(&self, path: &str, change: &Value) -> Result<(), MachineError> {
        self.call(Method::PATCH, path, Some((MERGE, change))).await.map(drop)
    }

    /// Asks for an eviction. One that is refused for the moment is asked for again later by whoever waits.
    pub(crate) async fn evict(&self, path: &str, eviction: &Value) -> Result<(), MachineError> {
        match self.send(Method::POST, path, Some((JSON, eviction))).await? {
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_FOUND, _) => Ok(()),
            (status, body) => self.judged("POST", path, status, &body).map(drop),
        }
    }

    /// Deletes an object; one that is not there is gone already.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), MachineError> {
        self.call(Method::DELETE, path, None).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Option<Value>, MachineError> {
        let word = method.to_string();
        let (status, body) = self.send(method, path, body).await?;
        self.judged(&word, path, status, &body)
    }

    fn judged(
        &self,
        method: &str,
        path: &str,
        status: StatusCode,
        body: &[u8],
    ) -> Result<Option<Value>, MachineError> {
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        if status.is_success() {
            return Ok(Some(said));
        }
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let message = said["message"].as_str().unwrap_or("no reason given");
        let path = path.split('?').next().unwrap_or_default();
        let what =
            format!("`{method} {path}` of {} was answered with {}: {message}", self.server, status.as_u16());
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Err(if passes { MachineError::passing(what) } else { MachineError::lasting(what) })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(StatusCode, Bytes), MachineError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.server));
        let mut sent = Bytes::new();
        if let Some((kind, value)) = body {
            request = request.header(CONTENT_TYPE, kind);
            sent = value.to_string().into();
        }
        let silent =
            || MachineError::passing(format!("the Kubernetes API at {} does not answer", self.server));
        let request = request.body(Full::new(sent)).map_err(|error| silent().caused_by(error))?;
        let answered = tokio::time::timeout(TIMEOUT, async {
            let answer = self.http.request(request).await.map_err(|error| silent().caused_by(error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| silent().caused_by(error))?;
            Ok((head.status, body.to_bytes()))
        });
        answered.await.map_err(|elapsed| silent().caused_by(elapsed))?
    }
}

fn tls(authority: &[u8], certificate: &[u8], key: &[u8]) -> Option<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authority) {
        roots.add(authority.ok()?).ok()?;
    }
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(key).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    builder.with_root_certificates(roots).with_client_auth_cert(chain, key).ok()
}
