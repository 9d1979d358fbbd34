//! Why a kubeconfig does not lead to a cluster.

use std::io;
use std::path::PathBuf;

use windlass_core::provider::ProviderError;

/// A kubeconfig cannot be used. No variant holds a text of the file: it may be a credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubeconfigError {
    #[error("there is neither `$KUBECONFIG` nor a home folder in which to look for `.kube/config`")]
    NoFile,
    #[error("kubeconfig `{}` cannot be read", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{}{} is not a kubeconfig in YAML", file.display(), at(*line))]
    Malformed { file: PathBuf, line: Option<u64> },
    #[error("the kubeconfig names no current context")]
    NoCurrentContext,
    #[error("the kubeconfig has no {kind} `{name}`")]
    Missing { kind: &'static str, name: String },
    #[error("`{field}` of context `{context}` makes `kubectl` run a program, which windlass does not do")]
    RunsProgram { field: &'static str, context: String },
    #[error("`{field}` of context `{context}` refers to another file")]
    RefersToFile { field: &'static str, context: String },
    #[error(
        "context `{context}` skips the check of the server's certificate, so the credentials could go to anyone"
    )]
    Insecure { context: String },
    #[error("context `{context}` goes through a proxy, which windlass does not do")]
    Proxy { context: String },
}

fn at(line: Option<u64>) -> String {
    line.map_or(String::new(), |line| format!(":{line}:"))
}

impl KubeconfigError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile | Self::Unreadable { .. } => {
                Some("write one with `kubectl config view --flatten --minify > FILE` and name it in the configuration".to_owned())
            }
            Self::NoCurrentContext | Self::Missing { kind: "context", .. } => {
                Some("see its contexts with `kubectl config get-contexts`".to_owned())
            }
            Self::RunsProgram { .. } => Some(
                "give windlass an account of its own: `kubectl create serviceaccount windlass`, its rights, and a kubeconfig with the token \
                 from `kubectl create token windlass --duration=8760h`"
                    .to_owned(),
            ),
            Self::RefersToFile { context, .. } => {
                Some(format!("write one with `kubectl config view --flatten --minify --context {context} > FILE`"))
            }
            Self::Insecure { .. } => {
                Some("put the authority's certificate into `certificate-authority-data`".to_owned())
            }
            Self::Malformed { .. } | Self::Missing { .. } | Self::Proxy { .. } => None,
        }
    }

    /// As the contract says it, about a cluster. Someone must mend a kubeconfig: trying again does not.
    pub(crate) fn about(self, cluster: &str) -> ProviderError {
        let hint = self.hint();
        let error = ProviderError::new(format!("no way into cluster `{cluster}`")).caused_by(self);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
