//! A runner in this process: a repository that `git` makes, a store, and a provider that does as it is told around a sandbox.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use windlass_core::name::{ClusterName, Commit, EnvironmentName, ProviderName, RunId};
use windlass_core::provider::{
    Capabilities, Cluster, ClusterPlan, ClusterSpec, Kubeconfig, Progress, Provider, ProviderError, Removal,
    Removed,
};
use windlass_core::queue::Queue as _;
use windlass_store::{InboxEvent, Leadership};

use crate::config::Config;
use crate::engine::{Clock, Engine};
use crate::skeleton::{self, Origin};
use crate::variables::Variables;
use crate::view::RunView;
use crate::worker::{Until, work};

/// The configuration of dev's cluster.
pub(super) const CONFIG: &str = "infra/k8s/sandbox/dev/cluster/cluster-config.yaml";
pub(super) const POLICY: &str = "infra/deploy-control.yaml";

const SETTINGS: &str = "repository = 'repository'\ndata_dir = 'state'\n[secrets]\nenvironment = false\ndirectories = ['secrets']\n[identity]\nname = 'ada'\n[verify]\nsoak = '0s'\n";

/// What the next call of `ensure` does instead of its work.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Fails.
    Fails(ProviderError),
    /// Never ends.
    Hangs,
}

/// The sandbox, but for what a test tells it to do.
#[derive(Debug)]
pub(super) struct Scripted {
    sandbox: Arc<dyn Provider>,
    trouble: Mutex<VecDeque<Trouble>>,
    /// What is answered to whoever wants to connect, where a test says so.
    pub(super) way_in: Mutex<Option<String>>,
    pub(super) ensured: AtomicUsize,
    pub(super) connected: AtomicUsize,
    pub(super) hanging: watch::Sender<bool>,
}

impl Scripted {
    pub(super) fn troubled_by(&self, trouble: Trouble) {
        self.trouble.lock().unwrap().push_back(trouble);
    }

    /// Ends once `ensure` hangs.
    pub(super) async fn until_it_hangs(&self) {
        self.hanging.subscribe().wait_for(|hangs| *hangs).await.unwrap();
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &ProviderName {
        self.sandbox.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.sandbox.capabilities()
    }

    async fn plan(&self, want: &ClusterSpec) -> Result<ClusterPlan, ProviderError> {
        self.sandbox.plan(want).await
    }

    async fn ensure(&self, want: &ClusterSpec, progress: &dyn Progress) -> Result<Cluster, ProviderError> {
        self.ensured.fetch_add(1, Ordering::SeqCst);
        progress.report("network is there");
        let trouble = self.trouble.lock().unwrap().pop_front();
        match trouble {
            Some(Trouble::Fails(error)) => Err(error),
            Some(Trouble::Hangs) => {
                self.hanging.send_replace(true);
                std::future::pending().await
            }
            None => self.sandbox.ensure(want, progress).await,
        }
    }

    async fn connect(&self, cluster: &ClusterName) -> Result<Kubeconfig, ProviderError> {
        self.connected.fetch_add(1, Ordering::SeqCst);
        let way_in = self.way_in.lock().unwrap().clone();
        match way_in {
            Some(text) => Ok(Kubeconfig::new(text)),
            None => self.sandbox.connect(cluster).await,
        }
    }

    async fn remove(
        &self,
        cluster: &ClusterName,
        removal: Removal,
        progress: &dyn Progress,
    ) -> Result<Removed, ProviderError> {
        self.sandbox.remove(cluster, removal, progress).await
    }
}

/// A clock that a test sets.
#[derive(Debug, Clone)]
pub(super) struct SetClock(Arc<Mutex<Option<Timestamp>>>);

impl SetClock {
    pub(super) fn set(&self, time: &str) {
        *self.0.lock().unwrap() = Some(time.parse().unwrap());
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().unwrap_or_else(Timestamp::now)
    }
}

/// A repository on branch `dev`, and a runner.
#[derive(Debug)]
pub(super) struct World {
    folder: TempDir,
    pub(super) provider: Arc<Scripted>,
    pub(super) clock: SetClock,
    pub(super) engine: Arc<Engine>,
    leadership: Option<Leadership>,
}

impl World {
    /// The skeleton for a sandbox, in which no cluster is configured.
    pub(super) async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in skeleton::files(Origin::Sandbox) {
            write(&folder.path().join("repository").join(path), &text);
        }
        for key in [
            "POSTGRES_SA",
            "ACCOUNT_SERVICE_DB_USER",
            "MESSAGING_SERVICE_DB_USER",
            "PROPERTY_SERVICE_DB_USER",
        ] {
            write(&folder.path().join("secrets").join(format!("{key}_PASSWORD")), "a-password");
        }
        write(&folder.path().join("windlass.toml"), SETTINGS);
        git(&folder.path().join("repository"), &["init", "--quiet", "--initial-branch=dev"]);
        let provider = Arc::new(Scripted {
            sandbox: built_in(folder.path()),
            trouble: Mutex::default(),
            way_in: Mutex::default(),
            ensured: AtomicUsize::new(0),
            connected: AtomicUsize::new(0),
            hanging: watch::Sender::new(false),
        });
        let clock = SetClock(Arc::default());
        commit(&folder.path().join("repository"), "Start");
        let engine = open(folder.path(), &provider, &clock).await;
        let leadership = Some(lead(&engine).await);
        Self { folder, provider, clock, engine, leadership }
    }

    /// The same, after the process was gone for a moment. The provider's clusters stay.
    pub(super) async fn restart(&mut self) {
        self.leadership = None;
        self.engine = open(self.folder.path(), &self.provider, &self.clock).await;
        self.leadership = Some(lead(&self.engine).await);
    }

    /// Writes a file and commits; answers with the commit.
    pub(super) fn commit(&self, path: &str, text: &str) -> Commit {
        let repository = self.folder.path().join("repository");
        write(&repository.join(path), text);
        commit(&repository, &format!("Change {path}"))
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join("repository").join(path)).unwrap()
    }

    pub(super) fn head(&self) -> Commit {
        Commit::new(git(&self.folder.path().join("repository"), &["rev-parse", "HEAD"]))
    }

    /// Sends a push of dev.
    pub(super) async fn push(&self, id: &str, before: &Commit, after: &Commit) {
        let data = json!({"repository": "acme/shop", "ref": "refs/heads/dev", "before": before, "after": after, "author": "ada"});
        self.send(id, "push", &data).await;
    }

    /// Commits a cluster configuration and pushes it.
    pub(super) async fn push_config(&self, id: &str, text: &str) {
        let before = self.head();
        let after = self.commit(CONFIG, text);
        self.push(id, &before, &after).await;
    }

    pub(super) async fn send(&self, id: &str, kind: &str, data: &Value) {
        let event_type = format!("dev.windlass.{kind}");
        let event =
            json!({"specversion": "1.0", "id": id, "source": "/test", "type": event_type, "data": data});
        self.engine.queue.publish(event.to_string().as_bytes()).await.unwrap();
    }

    /// Works until nothing can go on.
    pub(super) async fn work(&self) {
        let (_stop, stopped) = watch::channel(false);
        let leadership = self.leadership.as_ref().expect("the world leads");
        work(Arc::clone(&self.engine), leadership, Until::Idle, stopped).await.unwrap();
    }

    pub(super) async fn run(&self, number: u64) -> RunView {
        RunView::load(&self.engine.store, RunId(number)).await.unwrap()
    }

    /// Every run as `cluster verified`, oldest first.
    pub(super) async fn runs(&self) -> Vec<String> {
        let mut rows = self.engine.store.runs(&windlass_store::RunFilter::default()).await.unwrap();
        rows.reverse();
        rows.iter().map(|row| format!("{} {}", row.kind, row.state)).collect()
    }

    /// The events that runs have sent, oldest first.
    pub(super) async fn emitted(&self) -> Vec<InboxEvent> {
        let mut events = self.engine.store.events(100).await.unwrap();
        events.reverse();
        events.retain(|event| event.source.as_deref() == Some("/windlass/runs"));
        events
    }

    /// The ids of these.
    pub(super) async fn emitted_ids(&self) -> Vec<String> {
        self.emitted().await.into_iter().filter_map(|event| event.id).collect()
    }
}

pub(super) fn dev() -> EnvironmentName {
    "dev".parse().unwrap()
}

fn configuration(folder: &Path) -> Config {
    Config::load(Some(&folder.join("windlass.toml")), &Variables::fixed([])).unwrap()
}

fn built_in(folder: &Path) -> Arc<dyn Provider> {
    let all = crate::plugins::built_in(&configuration(folder));
    all.into_iter().find(|provider| provider.name().as_str() == "sandbox").expect("the sandbox is built in")
}

async fn open(folder: &Path, provider: &Arc<Scripted>, clock: &SetClock) -> Arc<Engine> {
    let config = configuration(folder);
    let provider: Arc<dyn Provider> = Arc::clone(provider) as Arc<dyn Provider>;
    Arc::new(Engine::open(config, vec![provider], Arc::new(clock.clone())).await.unwrap())
}

/// Leads as soon as nobody else does. A `git` that another test is just starting has a copy of the lock until it is started.
async fn lead(engine: &Engine) -> Leadership {
    loop {
        if let Some(leadership) = engine.store.try_lead(engine.now()).await.unwrap() {
            return leadership;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn commit(repository: &Path, message: &str) -> Commit {
    git(repository, &["add", "--all"]);
    git(repository, &["commit", "--quiet", "--allow-empty", "--message", message]);
    Commit::new(git(repository, &["rev-parse", "HEAD"]))
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(arguments)
        .current_dir(repository)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", repository)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
