//! What machines are told of their servers.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;
use windlass_hetzner_emulator::{Emulator, MachineEvent, Machines};

use super::bench::{PUBLIC_KEY, id};

#[derive(Debug, Default)]
struct Heard {
    events: Mutex<Vec<MachineEvent>>,
    news: Notify,
}

#[async_trait]
impl Machines for Heard {
    fn address(&self, server: &str) -> Option<Ipv4Addr> {
        (server == "web").then_some(Ipv4Addr::new(10, 77, 0, 2))
    }

    async fn follow(&self, event: MachineEvent) {
        self.events.lock().unwrap().push(event);
        self.news.notify_one();
    }
}

impl Heard {
    /// Waits until so much was heard, and returns it.
    async fn events(&self, count: usize) -> Vec<MachineEvent> {
        loop {
            let events = self.events.lock().unwrap().clone();
            if events.len() >= count {
                return events;
            }
            self.news.notified().await;
        }
    }
}

#[tokio::test]
async fn machines_follow_their_servers() {
    let heard = Arc::new(Heard::default());
    let machines: Arc<dyn Machines> = Arc::clone(&heard) as _;
    let emulator = Emulator::builder().machines(machines).start().await.unwrap();
    let post = |path: &str, body: Value| {
        let (status, answer) = emulator.ask("POST", path, &body);
        assert_eq!(status, 201, "{answer}");
        answer
    };
    let subnets = json!([{"type": "cloud", "network_zone": "eu-central", "ip_range": "10.0.0.0/24"}]);
    let network = json!({"name": "private", "ip_range": "10.0.0.0/16", "subnets": subnets});
    let network = id(&post("/networks", network)["network"]);
    post("/ssh_keys", json!({"name": "me", "public_key": PUBLIC_KEY}));
    let server = json!({
        "name": "web", "server_type": "cx23", "image": "debian-12", "ssh_keys": ["me"], "networks": [network],
        "user_data": "#cloud-config\n", "labels": {"role": "master"},
    });
    let made = post("/servers", server);
    assert_eq!(
        made["server"]["public_net"]["ipv4"]["ip"], "10.77.0.2",
        "the server has the address of its machine"
    );
    assert_eq!(made["root_password"], Value::Null);
    let server = id(&made["server"]);

    let events = heard.events(2).await;
    let [MachineEvent::Rewired(_), MachineEvent::Started(machine)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(machine.public_ipv4, Some(Ipv4Addr::new(10, 77, 0, 2)));
    assert_eq!(machine.private[0].address, Ipv4Addr::new(10, 0, 0, 2));
    assert_eq!(machine.ssh_keys, [PUBLIC_KEY]);
    assert_eq!(machine.user_data.as_deref(), Some("#cloud-config\n"));
    assert_eq!((machine.name.as_str(), machine.image.as_deref()), ("web", Some("debian-12")));
    assert!(!format!("{machine:?}").contains("cloud-config"), "user data may hold secrets");

    post(&format!("/servers/{server}/actions/reboot"), Value::Null);
    heard.events(4).await;
    post(&format!("/servers/{server}/actions/poweroff"), Value::Null);
    heard.events(5).await;
    emulator.ask("DELETE", &format!("/servers/{server}"), &Value::Null);
    let events = heard.events(6).await;
    let [
        MachineEvent::Stopped { .. },
        MachineEvent::Started(_),
        MachineEvent::Stopped { .. },
        MachineEvent::Deleted { id },
    ] = &events[2..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(*id, server);
}
