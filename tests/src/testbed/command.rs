//! Running a program and showing what it said when that is not what a test wants.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a program answered.
#[derive(Clone, Debug)]
pub struct Answer {
    command: String,
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub(super) fn of(command: &str, output: std::io::Result<Output>) -> Self {
        let output = output.unwrap_or_else(|error| panic!("`{command}` cannot be run: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            command: command.to_owned(),
            success: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// What it wrote to its standard output; panics with everything it wrote when it failed.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.success, "`{}` failed:\n{}{}", self.command, self.stdout, self.stderr);
        self.stdout
    }

    /// What it wrote to its standard error; panics when it did not fail.
    #[track_caller]
    pub fn expect_failure(self) -> String {
        assert!(!self.success, "`{}` did not fail:\n{}{}", self.command, self.stdout, self.stderr);
        self.stderr
    }
}

pub(super) fn kubectl(kubeconfig: &Path, arguments: &[&str], input: &str) -> Answer {
    let command = format!("kubectl {}", arguments.join(" "));
    let child = Command::new(super::programs().join("kubectl"))
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output = child.and_then(|mut child| {
        let mut stdin = child.stdin.take().expect("standard input was asked for");
        // One that does not read its input says itself why.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output()
    });
    Answer::of(&command, output)
}
