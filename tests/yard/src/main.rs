//! A windlass with a provider for tests of cluster runs: its clusters are files of a folder, which outlive a process that is killed, and the way
//! into each of them is one kubeconfig that lies beside.
//!
//! `windlass-yard sandbox FILE` is the cluster behind that kubeconfig: a sandbox that lives until it is killed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use async_trait::async_trait;
use windlass::Windlass;
use windlass_core::name::{ClusterName, ProviderName};
use windlass_core::provider::{
    Capabilities, ChangeVerb, Cluster, ClusterChange, ClusterPlan, ClusterSpec, Kubeconfig, Money, Progress,
    Provider, ProviderError, Removal, Removed,
};
use windlass_provider_sandbox::{Sandbox, SandboxConfig};

/// The folder with the files.
const FOLDER: &str = "YARD";

/// What a cluster consists of; each part is made by a call of its own.
const PARTS: [&str; 3] = ["network", "server", "volume"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, file] = arguments.as_slice()
        && word == "sandbox"
    {
        return serve_sandbox(file);
    }
    let folder = std::env::var_os(FOLDER).map(PathBuf::from).unwrap_or_default();
    Windlass::builder().provider(Yard { name: "hetzner".parse().expect("it is a label"), folder }).run()
}

/// Serves a cluster until this process is killed. Its kubeconfig appears when it can take work.
fn serve_sandbox(file: &str) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(async {
        let sandbox = Sandbox::start(&SandboxConfig::default()).await.expect("a sandbox starts");
        let fresh = format!("{file}.new");
        fs::write(&fresh, sandbox.kubeconfig("yard").expose()).expect("the kubeconfig is written");
        fs::rename(&fresh, file).expect("the kubeconfig appears");
        std::future::pending().await
    })
}

/// A backend whose clusters are files.
#[derive(Debug)]
struct Yard {
    name: ProviderName,
    folder: PathBuf,
}

impl Yard {
    fn part(&self, cluster: &ClusterName, part: &str) -> PathBuf {
        self.folder.join(format!("{cluster}.{part}"))
    }

    fn parts(&self, cluster: &ClusterName, is_there: bool) -> Vec<&'static str> {
        PARTS.into_iter().filter(|part| self.part(cluster, part).exists() == is_there).collect()
    }

    /// Writes down what was done, for a test that counts.
    fn note(&self, what: &str) -> std::io::Result<()> {
        let mut log = OpenOptions::new().create(true).append(true).open(self.folder.join("log"))?;
        writeln!(log, "{what}")
    }
}

fn unwritable(error: std::io::Error) -> ProviderError {
    ProviderError::new("the yard cannot be written").caused_by(error)
}

#[async_trait]
impl Provider for Yard {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        let storage_classes = vec!["hcloud-volumes".to_owned()];
        Capabilities { create: true, upgrade: false, scale: false, storage_classes }
    }

    async fn plan(&self, want: &ClusterSpec) -> Result<ClusterPlan, ProviderError> {
        let missing = self.parts(&want.name, false);
        let create = |part: &str| ClusterChange {
            verb: ChangeVerb::Create,
            what: format!("{part} of `{}`", want.name),
        };
        let monthly_cost = Some(Money { cents: 1205, currency: "EUR".to_owned() });
        Ok(ClusterPlan { changes: missing.into_iter().map(create).collect(), monthly_cost })
    }

    async fn ensure(&self, want: &ClusterSpec, progress: &dyn Progress) -> Result<Cluster, ProviderError> {
        let mut writes = 0;
        for part in self.parts(&want.name, false) {
            File::create_new(self.part(&want.name, part)).map_err(unwritable)?;
            self.note(&format!("create {part}")).map_err(unwritable)?;
            progress.report(&format!("{part} is there"));
            writes += 1;
            tokio::task::yield_now().await;
        }
        Ok(Cluster { name: want.name.clone(), version: None, writes })
    }

    async fn connect(&self, cluster: &ClusterName) -> Result<Kubeconfig, ProviderError> {
        if !self.parts(cluster, false).is_empty() {
            return Err(ProviderError::new(format!("there is no cluster `{cluster}` in the yard")));
        }
        fs::read_to_string(self.folder.join("kubeconfig")).map(Kubeconfig::new).map_err(unwritable)
    }

    async fn remove(
        &self,
        cluster: &ClusterName,
        removal: Removal,
        progress: &dyn Progress,
    ) -> Result<Removed, ProviderError> {
        let there = self.parts(cluster, true);
        let (left, parts): (Vec<&str>, Vec<&str>) = there.into_iter().partition(|part| *part == "volume");
        for part in parts.iter().filter(|_| removal == Removal::Final) {
            fs::remove_file(self.part(cluster, part)).map_err(unwritable)?;
            self.note(&format!("remove {part}")).map_err(unwritable)?;
            progress.report(&format!("{part} is gone"));
        }
        let left = left.iter().map(|part| format!("{part} of `{cluster}`, 0.44 EUR a month")).collect();
        Ok(Removed { removed: parts.iter().map(|part| format!("{part} of `{cluster}`")).collect(), left })
    }
}
