//! Measures durable intake: events per second, one after the other and from many callers at once, beside what the disk itself allows.
//!
//! `cargo run --release -p windlass-store --example intake [DIRECTORY]`. The directory decides which disk is measured.

#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use windlass_core::queue::Queue as _;
use windlass_store::{EmbeddedQueue, Incoming, QueuedEvent, Store, StoreError};

const BODY: usize = 2048;
const SPAN: Duration = Duration::from_secs(4);
const CALLERS: usize = 64;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), StoreError> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let dir = tempfile::tempdir_in(parent).expect("the directory can be written to");
    println!("{:<34}{:>12}{:>12}{:>12}", "", "per second", "p50 ms", "p99 ms");
    show("fsync of an appended file", &sync_alone(dir.path()));

    let store = Store::open(&dir.path().join("store")).await?;
    show("take over, one caller", &take_over(&store, "one").await);
    let callers: Vec<_> = (0..CALLERS).map(|caller| format!("caller {caller}")).collect();
    let grouped = join_all(callers.iter().map(|name| take_over(&store, name))).await;
    show("take over, 64 callers", &grouped.concat());
    show("queue to inbox, batches of 64", &through_queue(&store).await?);
    store.close().await;
    Ok(())
}

/// What one wait for the disk costs, to read the other figures by.
fn sync_alone(dir: &Path) -> Vec<Duration> {
    let mut file = File::create(dir.join("sync")).expect("the directory can be written to");
    sample(|| {
        file.write_all(&[0; BODY]).expect("the disk has room");
        file.sync_data().expect("the disk takes it");
    })
}

fn sample(mut action: impl FnMut()) -> Vec<Duration> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < SPAN {
        let begun = Instant::now();
        action();
        times.push(begun.elapsed());
    }
    times
}

/// One caller that takes over one event after the other.
async fn take_over(store: &Store, caller: &str) -> Vec<Duration> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < SPAN {
        let begun = Instant::now();
        let event = event(&format!("{caller} {}", times.len()));
        store.take_over(&[event], Timestamp::now()).await.expect("the store takes events");
        times.push(begun.elapsed());
    }
    times
}

/// Publish is not measured; receiving and taking over with settling are. The times are those of a batch, divided.
async fn through_queue(store: &Store) -> Result<Vec<Duration>, StoreError> {
    let queue = EmbeddedQueue::new(store.clone())?;
    let message = [b'x'; BODY];
    join_all((0..20 * CALLERS).map(|_| queue.publish(&message))).await;
    let mut times = Vec::new();
    loop {
        let begun = Instant::now();
        let deliveries = queue.receive(CALLERS, Duration::ZERO).await.expect("the queue is in the store");
        if deliveries.is_empty() {
            return Ok(times);
        }
        let events: Vec<_> = deliveries
            .iter()
            .map(|delivery| QueuedEvent {
                token: delivery.token.clone(),
                incoming: event(&format!("queue {}", delivery.token.tag)),
            })
            .collect();
        store.take_over_from_queue(&events, Timestamp::now()).await?;
        let count = u32::try_from(events.len()).expect("a batch is small");
        times.extend(std::iter::repeat_n(begun.elapsed() / count, events.len()));
    }
}

fn event(id: &str) -> Incoming {
    Incoming {
        source: "https://forge.example/shop".to_owned(),
        id: id.to_owned(),
        event_type: "dev.windlass.push".to_owned(),
        subject: None,
        body: vec![b'x'; BODY],
        principal: None,
        traceparent: None,
    }
}

/// A line of the table. The rate is over the span, or over the time used where that is shorter.
fn show(what: &str, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    let used: Duration = times.iter().sum();
    let count = u32::try_from(times.len()).expect("four seconds hold fewer");
    let rate = f64::from(count) / used.min(SPAN).as_secs_f64();
    println!("{what:<34}{rate:>12.0}{:>12.2}{:>12.2}", at(50), at(99));
}
