//! Runs a sandbox cluster for `kubectl` until it is interrupted: `cargo run --example sandbox -- KUBECONFIG [NAME]`.
//!
//! NAME is what the kubeconfig calls the cluster. A line says that it can be used. With `--while-input` it also ends with its standard
//! input, and so with the process that started it.

use std::io::{self, Write as _};

use tokio::sync::oneshot;
use windlass_provider_sandbox::{Sandbox, SandboxConfig};

const USAGE: &str = "usage: sandbox [--while-input] KUBECONFIG [NAME]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let ends_with_input = words.first().is_some_and(|word| word == "--while-input");
    if ends_with_input {
        words.remove(0);
    }
    let (file, name) = match &words[..] {
        [file] => (file, "sandbox"),
        [file, name] => (file, name.as_str()),
        _ => return Err(USAGE.into()),
    };
    let sandbox = Sandbox::start(&SandboxConfig::default()).await?;
    std::fs::write(file, sandbox.kubeconfig(name).expose())?;
    writeln!(io::stdout(), "{file}")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = end_of_input(), if ends_with_input => {}
    }
    // It leads nowhere from now on.
    std::fs::remove_file(file)?;
    Ok(())
}

/// Whatever comes is passed over. A thread of its own, because reading cannot be given up.
fn end_of_input() -> oneshot::Receiver<()> {
    let (tell, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // An error ends it as well.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = tell.send(());
    });
    ended
}
