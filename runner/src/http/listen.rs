//! Serving connections: how many, how long each may take for its headers or stand still, and how it all ends.
//!
//! HTTP/1.1 only: telling HTTP/2 apart means waiting for first bytes without a limit, and whoever wants it has a proxy in front for TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Bytes that the kernel holds for a client that does not read.
const SEND_BUFFER: u32 = 64 * 1024;

/// Bytes of a request's line and headers together.
const HEAD: usize = 32 * 1024;

/// After the machine had no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that are told that there is no room, at a time; those beyond are only closed.
const TURNED_AWAY: usize = 64;

/// Told to whoever comes when there is no room. Written by hand because no request is read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 125\r\n\r\n\
{\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"too_many_connections\",\"detail\":\"there are as many connections as may be\"}";

/// What a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// For the whole head of a request, from when the connection is ready for one.
    pub head: Duration,
    /// Without taking a byte of an answer.
    pub stall: Duration,
}

impl Limits {
    /// What holds for so many connections.
    pub fn new(connections: usize) -> Self {
        Self {
            connections: connections.min(Semaphore::MAX_PERMITS),
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
        }
    }
}

/// Listens at an address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that was stopped just now is no reason to refuse the next.
    socket.set_reuseaddr(true)?;
    // What is accepted has it from the listener.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until told to stop; then accepts nobody, and returns when the requests in hand are answered.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut open = JoinSet::new();
    let mut turned_away = JoinSet::new();
    let mut stopping = stopped.clone();
    loop {
        let accepted = tokio::select! {
            () = told_to_stop(&mut stopping) => break,
            Some(_) = open.join_next() => continue,
            Some(_) = turned_away.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            let (router, stopped) = (router.clone(), stopped.clone());
            open.spawn(async move {
                connection(stream, router, limits, stopped).await;
                drop(place);
            });
        } else if turned_away.len() < TURNED_AWAY {
            turned_away.spawn(turn_away(stream));
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // Nobody is left who could say so: that says so.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, router: Router, limits: Limits, mut stopped: watch::Receiver<bool>) {
    // Answers are small, and whoever waits for one should not wait for a timer of the network too.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_header_size(HEAD).half_close(false);
    let patient = Patient { stream, stall: limits.stall, standing: None };
    let serving = builder.serve_connection(TokioIo::new(patient), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = told_to_stop(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        // A client that goes, is too slow or speaks no HTTP: nothing that anybody here could mend.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Says that there is no room, and reads what was sent meanwhile: closing over unread bytes would take the answer back.
async fn turn_away(mut stream: TcpStream) {
    let saying = async {
        stream.write_all(FULL).await?;
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(Duration::from_secs(1), saying).await;
}

/// A connection that is given up when its client takes nothing for too long, however much there would be to take.
struct Patient {
    stream: TcpStream,
    stall: Duration,
    /// Since when nothing was taken, as the time when that has been too long.
    standing: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// Passes on what came of a write, or gives up.
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.standing = None;
            return written;
        }
        let stall = self.stall;
        let standing =
            self.standing.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + stall)));
        match standing.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
