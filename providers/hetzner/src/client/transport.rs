//! One request to the API and its answer, over a connection that is kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::{ExposeSecret as _, SecretString};

use crate::client::error::ClientError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Far above a page of fifty servers.
const LARGEST_ANSWER: usize = 32 << 20;
const AGENT: &str = concat!("windlass/", env!("CARGO_PKG_VERSION"));

type HttpClient = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The way to one endpoint, with the token that it asks for.
#[derive(Clone)]
pub struct Transport {
    http: HttpClient,
    endpoint: Arc<str>,
    authorization: HeaderValue,
    timeout: Duration,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A header that is a number.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }
}

/// The token holds characters that no header can.
#[derive(Debug, thiserror::Error)]
#[error("the API token holds characters that no token has")]
pub struct BadToken;

impl Transport {
    pub fn new(endpoint: &str, token: &SecretString, timeout: Duration) -> Result<Self, BadToken> {
        let header = format!("Bearer {}", token.expose_secret().trim());
        let mut authorization = HeaderValue::from_str(&header).map_err(|_| BadToken)?;
        authorization.set_sensitive(true);
        let endpoint = endpoint.trim_end_matches('/').into();
        Ok(Self { http: http_client(), endpoint, authorization, timeout })
    }

    /// Sends a request and reads its answer, whatever it says.
    pub async fn send(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer, ClientError> {
        let call = call(&method, path);
        let request = self.request(method, path, body);
        let request =
            request.map_err(|source| ClientError::NotSent { call: call.clone(), source: source.into() })?;
        match tokio::time::timeout(self.timeout, self.exchange(&call, request)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(ClientError::NoAnswer { call, source: elapsed.into() }),
        }
    }

    fn request(&self, method: Method, path: &str, body: Option<Bytes>) -> http::Result<Request<Full<Bytes>>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, AGENT);
        match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(Full::new(body)),
            None => request.body(Full::default()),
        }
    }

    async fn exchange(&self, call: &str, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let call = || call.to_owned();
        let answer = self.http.request(request).await.map_err(|error| {
            if error.is_connect() {
                ClientError::NotSent { call: call(), source: error.into() }
            } else {
                ClientError::NoAnswer { call: call(), source: error.into() }
            }
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await;
        let body = body.map_err(|source| ClientError::NoAnswer { call: call(), source })?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// A call as errors name it: without what is asked in the query.
pub fn call(method: &Method, path: &str) -> String {
    format!("{method} {}", path.split('?').next().unwrap_or_default())
}

fn http_client() -> HttpClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls())
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp);
    hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// TLS with the authorities that the system trusts.
fn tls() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    // Authorities that cannot be read are left out; without any, the first call says that the certificate is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows the versions of TLS that rustls takes by default")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
