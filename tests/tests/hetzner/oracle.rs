//! An emulator for the client of another.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use windlass_hetzner_emulator::{Builder, Emulator, Latencies};
use windlass_tests::hetzner::{ApiDocument, Exchange};

/// How long actions take: long enough to be seen running.
const ACTION: Duration = Duration::from_millis(20);

pub(crate) struct Oracle {
    emulator: Emulator,
    folder: TempDir,
    /// The emulator lives on its threads.
    _runtime: Runtime,
}

impl Oracle {
    pub(crate) fn start(builder: Builder) -> Self {
        let runtime = Runtime::new().unwrap();
        let builder = builder.latencies(Latencies::none().others(ACTION));
        let emulator = runtime.block_on(builder.start()).unwrap();
        let folder = TempDir::new().unwrap();
        run_in(folder.path(), "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "oracle", "-f", "key"]);
        let certificate = [
            "req",
            "-x509",
            "-newkey",
            "ed25519",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=example.com",
            "-addext",
            "subjectAltName=DNS:example.com",
            "-out",
            "certificate.pem",
            "-keyout",
            "certificate.key",
        ];
        run_in(folder.path(), "openssl", &certificate);
        Self { emulator, folder, _runtime: runtime }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Runs a program that finds the emulator in its environment.
    #[track_caller]
    pub(crate) fn run(&self, program: &OsStr, arguments: &[&OsStr]) {
        let output = Command::new(program)
            .args(arguments)
            .env("HCLOUD_ENDPOINT", self.emulator.endpoint())
            .env("HCLOUD_TOKEN", self.emulator.token())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let calls = self.emulator.calls();
        assert!(output.status.success(), "{said}\nlast call: {:#?}", calls.last());
    }

    /// Every call and every answer is as the document says, but for what is known, and there were enough of them.
    #[track_caller]
    pub(crate) fn expect_agreement(&self, calls: usize, known: &[&str]) {
        let all = self.emulator.calls();
        assert!(all.len() >= calls, "only {} calls", all.len());
        let document = ApiDocument::get();
        let problems: Vec<String> = all
            .iter()
            .flat_map(|call| {
                let (request, answer) = (call.request.as_ref(), call.answer.as_ref());
                let status = call.status.expect("nothing was lost");
                document.problems(&Exchange {
                    method: &call.method,
                    path: &call.path,
                    request,
                    status,
                    answer,
                })
            })
            .filter(|problem| !known.iter().any(|known| problem.contains(known)))
            .collect();
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

fn run_in(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
