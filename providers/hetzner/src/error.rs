//! Why a cluster is not as it should be.

use std::io;
use std::path::PathBuf;

use windlass_core::policy::problem::Problems;
use windlass_core::provider::ProviderError;

use crate::client::error::{ClientError, ErrorCode};
use crate::lints::Finding;
use crate::machines::MachineError;
use crate::plan::Refusal;
use crate::state::StateError;

/// What stopped the provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HetznerError {
    #[error("environment of cluster `{0}` has no `cluster/cluster-config.yaml`")]
    NoConfig(String),
    #[error("the cluster-config of `{cluster}` is not valid")]
    Config { cluster: String, source: Problems },
    #[error("the file is for cluster `{named}`, and cluster `{wanted}` is asked for")]
    OtherCluster { named: String, wanted: String },
    #[error("the cluster-config of `{cluster}` cannot be carried out: {}", told(findings))]
    Lints { cluster: String, findings: Vec<Finding> },
    #[error("SSH key `{file}` cannot be read")]
    PublicKey { file: String, source: io::Error },
    #[error("there is no API token: `HCLOUD_TOKEN` is not set")]
    NoToken,
    #[error(transparent)]
    Token(#[from] crate::client::transport::BadToken),
    #[error("cluster `{cluster}` cannot be planned: {}", refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused { cluster: String, refusals: Vec<Refusal> },
    #[error("{doing} failed")]
    Api { doing: String, source: ClientError },
    #[error("no server of a type and in a location of the file can be had for `{server}`: tried {tried}")]
    Stock { server: String, tried: String, source: Option<Box<ClientError>> },
    #[error("{kind} `{name}` was made by someone else at the same time")]
    Foreign { kind: &'static str, name: String },
    #[error("{kind} `{name}` is gone while it is needed")]
    Gone { kind: &'static str, name: String },
    #[error("what is kept of cluster `{cluster}` cannot be used")]
    State { cluster: String, source: StateError },
    #[error("what was about to be made cannot be written down")]
    Intents(#[source] io::Error),
    #[error("servers of cluster `{0}` run, and what they were made with is not kept here")]
    LostSecret(String),
    #[error("cluster `{0}` was handed out, and the project of this token has no master of it")]
    MastersGone(String),
    #[error("cluster `{cluster}` was handed out, and the project of this token has nothing of it")]
    NothingThere { cluster: String, folder: PathBuf },
    #[error("{doing} failed on server `{server}`")]
    Machine { doing: &'static str, server: String, source: MachineError },
    #[error("cluster `{cluster}` cannot be asked how it is")]
    Unreachable { cluster: String, source: MachineError },
    #[error("cluster `{cluster}` did not become ready: {}", lacks.join("; "))]
    NotReady { cluster: String, lacks: Vec<String> },
    #[error("what `{server}` has for a kubeconfig cannot be used")]
    Kubeconfig { server: String, source: crate::bootstrap::kubeconfig::NotKubeconfig },
    #[error("server `{server}` cannot be told what it should be")]
    UserData { server: String, source: crate::user_data::TooLarge },
    #[error("there is no way into cluster `{0}`: this provider has not made it")]
    NotPublished(String),
    #[error("cluster `{0}` is protected against removal")]
    Protected(String),
}

impl HetznerError {
    /// As the contract of providers says it.
    pub(crate) fn told(self) -> ProviderError {
        let (hint, again) = (self.hint(), self.may_pass());
        let mut error = ProviderError::new(self.to_string());
        if again {
            error = error.retry_later(None);
        }
        if let Some(hint) = hint {
            error = error.with_hint(hint);
        }
        match self {
            Self::Config { source, .. } => error.caused_by(source),
            Self::PublicKey { source, .. } | Self::Intents(source) => error.caused_by(source),
            Self::Api { source, .. } => error.caused_by(source),
            Self::Stock { source: Some(source), .. } => error.caused_by(*source),
            Self::State { source, .. } => error.caused_by(source),
            Self::Machine { source, .. } | Self::Unreachable { source, .. } => error.caused_by(source),
            Self::Kubeconfig { source, .. } => error.caused_by(source),
            Self::UserData { source, .. } => error.caused_by(source),
            _ => error,
        }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Api { source, .. } => !is_lasting(source),
            Self::State { source, .. } => matches!(source, StateError::Busy(_)),
            Self::Machine { source, .. } => source.passing,
            Self::Stock { .. } | Self::Unreachable { .. } | Self::NotReady { .. } | Self::Gone { .. } => true,
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoToken => {
                "make one in the project's `Security > API tokens`, with the right to write, and `export HCLOUD_TOKEN=…`"
            }
            Self::PublicKey { .. } => {
                "make one with `ssh-keygen -t ed25519`, or name another in `networking.ssh.public_key_path`"
            }
            Self::Stock { .. } => {
                "name more in `fallback_instance_types` or `fallback_locations` of the pool"
            }
            Self::LostSecret(_) => "run where the cluster was made, or copy the provider's folder from there",
            Self::MastersGone(cluster) => {
                return Some(format!(
                    "see that `HCLOUD_TOKEN` is of the project it was made in: `hcloud server list`. If its masters are lost, remove what is left, \
                     `windlass cluster delete ENV --yes {cluster}`, and make it anew"
                ));
            }
            Self::NothingThere { folder, .. } => {
                return Some(format!(
                    "see that `HCLOUD_TOKEN` is of the project it was made in: `hcloud server list`. If somebody removed it by hand, `rm -r {}`",
                    folder.display()
                ));
            }
            Self::Protected(_) => {
                "write `protect_against_deletion: false`, let a cluster run carry it out, and remove it then"
            }
            Self::Refused { refusals, .. } => {
                return refusals.iter().find_map(refusal_hint).map(str::to_owned);
            }
            Self::Api { source, .. } => return api_hint(source).map(str::to_owned),
            Self::NotPublished(cluster) => {
                return Some(format!("make it with `windlass cluster create {cluster}`"));
            }
            Self::Lints { findings, .. } => return findings.first().map(|finding| finding.hint.clone()),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn told(findings: &[Finding]) -> String {
    let line = |finding: &Finding| format!("line {}: {}", finding.place.line, finding.message);
    findings.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// What the same call would meet again.
fn is_lasting(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::Unauthorized
                | ErrorCode::TokenReadonly
                | ErrorCode::Forbidden
                | ErrorCode::ResourceLimitExceeded
                | ErrorCode::InvalidInput
                | ErrorCode::Protected
        )
    )
}

fn api_hint(error: &ClientError) -> Option<&'static str> {
    match error.code()? {
        ErrorCode::Unauthorized => Some("the token is not known: see `HCLOUD_TOKEN`"),
        ErrorCode::TokenReadonly => Some("make a token with the right to write"),
        ErrorCode::ResourceLimitExceeded => Some(
            "the project has as many as it may: ask Hetzner for a higher limit in `Limits`, or remove what is not needed",
        ),
        ErrorCode::Protected => Some("lift the protection in Hetzner's console"),
        _ => None,
    }
}

fn refusal_hint(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Foreign { .. } => {
            Some("give the cluster another name, or remove what has this one: `hcloud all list`")
        }
        Refusal::NoPrice { .. } => Some(
            "see which type or location is not sold any more: `hcloud server-type list`; or take `budget` out",
        ),
        Refusal::OverBudget { .. } => Some("raise `budget.monthly`, or take smaller or fewer servers"),
        Refusal::Quorum { .. } => Some("see what is wrong with the others: `kubectl get nodes`"),
        Refusal::SkipsMinor { .. } => Some("upgrade to the next minor version first"),
        Refusal::UnknownType(_) => Some("see the types with `hcloud server-type list`"),
        Refusal::UnknownLocation(_) => Some("see the locations with `hcloud location list`"),
        _ => None,
    }
}
