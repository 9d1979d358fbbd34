//! Requests over one kept connection, with a deadline and with retries.
//!
//! kube reads the kubeconfig, sets up TLS and adds the credentials; the connection below is made here: HTTP/2 where the server offers it, so
//! that a whole set of dry runs and every watch share one TLS handshake, and without Nagle's delay.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use kube::client::{Body, ConfigExt as _};
use serde_json::Value;
use tokio::time::Instant;
use tower::{BoxError, ServiceBuilder};
use tracing::Instrument as _;
use windlass_core::failure::{ClusterFailure, STAGE_RETRIES};

use crate::clock::ServerClock;
use crate::error::{ClusterError, Request};
use crate::route::Route;
use crate::status::Status;

/// How long one call may take. A lease is trusted this much longer than the last write needs, so no call may wait longer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// How long to wait for a TCP connection and its TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an open connection is asked whether it still lives: a watch on a dead one would be silent for ever.
const PING_EVERY: Duration = Duration::from_secs(10);

/// How much of a stream may be on the way unread. Lists of thousands of objects otherwise stop at every 64 KiB.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A call: what is sent, and its words for messages.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: http::Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) request: Request,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// The API server's `Warning` headers (RFC 7234 5.5, code 299): deprecated versions, Pod Security, duplicate names.
    pub(crate) warnings: Vec<String>,
    /// When the server wrote the answer, in its own words.
    pub(crate) date: Option<String>,
}

/// What a failed try leaves behind: the `Status` where the server answered.
pub(crate) enum Failed {
    Status(Status),
    Other(ClusterError),
}

impl Failed {
    pub(crate) fn into_error(self, request: &Request) -> ClusterError {
        match self {
            Failed::Status(status) => status.into_error(request),
            Failed::Other(error) => error,
        }
    }
}

impl Call {
    pub(crate) fn get(path: String, request: Request) -> Call {
        Call { method: http::Method::GET, path, content_type: "", body: Bytes::new(), request }
    }

    /// A call with a JSON body.
    pub(crate) fn with_body(method: http::Method, path: String, body: &Value, request: Request) -> Call {
        Call { method, path, content_type: "application/json", body: encode(body), request }
    }

    /// A JSON merge patch (RFC 7396).
    pub(crate) fn merge(path: String, body: &Value, request: &Request) -> Call {
        let content_type = "application/merge-patch+json";
        Call { method: http::Method::PATCH, path, content_type, body: encode(body), request: request.clone() }
    }

    /// A server-side apply. JSON is YAML, and the only type that every supported server takes for apply is the YAML one.
    pub(crate) fn apply(path: String, body: &Value, request: Request) -> Call {
        let content_type = "application/apply-patch+yaml";
        Call { method: http::Method::PATCH, path, content_type, body: encode(body), request }
    }
}

fn encode(body: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(body).expect("JSON values always serialise"))
}

impl Answer {
    pub(crate) fn json(&self, request: &Request) -> Result<Value, ClusterError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let words = "the server's answer is not JSON; is `server` in the kubeconfig an API server?";
            // The category of the error and its place say enough; its text may quote the answer.
            ClusterError::new(
                ClusterFailure::ServerError,
                request,
                format!("{words} (line {})", error.line()),
            )
        })
    }
}

/// One connection to an API server, shared by everything that is asked of it.
#[derive(Clone)]
pub(crate) struct Transport {
    client: kube::Client,
    /// The server's address, for messages.
    server: Arc<str>,
    pub(crate) clock: Arc<ServerClock>,
    /// No call is made and no retry waits beyond this moment.
    deadline: Option<Instant>,
}

impl Transport {
    pub(crate) fn new(config: &kube::Config) -> Result<Transport, ClusterError> {
        let request = Request::about("use", "the kubeconfig");
        let unusable = |error: kube::Error| {
            ClusterError::new(
                ClusterFailure::Unauthorised,
                &request,
                "its certificates or keys cannot be used",
            )
            .caused_by(error)
        };
        let auth = config.auth_layer().map_err(unusable)?;
        let headers = config.extra_headers_layer().map_err(unusable)?;
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .option_layer(auth)
            .layer(headers)
            .map_err(BoxError::from)
            .service(http_client(config).map_err(unusable)?);
        let client = kube::Client::new(service, &config.default_namespace);
        Ok(Transport {
            client,
            server: address(&config.cluster_url).into(),
            clock: Arc::default(),
            deadline: None,
        })
    }

    /// The server's address, for messages.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn until(&self, deadline: Instant) -> Transport {
        Transport { deadline: Some(deadline), ..self.clone() }
    }

    /// Makes a call that may be repeated, and repeats it while that can help and there is time.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, ClusterError> {
        self.try_call(call).await.map_err(|failed| self.naming(failed.into_error(&call.request)))
    }

    /// Names the server where it is the server as a whole that says no.
    fn naming(&self, error: ClusterError) -> ClusterError {
        if error.failure() == ClusterFailure::Unauthorised {
            return error.saying(format!("`{}` does not accept the credentials", self.server));
        }
        error
    }

    /// The same, with the server's answer as it is.
    pub(crate) async fn try_call(&self, call: &Call) -> Result<Answer, Failed> {
        for failed in 1.. {
            let failure = match self.call_once(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let Some(wait) = self.wait_after(failed, &failure) else { return Err(failure) };
            tracing::debug!(request = %call.request, failed, ?wait, "trying again");
            tokio::time::sleep(wait).await;
        }
        unreachable!("the number of tries is limited")
    }

    /// How long to wait before the next try; none when it cannot help or there is no time for it.
    fn wait_after(&self, failed: u32, failure: &Failed) -> Option<Duration> {
        let (worth, asked) = match failure {
            Failed::Other(error) => (error.failure() == ClusterFailure::Unreachable, None),
            Failed::Status(status) => status.worth_another_try(),
        };
        let wait = STAGE_RETRIES.wait_after(failed, jitter()).filter(|_| worth)?;
        let wait = asked.map_or(wait, |asked| asked.clamp(wait, STAGE_RETRIES.cap.max(wait)));
        match self.deadline {
            Some(deadline) if Instant::now() + wait >= deadline => None,
            _ => Some(wait),
        }
    }

    async fn call_once(&self, call: &Call) -> Result<Answer, Failed> {
        let span = span_of(call);
        let answer = self.call_untraced(call).instrument(span.clone()).await;
        match &answer {
            Ok(answer) => drop(span.record("http.response.status_code", answer.status)),
            Err(Failed::Status(status)) => {
                span.record("http.response.status_code", status.code());
                span.record("error.type", status.code());
            }
            Err(Failed::Other(error)) => drop(span.record("error.type", error.failure().as_str())),
        }
        answer
    }

    async fn call_untraced(&self, call: &Call) -> Result<Answer, Failed> {
        let timeout = self.time_left(&call.request).map_err(Failed::Other)?;
        let answer = async {
            let response = self.send(call).await?;
            let (parts, body) = response.into_parts();
            let body =
                body.collect().await.map_err(|error| self.unreachable(&call.request, error))?.to_bytes();
            Ok((parts, body))
        };
        let (parts, body) = tokio::time::timeout(timeout, answer)
            .await
            .map_err(|_| self.no_answer(&call.request, timeout))
            .and_then(|answer| answer)
            .map_err(Failed::Other)?;
        if parts.status.is_success() {
            let date = parts.headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
            let (status, date) = (parts.status.as_u16(), date.map(str::to_owned));
            return Ok(Answer { status, body, warnings: warnings(&parts.headers), date });
        }
        Err(Failed::Status(
            Status::read(parts.status.as_u16(), &body).with_retry_after(retry_after(&parts.headers)),
        ))
    }

    /// Begins an answer that has no end, such as a watch.
    pub(crate) async fn stream(&self, call: &Call) -> Result<Body, Failed> {
        let response = tokio::time::timeout(CALL_TIMEOUT, self.send(call))
            .await
            .map_err(|_| self.no_answer(&call.request, CALL_TIMEOUT))
            .and_then(|response| response)
            .map_err(Failed::Other)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body =
            response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(Failed::Status(Status::read(status.as_u16(), &body)))
    }

    async fn send(&self, call: &Call) -> Result<http::Response<Body>, ClusterError> {
        let mut request = http::Request::builder()
            .method(&call.method)
            .uri(&call.path)
            .header(USER_AGENT, concat!("windlass/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        if !call.content_type.is_empty() {
            request = request.header(CONTENT_TYPE, call.content_type);
        }
        let request = request.body(Body::from(call.body.to_vec())).map_err(|_| {
            ClusterError::new(ClusterFailure::Invalid, &call.request, "its name does not fit into a URL")
        })?;
        let sent = Timestamp::now();
        let response =
            self.client.send(request).await.map_err(|error| self.unreachable(&call.request, error))?;
        if let Some(date) = response.headers().get(DATE).and_then(|date| date.to_str().ok()) {
            self.clock.observe(date, sent, Timestamp::now());
        }
        Ok(response)
    }

    fn time_left(&self, request: &Request) -> Result<Duration, ClusterError> {
        let Some(deadline) = self.deadline else { return Ok(CALL_TIMEOUT) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ClusterError::new(
                ClusterFailure::Unreachable,
                request,
                "there is no time left for it",
            ));
        }
        Ok(left.min(CALL_TIMEOUT))
    }

    fn no_answer(&self, request: &Request, timeout: Duration) -> ClusterError {
        let words = format!("`{}` did not answer within {} s", self.server, timeout.as_secs_f32().ceil());
        ClusterError::new(ClusterFailure::Unreachable, request, words)
    }

    fn unreachable(&self, request: &Request, error: impl Into<BoxError>) -> ClusterError {
        let (error, server) = (error.into(), &self.server);
        if let Some(rustls::Error::InvalidCertificate(_)) = tls_failure(error.as_ref()) {
            let words = format!("the certificate of `{server}` is not one that the kubeconfig trusts");
            return ClusterError::new(ClusterFailure::UntrustedCertificate, request, words).caused_by(error);
        }
        let words = format!("`{server}` cannot be reached: {}", root(error.as_ref()));
        ClusterError::new(ClusterFailure::Unreachable, request, words)
            .with_hint("see whether it answers: `kubectl cluster-info`")
    }
}

/// A URL without what may be secret in it: credentials before the host, anything in the path or query.
fn address(url: &http::Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}", url.scheme_str().unwrap_or("https"))
}

type HttpClient = hyper_util::client::legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Body>;

fn http_client(config: &kube::Config) -> Result<HttpClient, kube::Error> {
    // The first use of rustls in a process decides; a later call finds it decided, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let mut connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = config.tls_server_name.clone().and_then(|name| name.try_into().ok()) {
        connector = connector.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name));
    }
    let connector = connector.enable_http1().enable_http2().wrap_connector(tcp);
    Ok(hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(CONNECT_TIMEOUT)
        .build(connector))
}

/// What is traced and measured of a call, one for each try.
fn span_of(call: &Call) -> tracing::Span {
    let route = || Route::of(call.path.split('?').next().unwrap_or_default());
    tracing::debug_span!(
        "api_call",
        otel.kind = "client",
        otel.name = format!("{} {}", call.method, route().template),
        http.request.method = call.method.as_str(),
        url.template = route().template,
        k8s.namespace.name = route().namespace,
        http.response.status_code = tracing::field::Empty,
        "error.type" = tracing::field::Empty,
    )
}

fn warnings(headers: &http::HeaderMap) -> Vec<String> {
    let text = |value: &http::HeaderValue| {
        let text = value.to_str().ok()?;
        // `299 - "text"`, with quotes inside escaped.
        let quoted = text.split_once('"')?.1;
        let end = quoted.rfind('"')?;
        Some(quoted[..end].replace("\\\"", "\"").replace("\\\\", "\\"))
    };
    headers.get_all(http::header::WARNING).iter().filter_map(text).collect()
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// The innermost cause: the layers of the client above it say nothing that helps.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error)
}

/// What TLS says, somewhere below.
fn tls_failure<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        // An I/O error passes over what it wraps when it is asked for its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// A number in 0..1, so that runners which failed together do not return together. Unpredictable enough for that.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_read_from_their_header() {
        let mut headers = http::HeaderMap::new();
        for value in [r#"299 - "policy/v1beta1 is \"old\"""#, r#"299 - "second""#, "nonsense"] {
            headers.append(http::header::WARNING, value.parse().unwrap());
        }
        assert_eq!(warnings(&headers), [r#"policy/v1beta1 is "old""#, "second"]);
    }

    #[test]
    fn jitter_is_a_part_of_one() {
        assert!((0..100).map(|_| jitter()).all(|part| (0.0..=1.0).contains(&part)));
    }
}
