//! A server with a broker: what it says of both, and what it does while its own disk is full.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use windlass_core::queue::{Depth, Queue as _};
use windlass_tests::testbed::Broker;
use windlass_tests::world::{World, fill};

use crate::broker::{fresh_name, queue};

/// Longer than a broker takes to come back, on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(180);

const EVENTS: usize = 190;

/// Messages that a receiver has in hand at most.
const AHEAD: u64 = 64;

/// A windlass that serves, ended when it goes.
struct Serving {
    process: Child,
    address: SocketAddr,
}

impl Serving {
    fn start(world: &World, broker: &Broker, queue: &str) -> Self {
        let mut serve = world.program_in_a_small_place();
        serve.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        serve.env("WINDLASS_QUEUE__URL", broker.amqp.replace("guest:guest@", "guest@"));
        serve.env("WINDLASS_QUEUE__NAME", queue).env("WINDLASS_QUEUE_PASSWORD", "guest");
        let mut process = serve.spawn().unwrap();
        let mut talk = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(talk.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            if let Some(address) = line.trim_end().strip_prefix("windlass listens on http://") {
                break address.parse().unwrap();
            }
        };
        // What it says from here on nobody reads, but somebody must take.
        std::thread::spawn(move || std::io::copy(&mut talk, &mut std::io::sink()));
        Self { process, address }
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    /// Asks whether it is ready until the answer is as told.
    #[track_caller]
    fn expect(&self, status: u16, member: &str, value: bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (found, readiness) = self.get("/readyz");
            if found == status && readiness[member] == value {
                return;
            }
            assert!(Instant::now() < deadline, "still {found}: {readiness}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn event(id: usize) -> Vec<u8> {
    json!({"specversion": "1.0", "id": id.to_string(), "source": "/full", "type": "dev.windlass.cluster.failed", "padding": "x".repeat(4000),
        "data": {"environment": "dev", "provider": "hetzner", "cluster": "hetzner-dev-cluster", "reason": "no quota"}})
    .to_string()
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_nothing_is_settled_and_afterwards_everything_is() {
    let (broker, name, world) = (Broker::shared(), fresh_name(), World::new(Path::new("/nowhere")));
    let serving = Serving::start(&world, broker, name.as_str());
    serving.expect(200, "broker", true);
    let state = format!("/proc/{}/root{}", serving.process.id(), world.data_dir().display());
    let filler = fill(Path::new(&state));
    let queue = queue(broker, &name);
    for id in 0..EVENTS {
        queue.publish(&event(id)).await.unwrap();
    }
    serving.expect(503, "store", false);
    let events = || serving.get("/v1/events?limit=200").1.as_array().unwrap().clone();
    let kept = events().len();
    let depth = queue.depth().await.unwrap();
    // The broker sends a batch ahead of what is settled; the others wait where they are.
    assert!(
        kept < EVENTS && depth.waiting + AHEAD >= (EVENTS - kept) as u64,
        "{kept} are kept of {EVENTS}, and the broker has {depth:?}"
    );

    fs::remove_file(filler).unwrap();
    serving.expect(200, "store", true);
    let deadline = Instant::now() + PATIENCE;
    while queue.depth().await.unwrap() != Depth::default() || events().len() < EVENTS {
        assert!(
            Instant::now() < deadline,
            "{} are kept, and the broker has {:?}",
            events().len(),
            queue.depth().await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ids: BTreeSet<_> = events().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((ids.len(), events().len()), (EVENTS, EVENTS), "each is there once");
}

#[test]
fn a_broker_that_is_away_is_told_and_no_reason_not_to_be_ready() {
    let (broker, name, world) = (Broker::start(), fresh_name(), World::new(Path::new("/nowhere")));
    let serving = Serving::start(&world, &broker, name.as_str());
    serving.expect(200, "broker", true);
    broker.kill();
    serving.expect(200, "broker", false);
    broker.revive();
    serving.expect(200, "broker", true);
}
