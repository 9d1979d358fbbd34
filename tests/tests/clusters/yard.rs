//! A place for a test of clusters: a repository, a data directory, a folder of clusters, and the cluster that they all lead to.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use windlass_tests::world::{Ran, World, beside};

/// The program whose provider makes clusters of files.
const PROGRAM: &str = "windlass-yard";

/// How long a cluster in a process may take to answer before the test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A place of one's own.
#[derive(Debug)]
pub(crate) struct Yard {
    pub(crate) world: World,
    folder: tempfile::TempDir,
    sandbox: Child,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let world = World::without_clusters().using(beside(PROGRAM));
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let mut sandbox = Command::new(beside(PROGRAM));
        sandbox.arg("sandbox").arg(&kubeconfig).stdin(Stdio::null());
        let sandbox = sandbox.spawn().unwrap();
        let yard = Self { world, folder, sandbox };
        until_there(&kubeconfig);
        yard
    }

    /// The program, ready for arguments.
    pub(crate) fn program(&self) -> Command {
        self.program_at(&beside(PROGRAM))
    }

    /// The build of it that can be killed.
    pub(crate) fn with_kill_points(&self) -> Command {
        self.program_at(&beside("windlass-yard-kill-points"))
    }

    fn program_at(&self, binary: &Path) -> Command {
        let mut program = self.world.program_at(binary);
        program.env("YARD", self.folder.path());
        program
    }

    pub(crate) fn windlass(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.program().args(arguments))
    }

    /// What was made and removed, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// The credential of the cluster, which nothing may show.
    pub(crate) fn token(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("kubeconfig")).unwrap();
        let (_, rest) = text.split_once("\"token\": \"").expect("a sandbox is entered by a token");
        rest.split('"').next().unwrap().to_owned()
    }

    /// A file of this place that is gone with it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = self.sandbox.kill();
        let _ = self.sandbox.wait();
    }
}

/// Waits for a file that another process makes.
fn until_there(file: &Path) {
    let began = Instant::now();
    while !file.exists() {
        assert!(began.elapsed() < PATIENCE, "`{}` does not appear", file.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
