//! Events through a broker and a runner that are both killed: each is settled once and ends in one run.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use windlass_amqp::AmqpQueue;
use windlass_core::queue::Queue as _;
use windlass_tests::testbed::{Bed, Broker, Namespace};
use windlass_tests::world::World;

use crate::broker::settings;

const ENVIRONMENTS: [&str; 5] = ["centre", "east", "north", "south", "west"];

const EVENTS: usize = 200;

/// Events on their way that have not ended yet: so many that both the broker and the runner always have some.
const AHEAD: usize = 60;

/// Every so many events, one is sent twice.
const REPEATED: usize = 20;

/// How long all of it may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(900);

const POLICY: &str = "infra/deploy-control.yaml";

#[test]
fn each_event_through_a_broker_and_a_runner_killed_twice_ends_in_one_run() {
    let fleet = Fleet::new();
    let mut serving = fleet.world.start(&["serve", "--listen", "none"]);
    let ended = Arc::new(AtomicUsize::new(0));
    let publishing = fleet.publish(Arc::clone(&ended));
    let deadline = Instant::now() + PATIENCE;
    for (after, victim) in [(20, "broker"), (50, "runner"), (90, "broker"), (130, "runner")] {
        fleet.wait_for(after, &ended, deadline);
        match victim {
            "broker" => {
                fleet.broker.kill();
                fleet.broker.revive();
            }
            _ => {
                end(&mut serving);
                serving = fleet.world.start(&["serve", "--listen", "none"]);
            }
        }
    }
    fleet.wait_for(EVENTS, &ended, deadline);
    publishing.join().expect("every event was confirmed");
    fleet.wait_until_settled(deadline);
    end(&mut serving);
    fleet.expect_one_run_for_each_event();
}

/// A world with five environments, each with a namespace of its own, and a broker.
struct Fleet {
    world: World,
    broker: Broker,
    _spaces: Vec<Namespace<'static>>,
    /// Each a small change of the one before.
    commits: Vec<String>,
}

impl Fleet {
    fn new() -> Self {
        let broker = Broker::start();
        let spaces: Vec<_> = ENVIRONMENTS.iter().map(|_| Bed::shared().namespace()).collect();
        let mut world = World::new(spaces[0].kubeconfig());
        world.set_secret("WINDLASS_QUEUE_PASSWORD", Some("guest"));
        configure(&world, &broker, &spaces);
        make_environments(&world);
        let commits = (0..5).map(|nth| {
            world.edit("infra/k8s/base/configmaps/release.configmap.yaml", |_| config_map(nth));
            world.commit(&format!("Release {nth}"))
        });
        let commits = commits.collect();
        Self { world, broker, _spaces: spaces, commits }
    }

    /// The nth event: a deploy of one environment, of a commit that grows newer.
    fn event(&self, nth: usize) -> Vec<u8> {
        let data = json!({
            "environment": ENVIRONMENTS[nth % ENVIRONMENTS.len()], "requester": "ada",
            "commit": self.commits[nth * self.commits.len() / EVENTS],
        });
        let event = json!({"specversion": "1.0", "id": id(nth), "source": "/fleet", "type": "dev.windlass.deploy.requested", "data": data});
        event.to_string().into_bytes()
    }

    /// Sends events, each until it is confirmed, never far ahead of the runs.
    fn publish(&self, ended: Arc<AtomicUsize>) -> std::thread::JoinHandle<()> {
        let messages: Vec<_> = (0..EVENTS).map(|nth| self.event(nth)).collect();
        let queue = AmqpQueue::new(settings(&self.broker.amqp, &windlass_amqp::QueueName::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        std::thread::spawn(move || {
            runtime.block_on(async {
                for (nth, message) in messages.iter().enumerate() {
                    while nth > ended.load(Ordering::Relaxed) + AHEAD {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    for _ in 0..=usize::from(nth % REPEATED == 0) {
                        while queue.publish(message).await.is_err() {}
                    }
                }
            });
        })
    }

    /// Waits until so many runs have ended.
    fn wait_for(&self, count: usize, ended: &AtomicUsize, deadline: Instant) {
        loop {
            let runs = self.world.runs();
            let now = runs.iter().filter(|run| has_ended(run)).count();
            ended.store(now, Ordering::Relaxed);
            if now >= count {
                return;
            }
            assert!(Instant::now() < deadline, "only {now} of {count} runs have ended: {:#?}", runs.first());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the broker has nothing left, in hand or waiting or dead.
    fn wait_until_settled(&self, deadline: Instant) {
        loop {
            let counted = self
                .broker
                .ctl(&["list_queues", "--quiet", "--no-table-headers", "name", "messages"])
                .expect_success();
            let mut queues: Vec<_> = counted.lines().map(|line| line.split_once('\t').unwrap()).collect();
            queues.sort_unstable();
            if queues == [("windlass.events", "0"), ("windlass.events.dead", "0")] {
                return;
            }
            assert!(Instant::now() < deadline, "the broker still has {queues:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn expect_one_run_for_each_event(&self) {
        let (_, events) = self.world.windlass_json(&["events", "list", "--limit", "1000"]);
        let events = events.as_array().unwrap();
        let planned = events.iter().filter(|event| event["status"] == "planned");
        let planned: BTreeSet<_> = planned.map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(planned, (0..EVENTS).map(id).collect());
        assert_eq!(events.len(), EVENTS, "no event is there twice, and none among the dead");
        let runs = self.world.runs();
        let of_events: BTreeSet<_> = runs.iter().map(|run| run["event"].to_string()).collect();
        assert_eq!((runs.len(), of_events.len()), (EVENTS, EVENTS), "one run for each event");
        for run in &runs {
            assert!(["verified", "superseded"].contains(&run["state"].as_str().unwrap()), "{run:#}");
        }
        for environment in ENVIRONMENTS {
            let newest = runs.iter().find(|run| run["environment"] == environment).unwrap();
            assert_eq!(
                newest["state"], "verified",
                "the newest run of an environment is superseded by none: {newest:#}"
            );
        }
    }
}

fn configure(world: &World, broker: &Broker, spaces: &[Namespace<'_>]) {
    let file = world.repository().with_file_name("windlass.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (own, _) = text.split_once("[clusters.").unwrap();
    let mut text = own.replace("soak = \"1s\"", "soak = \"0s\"");
    let url = broker.amqp.replace("guest:guest@", "guest@");
    writeln!(text, "[queue]\nurl = \"{url}\"").unwrap();
    for (environment, space) in ENVIRONMENTS.iter().zip(spaces) {
        writeln!(text, "[clusters.{environment}]\nkubeconfig = \"{}\"", space.kubeconfig().display())
            .unwrap();
    }
    std::fs::write(file, text).unwrap();
}

/// Five environments in place of those of `infra/`, each like `local`.
fn make_environments(world: &World) {
    let local = "infra/k8s/podman/local";
    let files = [
        "kustomization.yaml",
        "patches/postgres.statefulset.yaml",
        "patches/postgres-storage.statefulset.yaml",
    ];
    for environment in ENVIRONMENTS {
        for file in files {
            let text = std::fs::read_to_string(world.repository().join(local).join(file)).unwrap();
            world.edit(&format!("infra/k8s/podman/{environment}/{file}"), |_| {
                text.replace("local\n", &format!("{environment}\n"))
            });
        }
    }
    std::fs::remove_dir_all(world.repository().join(local)).unwrap();
    std::fs::remove_dir_all(world.repository().join("infra/k8s/hetzner")).unwrap();
    world.edit(POLICY, |policy| {
        let (head, _) = policy.split_once("environments:\n").unwrap();
        let (_, local) = policy.split_once("\n  local:\n").unwrap();
        let each = ENVIRONMENTS.iter().map(|name| format!("  {name}:\n{local}"));
        format!("{head}environments:\n{}", each.collect::<String>())
    });
    world.edit("infra/k8s/base/kustomization.yaml", |text| {
        text.replacen("resources:\n", "resources:\n  - configmaps/release.configmap.yaml\n", 1)
    });
}

fn config_map(nth: usize) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: release\n  labels:\n    app: postgres\ndata:\n  number: \"{nth}\"\n"
    )
}

fn id(nth: usize) -> String {
    format!("event-{nth:03}")
}

fn has_ended(run: &Value) -> bool {
    !run["ended_at"].is_null()
}

/// As a power cut would, as far as a process can be.
fn end(process: &mut Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}
