//! A project at an emulated Hetzner, a provider that works in it, and machines that do what their scripts ask for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_core::provider::{
    Cluster, ClusterPlan, ClusterSpec, Kubeconfig, Progress, Provider as _, ProviderError, Removal, Removed,
};
use windlass_hetzner_emulator::{Call, Clock as EmulatedClock, Emulator, Latencies, Limits, SimulatedClock};
use windlass_provider_hetzner::machines::{
    Leaving, Machine, MachineError, Machines, Purpose, Script, Wanted,
};
use windlass_provider_hetzner::plan::blueprint::Role;
use windlass_provider_hetzner::plan::facts::NodeFacts;
use windlass_provider_hetzner::{Clock, HetznerConfig, HetznerProvider};

pub(crate) const RELEASE: &str = "v1.34.4+k3s1";
pub(crate) const CLUSTER: &str = "shop";
/// What shows in no error, plan or line of progress.
pub(crate) const CANARIES: [&str; 2] = ["canary-token", "canary-client-key"];

/// The project and who works in it.
pub(crate) struct World {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) clock: SimulatedClock,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) provider: HetznerProvider,
    pub(crate) folder: TempDir,
    time: Arc<dyn Clock>,
    timeout: Duration,
}

/// Time that passes at once: whoever sleeps wakes when it has been moved there.
#[derive(Debug)]
pub(crate) struct Swift(pub(crate) SimulatedClock);

/// Time that passes when everybody sleeps.
#[derive(Debug)]
pub(crate) struct Driven(pub(crate) SimulatedClock);

fn since_the_epoch(clock: &SimulatedClock) -> Duration {
    clock.now().duration_since(Timestamp::UNIX_EPOCH).unsigned_abs()
}

#[async_trait]
impl Clock for Swift {
    fn now(&self) -> Duration {
        since_the_epoch(&self.0)
    }

    async fn sleep(&self, time: Duration) {
        let until = self.now() + time;
        tokio::task::yield_now().await;
        self.0.advance(until.saturating_sub(self.now()));
    }
}

#[async_trait]
impl Clock for Driven {
    fn now(&self) -> Duration {
        since_the_epoch(&self.0)
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }
}

/// How a world differs from the usual one.
pub(crate) struct Setting {
    pub(crate) limits: Limits,
    pub(crate) latencies: Latencies,
    pub(crate) timeout: Duration,
    pub(crate) driven: bool,
}

impl Default for Setting {
    fn default() -> Self {
        let limits = Limits { servers: 100, requests: 3600 };
        Self { limits, latencies: Latencies::usual(), timeout: Duration::from_secs(30), driven: false }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setting::default()).await
    }

    pub(crate) async fn with(setting: Setting) -> Self {
        let clock = SimulatedClock::new("2026-11-24T08:00:00Z".parse::<Timestamp>().unwrap());
        let emulator = Emulator::builder()
            .token(CANARIES[0])
            .clock(EmulatedClock::Simulated(clock.clone()))
            .latencies(setting.latencies)
            .limits(setting.limits)
            .start()
            .await
            .unwrap();
        let emulator = Arc::new(emulator);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("key.pub"),
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3 dana\n",
        )
        .unwrap();
        let fleet = Arc::new(Fleet { emulator: Arc::clone(&emulator), cluster: Mutex::default() });
        let time: Arc<dyn Clock> =
            if setting.driven { Arc::new(Driven(clock.clone())) } else { Arc::new(Swift(clock.clone())) };
        let timeout = setting.timeout;
        let provider = provider(&emulator, &fleet, &folder, &time, timeout);
        Self { emulator, clock, fleet, provider, folder, time, timeout }
    }

    /// The provider of a process that starts anew.
    pub(crate) fn restart(&mut self) {
        self.provider = provider(&self.emulator, &self.fleet, &self.folder, &self.time, self.timeout);
    }

    /// A cluster of so many masters and workers, with further lines in its file.
    pub(crate) fn spec(&self, masters: usize, workers: usize, lines: &str) -> ClusterSpec {
        let locations = vec!["nbg1"; masters].join(", ");
        let pools = match workers {
            0 => String::new(),
            count => format!(
                "worker_node_pools:\n- {{name: w, instance_type: cx33, location: nbg1, instance_count: {count}, fallback_instance_types: [cx43], fallback_locations: [hel1]}}\n"
            ),
        };
        let file = format!(
            "cluster_name: {CLUSTER}\nkubeconfig_path: kubeconfig\nk3s_version: {RELEASE}\nprotect_against_deletion: false\nschedule_workloads_on_masters: {}\n\
             masters_pool: {{instance_type: cx23, instance_count: {masters}, locations: [{locations}]}}\n{pools}\
             networking: {{ssh: {{public_key_path: {}}}}}\n{lines}\n",
            workers == 0,
            self.folder.path().join("key.pub").display()
        );
        ClusterSpec {
            name: CLUSTER.parse().unwrap(),
            environment: "dev".parse().unwrap(),
            config: Some(file),
        }
    }

    pub(crate) async fn ensure(&self, spec: &ClusterSpec) -> Result<Cluster, ProviderError> {
        self.provider.ensure(spec, &Silent).await
    }

    pub(crate) async fn plan(&self, spec: &ClusterSpec) -> ClusterPlan {
        self.provider.plan(spec).await.unwrap_or_else(|error| panic!("{}", told(&error)))
    }

    pub(crate) async fn remove(&self) -> Removed {
        let name = CLUSTER.parse().unwrap();
        self.provider
            .remove(&name, Removal::Final, &Silent)
            .await
            .unwrap_or_else(|error| panic!("{}", told(&error)))
    }

    /// What `ensure` says when it refuses.
    pub(crate) async fn provider_error(&self, spec: &ClusterSpec) -> String {
        told(&self.ensure(spec).await.expect_err("it is refused"))
    }

    /// Does something past the provider, as another person would.
    pub(crate) fn by_hand(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.emulator.ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path} {body}: {status} {answer}");
        answer
    }

    /// What the project holds, by kind and name.
    pub(crate) fn inventory(&self) -> Vec<String> {
        let kinds =
            ["ssh_keys", "networks", "firewalls", "placement_groups", "load_balancers", "servers", "volumes"];
        let names = kinds.iter().flat_map(|kind| {
            let name = move |view: &Value| format!("{kind}/{}", view["name"].as_str().unwrap());
            self.emulator.resources(kind).iter().map(name).collect::<Vec<_>>()
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.emulator.calls()
    }

    pub(crate) fn server(&self, name: &str) -> Value {
        let servers = self.emulator.resources("servers");
        servers
            .into_iter()
            .find(|server| server["name"] == name)
            .unwrap_or_else(|| panic!("there is no server {name}"))
    }
}

fn provider(
    emulator: &Arc<Emulator>,
    fleet: &Arc<Fleet>,
    folder: &TempDir,
    time: &Arc<dyn Clock>,
    timeout: Duration,
) -> HetznerProvider {
    HetznerProvider::new(HetznerConfig {
        endpoint: emulator.endpoint(),
        token: Some(SecretString::from(emulator.token())),
        timeout,
        data: folder.path().join("data"),
        clock: Arc::clone(time),
        machines: Arc::clone(fleet) as Arc<dyn Machines>,
    })
}

/// Everything that an error says.
pub(crate) fn told(error: &ProviderError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    words.extend(error.hint.clone());
    words.join(": ")
}

pub(crate) struct Silent;

impl Progress for Silent {
    fn report(&self, _: &str) {}
}

/// Keeps what it hears.
#[derive(Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<String>>);

impl Progress for Heard {
    fn report(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

/// Machines behind the emulator's servers: masters become nodes when a script makes them one, workers by themselves once they run.
#[derive(Debug)]
pub(crate) struct Fleet {
    emulator: Arc<Emulator>,
    pub(crate) cluster: Mutex<Inside>,
}

/// The cluster, as it is inside.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    /// Versions of nodes, by name.
    pub(crate) nodes: BTreeMap<String, String>,
    pub(crate) founded: Vec<String>,
    /// What was done in the cluster, in turn.
    pub(crate) done: Vec<String>,
    pub(crate) ill: Vec<String>,
    /// Addresses of the API at which nobody answers.
    pub(crate) silent: Vec<String>,
}

impl Fleet {
    /// Servers that run and stand in the private network.
    fn running(&self, role: &str) -> Vec<String> {
        let servers = self.emulator.resources("servers");
        let runs = |server: &&Value| {
            server["status"] == "running"
                && server["labels"]["windlass.dev/role"] == role
                && server["private_net"].as_array().is_some_and(|nets| !nets.is_empty())
        };
        servers.iter().filter(runs).map(|server| server["name"].as_str().unwrap().to_owned()).collect()
    }

    fn look(&self) -> std::sync::MutexGuard<'_, Inside> {
        let workers = self.running("worker");
        let mut inside = self.cluster.lock().unwrap();
        if !inside.founded.is_empty() {
            for name in workers {
                inside.nodes.entry(name).or_insert_with(|| RELEASE.to_owned());
            }
        }
        inside
    }
}

#[async_trait]
impl Machines for Fleet {
    async fn run(&self, machine: &Machine, script: &Script) -> Result<SecretString, MachineError> {
        assert!(machine.host_key.starts_with("ssh-ed25519 "), "{machine:?}");
        if !self.running("master").contains(&machine.name) && !self.running("worker").contains(&machine.name)
        {
            return Err(MachineError::passing(format!("`{}` does not answer", machine.name)));
        }
        let mut inside = self.look();
        match script.purpose {
            Purpose::Found => {
                inside.founded.push(machine.name.clone());
                inside.nodes.insert(machine.name.clone(), RELEASE.to_owned());
            }
            Purpose::Join => {
                assert!(!inside.founded.is_empty(), "there is nothing to join");
                inside.nodes.insert(machine.name.clone(), RELEASE.to_owned());
            }
            Purpose::Upgrade => {
                let text = script.text.expose_secret();
                let release = text.split("base64 -d").count().to_string();
                assert_ne!(release, "0");
                inside.done.push(format!("upgrade {}", machine.name));
                inside.nodes.insert(machine.name.clone(), "v1.34.5+k3s1".to_owned());
            }
            Purpose::Kubeconfig => {
                let user = json!({"client-certificate-data": "Yw==", "client-key-data": CANARIES[1]});
                let file = json!({
                    "clusters": [{"name": "default", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "YQ=="}}],
                    "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
                    "users": [{"name": "default", "user": user}],
                });
                return Ok(SecretString::from(file.to_string()));
            }
        }
        Ok(SecretString::from(""))
    }

    async fn nodes(&self, way: &Kubeconfig) -> Result<Vec<NodeFacts>, MachineError> {
        assert!(way.expose().contains(CANARIES[1]));
        let inside = self.look();
        if inside.silent.iter().any(|server| way.expose().contains(server)) {
            return Err(MachineError::passing("nobody answers"));
        }
        let node = |(name, version): (&String, &String)| NodeFacts {
            name: name.clone(),
            version: version.clone(),
            ready: !inside.ill.contains(name),
        };
        Ok(inside.nodes.iter().map(node).collect())
    }

    async fn lacks(&self, _: &Kubeconfig, wanted: &Wanted) -> Result<Vec<String>, MachineError> {
        let inside = self.look();
        let missing =
            wanted.nodes.iter().filter(|name| !inside.nodes.contains_key(*name) || inside.ill.contains(name));
        Ok(missing.map(|name| format!("node `{name}` is not ready")).collect())
    }

    async fn retire(
        &self,
        _: &Kubeconfig,
        node: &str,
        role: Role,
        leaving: Leaving,
    ) -> Result<(), MachineError> {
        let mut inside = self.look();
        inside.done.push(format!("retire {} {node} {leaving:?}", role.word()));
        inside.nodes.remove(node);
        Ok(())
    }
}
