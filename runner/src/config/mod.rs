//! The configuration of this windlass: a file, environment variables over it, and the defaults of `default.toml` under both.

mod error;
mod keys;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use config::builder::DefaultState;
use config::{ConfigBuilder, Environment, File, FileFormat, Value};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tracing_subscriber::EnvFilter;
use windlass_core::name::{ClusterName, Digest};

pub use self::error::ConfigError;
use self::error::Written;
use crate::broker::QueueConfig;
use crate::github::GithubConfig;
use crate::http::config::HttpConfig;
use crate::plugins::{ClusterAccess, KubeconfigConfig};
use crate::secrets::SecretsConfig;
use crate::telemetry::TelemetryConfig;
use crate::variables::Variables;

/// Every key with its default and meaning, as a file that could be used.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// The file that is read where none is named, if it is there.
pub const FILE_NAME: &str = "windlass.toml";

/// What the variables of the configuration begin with.
const PREFIX: &str = "WINDLASS_";

/// Variables that begin like configuration and are options of the command line, or a secret.
const NOT_CONFIGURATION: &[&str] = &[
    "WINDLASS_CONFIG",
    "WINDLASS_LOG",
    "WINDLASS_LOG_FORMAT",
    "WINDLASS_KILL_AT",
    "WINDLASS_KILL_VISITS",
    "WINDLASS_NO_PROGRESS",
    "WINDLASS_SCREEN_READER",
    crate::broker::PASSWORD_VARIABLE,
    crate::http::github::SECRET_VARIABLE,
    crate::github::TOKEN_VARIABLE,
];

/// The whole configuration. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The repository to deploy from.
    pub repository: PathBuf,
    /// The folder in it that holds `deploy-control.yaml` and `k8s/`: relative, without `..`.
    pub infra: PathBuf,
    /// Where windlass keeps its state, if configured; see [`Config::state_folder`].
    pub data_dir: Option<PathBuf>,
    /// How to reach the clusters that exist already, by the name of the cluster or of the environment that has one of its own.
    #[serde(default)]
    pub clusters: BTreeMap<ClusterName, ClusterAccess>,
    /// Where values of secrets come from.
    pub secrets: SecretsConfig,
    /// The broker that events come from, beside the commands of this machine.
    pub queue: QueueConfig,
    /// Where the way into a cluster is published besides.
    pub github: GithubConfig,
    /// Who acts on the command line.
    pub identity: Identity,
    /// How a release is verified.
    pub verify: Verify,
    /// What is logged.
    pub log: Log,
    /// Where traces, metrics and logs are sent.
    pub telemetry: TelemetryConfig,
    /// How the HTTP API is served.
    pub http: HttpConfig,
}

/// Who acts on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The name that is recorded. It proves nothing: whoever may run the command may set it.
    pub name: String,
}

/// How a release is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// How long after it became ready a release is looked at once more.
    #[serde(with = "duration_text")]
    pub soak: Duration,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level, or levels by module, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl Config {
    /// Reads `file`, or `windlass.toml` in the working directory where none is named and one is there; environment variables go over it.
    pub fn load(file: Option<&Path>, variables: &Variables) -> Result<Self, ConfigError> {
        let present = Path::new(FILE_NAME).is_file().then_some(Path::new(FILE_NAME));
        match file {
            Some(file) if !file.is_file() => Err(ConfigError::NoSuchFile { file: file.to_owned() }),
            file => Self::read(file.or(present), variables),
        }
    }

    fn read(file: Option<&Path>, variables: &Variables) -> Result<Self, ConfigError> {
        let built = layers(file, variables).and_then(ConfigBuilder::<DefaultState>::build);
        let tree = built.map_err(|error| error::unreadable(error, file))?.cache;
        let mut written = Written { tree, file };
        keys::check(&written)?;
        rebase(&mut written.tree, "", file, variables);
        let config: Self = written.tree.clone().try_deserialize().map_err(|error| written.refuse(error))?;
        config.check(&written)?;
        Ok(config)
    }

    /// What single types cannot say of their values.
    fn check(&self, written: &Written<'_>) -> Result<(), ConfigError> {
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !self.infra.components().all(is_plain) {
            return Err(written.invalid("infra", "is not a path inside of the repository"));
        }
        if self.secrets.placeholder.chars().count() < SecretsConfig::SHORTEST_PLACEHOLDER {
            let reason = "is shorter than eight characters: it could stand in a text by chance";
            return Err(written.invalid("secrets.placeholder", reason));
        }
        self.queue.check().map_err(|(key, error)| written.invalid(key, &error.to_string()))?;
        self.http.github.check().map_err(|(key, reason)| written.invalid(key, reason))?;
        self.telemetry.check().map_err(|reason| written.invalid("telemetry.otlp_endpoint", reason))?;
        if self.log.filter.parse::<EnvFilter>().is_err() {
            return Err(written.invalid(
                "log.filter",
                "is not a level, or levels by module, such as `info,windlass::sources=debug`",
            ));
        }
        Ok(())
    }

    /// The section of the provider of clusters that exist.
    pub fn kubeconfig(&self) -> KubeconfigConfig {
        KubeconfigConfig { clusters: self.clusters.clone() }
    }

    /// The folder for windlass's own state: the configured one, or else one for each repository under the user's state directory
    /// (`$STATE_DIRECTORY`, `$XDG_STATE_HOME`, `~/.local/state`; the XDG base directory specification). It need not exist yet.
    pub fn state_folder(&self, variables: &Variables) -> Result<PathBuf, ConfigError> {
        if let Some(configured) = &self.data_dir {
            return Ok(configured.clone());
        }
        // systemd separates several folders by colons; the first is the service's own.
        if let Some(given) = variables.text("STATE_DIRECTORY") {
            return Ok(PathBuf::from(given.split(':').next().unwrap_or_default()));
        }
        let is_absolute = |text: &String| Path::new(text).is_absolute();
        let state = match (variables.text("XDG_STATE_HOME").filter(is_absolute), variables.text("HOME")) {
            (Some(state), _) => PathBuf::from(state),
            (None, Some(home)) => Path::new(&home).join(".local/state"),
            (None, None) => return Err(ConfigError::NoStateFolder),
        };
        Ok(state.join("windlass").join(folder_name(&self.repository)))
    }
}

/// A folder's name for a repository: readable by its last part, and its own by the digest of its whole path.
fn folder_name(repository: &Path) -> String {
    let real = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
    let last = real.file_name().map(|name| name.to_string_lossy().into_owned());
    format!(
        "{}-{}",
        last.unwrap_or_else(|| "root".to_owned()),
        Digest::of(real.as_os_str().as_encoded_bytes()).short()
    )
}

/// The defaults, the file and the variables, the later over the earlier.
fn layers(
    file: Option<&Path>,
    variables: &Variables,
) -> Result<ConfigBuilder<DefaultState>, config::ConfigError> {
    let user =
        variables.text("USER").or_else(|| variables.text("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let mut given = variables.beginning_with(PREFIX);
    given.retain(|name, _| !NOT_CONFIGURATION.contains(&name.as_str()));
    // Values stay text: a parser that guesses would make the number 123 of a name `0123`.
    let environment = Environment::with_prefix("WINDLASS")
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(given.into_iter().collect()));
    let mut layers = config::Config::builder()
        .set_default("identity.name", user)?
        .add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(file) = file {
        layers = layers.add_source(File::from(file).format(FileFormat::Toml));
    }
    Ok(layers.add_source(environment))
}

/// Makes the paths of a file relative to the file, and `~/` the home directory.
fn rebase(value: &mut Value, key: &str, file: Option<&Path>, variables: &Variables) {
    let folder = file.and_then(Path::parent).filter(|_| error::is_of_file(value));
    match &mut value.kind {
        config::ValueKind::Table(table) => {
            for (name, value) in table {
                rebase(value, &keys::join(key, name), file, variables);
            }
        }
        config::ValueKind::Array(values) => {
            for value in values {
                rebase(value, key, file, variables);
            }
        }
        config::ValueKind::String(text) if keys::is_path(key) => {
            let home = text.strip_prefix("~/").zip(variables.text("HOME"));
            let path = match (home, folder) {
                (Some((rest, home)), _) => Path::new(&home).join(rest),
                (None, Some(folder)) => folder.join(text.as_str()),
                (None, None) => PathBuf::from(text.as_str()),
            };
            *text = path.to_string_lossy().into_owned();
        }
        _ => {}
    }
}

/// A list, or, from an environment variable, a text with `:` between the parts.
pub(crate) fn list_or_text<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de> + From<String>,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText<T> {
        List(Vec<T>),
        Text(String),
    }
    let given =
        ListOrText::deserialize(deserializer).map_err(|_| D::Error::custom("expected a list of texts"))?;
    Ok(match given {
        ListOrText::List(list) => list,
        ListOrText::Text(text) => {
            text.split(':').filter(|part| !part.is_empty()).map(|part| T::from(part.to_owned())).collect()
        }
    })
}

/// Durations as people write them: `10s`, `1m 30s`, and ISO 8601.
mod duration_text {
    use std::time::Duration;

    use jiff::SignedDuration;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let signed = SignedDuration::try_from(*duration).map_err(serde::ser::Error::custom)?;
        format!("{signed:#}").serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = text.parse::<SignedDuration>().ok().and_then(|signed| Duration::try_from(signed).ok());
        duration
            .ok_or_else(|| D::Error::custom(format_args!("`{text}` is not a duration such as `30s` or `2m`")))
    }
}

#[cfg(test)]
mod tests;
