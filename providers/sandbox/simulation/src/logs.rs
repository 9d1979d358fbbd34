//! Serves what containers wrote, where the API server asks a kubelet for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::live::{LivePod, Registry};
use crate::output::Wanted;

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
    connection.write_all(output.shown(wanted(query)).as_bytes()).await?;
    connection.flush().await?;
    let mut changes = pod.changes();
    let mut is_over = output.is_over;
    while is_set("follow") && !is_over && changes.changed().await.is_ok() {
        is_over = read().map_or(true, |now| now.is_over || now.written != output.written);
    }
    Ok(())
}

fn wanted(query: &BTreeMap<&str, &str>) -> Wanted {
    let number = |name: &str| query.get(name).and_then(|count| count.parse().ok());
    Wanted {
        timestamps: query.get("timestamps") == Some(&"true"),
        lines: number("tailLines"),
        bytes: number("limitBytes"),
    }
}
