//! Serving the API on a socket: TLS, HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::answer::{self, Answer};
use super::problem::Problem;
use super::request::{self, Call};
use super::{Api, openapi};
use crate::error::SandboxError;

/// No body is larger: what etcd takes is a third of it.
const LARGEST_BODY: usize = 3 << 20;

/// What may be on the way unread on an HTTP/2 connection: lists of thousands of objects otherwise stop at every 64 KiB.
const WINDOW: u32 = 1 << 20;

/// A certificate of its own authority, with its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    /// The certificate in PEM, for kubeconfigs.
    pub(crate) pem: String,
}

impl Identity {
    /// A new one for loopback.
    pub(crate) fn new() -> Result<Self, SandboxError> {
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|source| SandboxError::Certificate { source })?;
        Ok(Self {
            certificate: made.cert.der().clone(),
            key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into(),
            pem: made.cert.pem(),
        })
    }

    fn config(&self) -> Result<ServerConfig, SandboxError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            })
            .map_err(|source| SandboxError::Tls { source })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// An API that is served. It stops when this is dropped, and every connection with it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(
        api: Api,
        address: SocketAddr,
        identity: &Identity,
    ) -> Result<Self, SandboxError> {
        let unavailable = |source: io::Error| SandboxError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let acceptor = TlsAcceptor::from(Arc::new(identity.config()?));
        Ok(Self { address, task: tokio::spawn(accept(listener, acceptor, api)) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, api: Api) {
    // Connections end with the server, because the set is dropped with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, acceptor.clone(), api.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection. How it ends is the client's matter.
async fn serve(stream: TcpStream, acceptor: TlsAcceptor, api: Api) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.respond(request).await) }
    });
    let io = TokioIo::new(stream);
    if speaks_http2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_concurrent_streams(None)
            .serve_connection(io, service)
            .await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(io, service)
            .await;
    }
}

impl Api {
    async fn respond(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let Some(user) = self.user(&parts.headers) else { return answer::problem(&Problem::unauthorised()) };
        let Some(path) = request::path(parts.uri.path()) else {
            return answer::text(404, "404 page not found\n");
        };
        if path[..] == ["openapi", "v2"] {
            return openapi::empty_second();
        }
        let body = match read(body).await {
            Ok(body) => body,
            Err(problem) => return answer::problem(&problem),
        };
        let accept =
            parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !accept.is_empty() && !["json", "*/*", "text/", "yaml"].iter().any(|form| accept.contains(form)) {
            return answer::problem(&Problem::not_acceptable("application/json"));
        }
        let query = request::query(parts.uri.query().unwrap_or_default());
        self.answer(&Call { method: parts.method, path, query, headers: parts.headers, body, user }).await
    }
}

async fn read(body: Incoming) -> Result<Bytes, Problem> {
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::too_large(LARGEST_BODY)),
        Err(_) => Err(Problem::bad_request("the body of the request ended early")),
    }
}
