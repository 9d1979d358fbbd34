//! Serves what containers wrote, where the API server asks a kubelet for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Moment;
use crate::pod::PodWorker;
use crate::pods::{LivePod, Registry};

/// What a container wrote in one run.
#[derive(Debug)]
pub struct Output {
    pub text: String,
    pub written: Timestamp,
    pub is_over: bool,
}

impl PodWorker {
    /// What a container wrote in its last run, or in the one before.
    ///
    /// # Errors
    /// Why there is nothing, in the kubelet's words.
    pub fn output(&self, container: &str, previous: bool, now: Moment) -> Result<Output, String> {
        let pod = self.pod.metadata.name.as_deref().unwrap_or_default();
        let Some(found) = self.containers.iter().find(|one| one.name() == container) else {
            return Err(format!("container {container} is not valid for pod {pod}"));
        };
        let runs = found.runs_at(now);
        // A container that is kept from restarting has its last run before it.
        let is_waiting = found.waiting.is_some();
        let run = match (runs, previous) {
            ([.., before, _], true) => Some(before),
            ([only], true) if is_waiting => Some(only),
            ([.., last], false) => Some(last),
            _ => None,
        };
        let Some(run) = run else {
            return Err(match (previous, &found.waiting) {
                (true, _) => {
                    format!("previous terminated container \"{container}\" in pod \"{pod}\" not found")
                }
                (false, waiting) => {
                    let reason = waiting.as_ref().map_or("ContainerCreating", |waiting| waiting.reason);
                    format!(
                        "container \"{container}\" in pod \"{pod}\" is waiting to start: {}",
                        words(reason)
                    )
                }
            });
        };
        let written = self.time(run.started.unwrap_or(run.created)).0;
        Ok(Output { text: run.output.clone(), written, is_over: run.end_before(now).is_some() })
    }
}

fn words(reason: &str) -> &str {
    match reason {
        "ErrImagePull" => "trying and failing to pull image",
        "ImagePullBackOff" => "image can't be pulled",
        other => other,
    }
}

/// Answers for ever.
pub async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, registry: Registry) {
    let acceptor = TlsAcceptor::from(tls);
    while let Ok((connection, _)) = listener.accept().await {
        let (acceptor, registry) = (acceptor.clone(), registry.clone());
        tokio::spawn(async move {
            // Who goes away in the middle of an answer does not want it.
            if let Ok(connection) = acceptor.accept(connection).await {
                let _ = answer(connection, &registry).await;
            }
        });
    }
}

async fn answer<C: AsyncRead + AsyncWrite + Unpin>(
    connection: C,
    registry: &Registry,
) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    let mut header = String::new();
    while connection.read_line(&mut header).await? > 2 {
        header.clear();
    }
    let target = line.split_whitespace().nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    match path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["containerLogs", namespace, pod, container] => match registry.find(namespace, pod) {
            Some(pod) => tell_output(&mut connection, &pod, container, &query).await?,
            None => refuse(&mut connection, "404 Not Found", &format!("pod \"{pod}\" not found")).await?,
        },
        _ => refuse(&mut connection, "501 Not Implemented", "a simulated node runs no processes").await?,
    }
    connection.shutdown().await
}

async fn refuse(
    connection: &mut (impl AsyncWrite + Unpin),
    status: &str,
    message: &str,
) -> std::io::Result<()> {
    let length = message.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(message.as_bytes()).await
}

/// The body ends with the connection, so that it can be followed.
async fn tell_output(
    connection: &mut (impl AsyncWrite + Unpin),
    pod: &LivePod,
    container: &str,
    query: &BTreeMap<&str, &str>,
) -> std::io::Result<()> {
    let is_set = |name: &str| query.get(name) == Some(&"true");
    let read = || pod.with_worker(|worker, now| worker.output(container, is_set("previous"), now));
    let output = match read() {
        Ok(output) => output,
        Err(message) => return refuse(connection, "400 Bad Request", &message).await,
    };
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n").await?;
    connection.write_all(shown(&output, query).as_bytes()).await?;
    connection.flush().await?;
    let mut changes = pod.changes();
    let mut is_over = output.is_over;
    while is_set("follow") && !is_over && changes.changed().await.is_ok() {
        is_over = read().map_or(true, |now| now.is_over || now.written != output.written);
    }
    Ok(())
}

fn shown(output: &Output, query: &BTreeMap<&str, &str>) -> String {
    let lines: Vec<&str> = output.text.lines().collect();
    let wanted = query.get("tailLines").and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    let stamp = match query.get("timestamps") {
        Some(&"true") => format!("{} ", output.written),
        _ => String::new(),
    };
    let last = lines.iter().skip(lines.len().saturating_sub(wanted));
    let text: String = last.flat_map(|line| [&stamp, *line, "\n"]).collect();
    let limit = query.get("limitBytes").and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    text.chars().take(limit).collect()
}
