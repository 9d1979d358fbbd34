//! Being asked to stop while a run is in hand.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::server::{Server, world};

/// A server whose run of `dev` is at a cluster that took the connection and says nothing. While the listener and the connection live, it waits.
struct AtWork {
    server: Server,
    cluster: TcpListener,
    connection: TcpStream,
}

impl AtWork {
    fn start() -> Self {
        let cluster = TcpListener::bind("127.0.0.1:0").unwrap();
        let world = world(cluster.local_addr().unwrap());
        world.configure_more("[http]\nanonymous = \"admin\"\n");
        let server = Server::start(world);
        let deploy = json!({"specversion": "1.0", "id": "1", "source": "/forge", "type": "dev.windlass.deploy.requested",
            "data": {"environment": "dev", "requester": "ada"}});
        let sent = server.ask(
            "POST",
            "/v1/events",
            "",
            "content-type: application/cloudevents+json\r\n",
            &deploy.to_string(),
        );
        assert_eq!(sent.status, 202, "{sent:?}");
        let (connection, _) = cluster.accept().unwrap();
        Self { server, cluster, connection }
    }
}

#[test]
fn a_stop_finishes_the_run_in_hand_and_takes_nobody_new() {
    let mut at_work = AtWork::start();
    let mut following = at_work.server.follow("/v1/runs/events", "");
    at_work.server.signal("TERM");
    let mut said = String::new();
    following.read_to_string(&mut said).unwrap();
    assert!(said.contains(": windlass stops"), "{said}");
    // The listener is closed before streams end only if nothing else delays it: wait for what must become true.
    while TcpStream::connect(at_work.server.address).is_ok() {}
    // The run still waits for its cluster; now that is gone, and the run is put down to be tried again.
    drop(at_work.cluster);
    drop(at_work.connection);
    let (status, said) = at_work.server.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("finishing the runs in hand"), "{said}");
    let run = at_work.server.world.run("r-1");
    assert_eq!(run["state"], "held", "{run:#}");
}

#[test]
fn a_second_signal_ends_at_once_and_loses_nothing() {
    let mut at_work = AtWork::start();
    at_work.server.signal("TERM");
    while TcpStream::connect(at_work.server.address).is_ok() {}
    at_work.server.signal("INT");
    let (status, said) = at_work.server.wait();
    assert_eq!(status.code(), Some(130), "{said}");
    let run = at_work.server.world.run("r-1");
    assert!(run["ended_at"].is_null(), "the next start goes on with it: {run:#}");
}
