//! How a binary is made of windlass and providers: the own one in `main.rs`, and those of others.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use windlass_core::provider::Provider;

use crate::cli::{self, args::Cli};
use crate::config::Config;
use crate::plugins;
use crate::telemetry;

/// A windlass in the making.
///
/// ```no_run
/// use windlass::Windlass;
///
/// fn main() -> std::process::ExitCode {
///     Windlass::builder().run()
/// }
/// ```
#[derive(Debug, Default)]
pub struct Windlass {
    plugins: Plugins,
}

/// The providers of a binary.
#[derive(Debug, Clone, Default)]
pub struct Plugins {
    own: Vec<Arc<dyn Provider>>,
}

impl Plugins {
    /// Built-in providers, then those of the binary: a provider of a binary's own takes the place of a built-in one of the same name.
    pub fn providers(&self, config: &Config) -> Vec<Arc<dyn Provider>> {
        plugins::built_in(config).into_iter().chain(self.own.iter().cloned()).collect()
    }
}

impl Windlass {
    /// Begins with the built-in providers.
    pub fn builder() -> Self {
        Self::default()
    }

    /// Adds a provider.
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.plugins.own.push(Arc::new(provider));
        self
    }

    /// Reads the command line and does what it says.
    pub fn run(self) -> ExitCode {
        // One cryptography for everything; a second installation is somebody else's and as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cli = Cli::parse();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
        let exit = runtime.block_on(cli::run(cli, self.plugins));
        telemetry::flush();
        // Reads that block, such as a stdin that nobody closes, must not keep the process.
        runtime.shutdown_background();
        exit.into()
    }
}
