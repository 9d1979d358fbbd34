//! What every command begins with: the configuration, the engine, who is asking.

use std::sync::Arc;

use windlass_core::event::text::Line;
use windlass_core::event::{Event, EventData, EventIdentity};

use super::args::Global;
use crate::builder::Plugins;
use crate::config::{Config, FILE_NAME};
use crate::engine::{Engine, SystemClock};
use crate::printer::Printer;
use crate::stop::Cause;
use crate::variables::Variables;

/// What a command works with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) printer: Printer,
    pub(super) config: Config,
    plugins: Plugins,
}

impl Context {
    /// Reads the configuration.
    pub(super) fn new(global: &Global, plugins: Plugins) -> Result<Self, Cause> {
        let beside = global
            .repository
            .as_ref()
            .map(|repository| repository.join(FILE_NAME))
            .filter(|file| file.is_file());
        let mut config = Config::load(global.config.as_deref().or(beside.as_deref()), &Variables::Process)?;
        if let Some(repository) = &global.repository {
            config.repository.clone_from(repository);
        }
        Ok(Self { printer: Printer::new(global.output, global.screen_reader), config, plugins })
    }

    /// Opens the store and the repository.
    pub(super) async fn engine(&self) -> Result<Arc<Engine>, Cause> {
        let providers = self.plugins.providers(&self.config);
        Engine::open(self.config.clone(), providers, Arc::new(SystemClock)).await.map(Arc::new)
    }

    /// Who asks, as approvals and audit name them.
    pub(super) fn requester(&self) -> Result<Line, Cause> {
        let name = self.config.identity.name.clone();
        name.clone().try_into().map_err(|_| {
            Cause::new("identity_invalid", format!("`{}` cannot be a name", name.escape_debug()))
                .with_hint("set `identity.name` in windlass.toml, or WINDLASS_IDENTITY__NAME")
        })
    }

    /// An event of this command line, with an identity of its own.
    pub(super) fn event(engine: &Engine, data: EventData) -> Event {
        let identity =
            EventIdentity { source: "/windlass/cli".to_owned(), id: uuid::Uuid::now_v7().to_string() };
        Event {
            identity,
            subject: None,
            time: Some(engine.now()),
            dataschema: None,
            extensions: std::collections::BTreeMap::new(),
            data,
        }
    }
}
