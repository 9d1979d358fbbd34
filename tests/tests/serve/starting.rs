//! Where it listens, and what it says when it cannot.

use std::os::unix::net::UnixDatagram;

use crate::server::{Server, nowhere, with_tokens, world};

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let server = Server::start(world(nowhere()));
    let other = world(nowhere());
    let taken = server.address.to_string();
    let refused = other.windlass(&["serve", "--listen", &taken]);
    refused.expect(1).says(&format!("`{taken}` cannot be listened at")).says("--listen 127.0.0.1:0");
}

#[test]
fn nobody_is_let_in_from_elsewhere_without_tokens() {
    let world = world(nowhere());
    world
        .windlass(&["serve", "--listen", "0.0.0.0:0"])
        .expect(2)
        .says("no token is configured")
        .says("windlass token new");
    world.configure_more("[http]\nanonymous = \"admin\"\nhosts = [\"a\"]\n");
    with_tokens(&world);
    world
        .windlass(&["serve", "--listen", "0.0.0.0:0"])
        .expect(2)
        .says("`http.anonymous` is `admin`, which holds on loopback only");
}

#[test]
fn a_place_to_listen_is_an_address_or_none() {
    let world = world(nowhere());
    world
        .windlass(&["serve", "--listen", "localhost"])
        .expect(2)
        .says("`localhost` is not an address such as `127.0.0.1:7878`");
    world.windlass(&["serve", "--until-idle", "--listen", "none"]).expect(2).says("cannot be used with");
    world.windlass(&["serve", "--until-idle"]).expect(0);
}

#[test]
fn the_supervisor_is_told_when_it_is_ready_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    let hear = || {
        let mut heard = [0; 64];
        let length = supervisor.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..length]).into_owned()
    };
    let server = Server::start_with(world(nowhere()), |serve| {
        serve.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(hear(), "READY=1");
    assert_eq!(server.get("/readyz", "").status, 200);
    server.stop();
    assert_eq!(hear(), "STOPPING=1");
}
