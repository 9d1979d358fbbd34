//! A Kubernetes cluster for tests: the test bed of `tests/testbed`, driven from Rust.
//!
//! ```no_run
//! let bed = windlass_tests::testbed::Bed::shared();
//! let space = bed.namespace();
//! space.kubectl(&["create", "deployment", "web", "--image=web:1"]).expect_success();
//! space.kubectl(&["wait", "--for=condition=Available", "deployment/web", "--timeout=30s"]).expect_success();
//! ```
//!
//! Everything here panics with what went wrong: a test that cannot have its cluster fails.

mod broker;
mod command;
mod namespace;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::suites::ClusterKind;
use crate::world::beside;

pub use broker::Broker;
pub use command::Answer;
pub use namespace::Namespace;

/// A running control plane with its nodes.
#[derive(Debug)]
pub struct Bed {
    kubeconfig: PathBuf,
}

impl Bed {
    /// The cluster that `TESTBED_KIND` asks for. Without it the bed with simulated nodes: the one in `TESTBED_DIR`, which several test binaries
    /// share and somebody else stops, or without that one of this process's own, which stops when the process is gone.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Bed> = OnceLock::new();
        match ClusterKind::asked_for() {
            ClusterKind::TestBed => SHARED.get_or_init(|| Self::started("TESTBED_DIR", 3)),
            ClusterKind::Sandbox => Self::sandbox(),
            ClusterKind::RealNode => Self::real_node(),
        }
    }

    /// A sandbox of this process's own, which stops with it.
    pub fn sandbox() -> &'static Self {
        static SANDBOX: OnceLock<(Bed, Child)> = OnceLock::new();
        &SANDBOX.get_or_init(Self::started_sandbox).0
    }

    fn started_sandbox() -> (Self, Child) {
        let file = format!("windlass-sandbox-{}.kubeconfig", std::process::id());
        let kubeconfig = std::env::temp_dir().join(file);
        let mut program = Command::new(beside("examples/sandbox"));
        program
            .arg("--while-input")
            .arg(&kubeconfig)
            .arg("testbed")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = program.spawn().expect("the sandbox starts");
        let mut said = String::new();
        let stdout = child.stdout.take().expect("standard output was asked for");
        BufReader::new(stdout).read_line(&mut said).expect("the sandbox says where it is");
        assert!(!said.is_empty(), "the sandbox did not start");
        (Self { kubeconfig }, child)
    }

    /// The bed whose only node is a real one, where pods are processes: the one in `TESTBED_REAL_DIR`, or one of this
    /// process's own. It has the image that `infra/` names. Needs root on Linux. A machine has one at a time; a second
    /// waits for the first to stop.
    pub fn real_node() -> &'static Self {
        static REAL: OnceLock<Bed> = OnceLock::new();
        REAL.get_or_init(|| {
            let bed = Self::started("TESTBED_REAL_DIR", 0);
            let folder = bed.kubeconfig.parent().expect("a bed has a folder");
            let node = Command::new(script("node/up")).arg("--untainted").arg(folder).output();
            Answer::of("node/up", node).expect_success();
            let image = Command::new(script("node/load")).arg(folder).output();
            Answer::of("node/load", image).expect_success();
            bed
        })
    }

    fn started(variable: &str, simulated_nodes: u32) -> Self {
        let mut up = Command::new(script("up"));
        if let Some(folder) = std::env::var_os(variable) {
            up.arg(folder);
        } else {
            let process = std::process::id();
            let folder = format!("windlass-testbed-{process}-{simulated_nodes}");
            up.arg(std::env::temp_dir().join(folder)).env("TESTBED_OWNER", process.to_string());
        }
        let answer = Answer::of("up", up.env("TESTBED_NODES", simulated_nodes.to_string()).output());
        Self { kubeconfig: PathBuf::from(answer.expect_success().trim()) }
    }

    /// An administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs the bed's own `kubectl` as administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Answer {
        self.kubectl_with(arguments, "")
    }

    /// Runs `kubectl` with something to read on its standard input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Answer {
        command::kubectl(&self.kubeconfig, arguments, input)
    }

    /// A fresh namespace, which is deleted when the value goes.
    pub fn namespace(&self) -> Namespace<'_> {
        Namespace::create(self)
    }
}

/// The folder with the programs that the bed is built of: `kubectl`, `kustomize` and the cluster's own.
pub fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("TESTBED_BIN") {
        return folder.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(Path::new(&home).join(".cache"))
    });
    cache.expect("HOME is set").join("windlass-testbed/bin")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed").join(name)
}
