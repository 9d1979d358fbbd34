//! Runs a sandbox cluster for `kubectl` until it is interrupted: `cargo run --example sandbox -- KUBECONFIG`.

use windlass_provider_sandbox::{Sandbox, SandboxConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("name the file to write the kubeconfig to")?;
    let sandbox = Sandbox::start(&SandboxConfig::default()).await?;
    std::fs::write(&file, sandbox.kubeconfig("sandbox").expose())?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
