//! GitHub, for those who keep part of their workflows there: the way into a cluster as a secret of an environment, and a workflow that is told.
//!
//! A secret is sealed for the key of its environment before it leaves (libsodium's sealed box, as GitHub asks for), so that nobody between can
//! read it. It may be put again and again; a workflow that is told may be told twice, when the process dies just then.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_core::failure::STAGE_RETRIES;
use windlass_core::name::EnvironmentName;
use windlass_core::provider::Kubeconfig;

use crate::credential::Credential;
use crate::stop::{Cause, chain};
use crate::variables::Variables;

/// The variable that holds the token, where no file does.
pub const TOKEN_VARIABLE: &str = "WINDLASS_GITHUB_TOKEN";

const TOKEN: Credential =
    Credential { variable: TOKEN_VARIABLE, name: "github-token", key: "github.token_file" };

/// The version of the API that is spoken.
const VERSION: &str = "2022-11-28";

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the ways into clusters are published besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubConfig {
    /// The address of the API.
    pub api: String,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// What is published where, by the name of the environment here.
    #[serde(default)]
    pub environments: BTreeMap<EnvironmentName, Publication>,
}

/// What is published at GitHub for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The repository, such as `acme/shop`.
    pub repository: String,
    /// The environment's name there; the same where none is written.
    pub environment: Option<String>,
    /// The secret's name; `KUBECONFIG` where none is written.
    pub secret_name: Option<String>,
    /// The file of a workflow to dispatch then, such as `deploy.yml`; none where nobody is to be told.
    pub workflow: Option<String>,
    /// The branch or tag that the workflow runs on; `main` where none is written.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
}

/// The key that GitHub wants a secret to be sealed for.
#[derive(Debug, Deserialize)]
struct SealingKey {
    key_id: String,
    /// In Base64.
    key: String,
}

/// Why GitHub did not take it.
#[derive(Debug, thiserror::Error)]
enum GithubError {
    #[error("GitHub could not be asked to {what}")]
    Unreachable {
        what: &'static str,
        #[source]
        source: reqwest::Error,
    },
    #[error("GitHub answered {status} when it was asked to {what}{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
    Refused { what: &'static str, status: StatusCode, message: String },
    #[error("GitHub gave no key that a secret can be sealed for")]
    NoKey,
}

impl GithubError {
    /// Whether asking again can help.
    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => {
                *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
            }
            Self::NoKey => false,
        }
    }
}

impl GithubConfig {
    fn token(&self, variables: &Variables) -> Result<SecretString, Cause> {
        TOKEN.read(self.token_file.as_deref(), variables)?.ok_or_else(|| {
            Cause::new("github_token_missing", "no token says who publishes at GitHub")
                .with_hint(format!("set {TOKEN_VARIABLE}, or `github.token_file` in windlass.toml"))
        })
    }

    /// Publishes the way into the cluster of an environment, if that is asked for, and answers in words what was done.
    pub async fn publish(
        &self,
        environment: &EnvironmentName,
        kubeconfig: &Kubeconfig,
        variables: &Variables,
    ) -> Result<Option<String>, Cause> {
        let Some(publication) = self.environments.get(environment) else { return Ok(None) };
        let token = self.token(variables)?;
        let api = Api::new(self.api.trim_end_matches('/'), token).map_err(|error| refusal(&error))?;
        let place = Place::of(publication, environment);
        let mut failed = 0;
        loop {
            let error = match api.publish(&place, kubeconfig).await {
                Ok(()) => return Ok(Some(place.in_words())),
                Err(error) => error,
            };
            failed += 1;
            let wait = STAGE_RETRIES.wait_after(failed, 0.0).filter(|_| error.is_transient());
            let Some(wait) = wait else { return Err(refusal(&error)) };
            tracing::warn!(?wait, "{}", chain(&error));
            tokio::time::sleep(wait).await;
        }
    }
}

fn refusal(error: &GithubError) -> Cause {
    Cause::new("github_refused", chain(error)).with_hint(
        "the token needs to write secrets of environments, and actions where a workflow is told; the cluster itself is ready",
    )
}

/// Where a secret goes, with every default filled in.
struct Place<'a> {
    publication: &'a Publication,
    environment: &'a str,
    secret: &'a str,
}

impl<'a> Place<'a> {
    fn of(publication: &'a Publication, environment: &'a EnvironmentName) -> Self {
        Self {
            publication,
            environment: publication.environment.as_deref().unwrap_or(environment.as_str()),
            secret: publication.secret_name.as_deref().unwrap_or("KUBECONFIG"),
        }
    }

    fn secrets(&self) -> String {
        let environment = utf8_percent_encode(self.environment, NON_ALPHANUMERIC);
        format!("repos/{}/environments/{environment}/secrets", self.publication.repository)
    }

    fn in_words(&self) -> String {
        let secret = format!(
            "secret `{}` of `{}`, environment `{}`",
            self.secret, self.publication.repository, self.environment
        );
        match &self.publication.workflow {
            Some(workflow) => format!("{secret}; workflow `{workflow}` is told"),
            None => secret,
        }
    }
}

/// GitHub's API, as somebody.
struct Api<'a> {
    address: &'a str,
    token: SecretString,
    client: Client,
}

impl<'a> Api<'a> {
    fn new(address: &'a str, token: SecretString) -> Result<Self, GithubError> {
        let built = Client::builder().user_agent("windlass").timeout(PATIENCE).build();
        let client = built.map_err(|source| GithubError::Unreachable { what: "connect", source })?;
        Ok(Self { address, token, client })
    }

    async fn publish(&self, place: &Place<'_>, kubeconfig: &Kubeconfig) -> Result<(), GithubError> {
        let secrets = place.secrets();
        let what = "give the environment's key";
        let key = self.ask(what, Method::GET, &format!("{secrets}/public-key"), None).await?;
        let key: SealingKey = serde_json::from_slice(&key).map_err(|_| GithubError::NoKey)?;
        let sealed = seal(&key.key, kubeconfig)?;
        let body = json!({ "encrypted_value": sealed, "key_id": key.key_id });
        self.ask("take the secret", Method::PUT, &format!("{secrets}/{}", place.secret), Some(&body)).await?;
        let Some(workflow) = &place.publication.workflow else { return Ok(()) };
        let reference = place.publication.reference.as_deref().unwrap_or("main");
        let workflow = utf8_percent_encode(workflow, NON_ALPHANUMERIC);
        let path = format!("repos/{}/actions/workflows/{workflow}/dispatches", place.publication.repository);
        self.ask("dispatch the workflow", Method::POST, &path, Some(&json!({ "ref": reference }))).await?;
        Ok(())
    }

    async fn ask(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, GithubError> {
        let unreachable = |source| GithubError::Unreachable { what, source };
        let mut request = self
            .client
            .request(method, format!("{}/{path}", self.address))
            .bearer_auth(self.token.expose_secret())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", VERSION);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let answer = response.bytes().await.map_err(unreachable)?.to_vec();
        if status.is_success() {
            return Ok(answer);
        }
        let told: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let message = told["message"].as_str().unwrap_or_default().chars().take(200).collect();
        Err(GithubError::Refused { what, status, message })
    }
}

/// Seals a text so that only the owner of the key can read it, in Base64.
fn seal(key: &str, kubeconfig: &Kubeconfig) -> Result<String, GithubError> {
    let bytes = STANDARD.decode(key).map_err(|_| GithubError::NoKey)?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| GithubError::NoKey)?;
    let sealed = PublicKey::from(bytes).seal(&mut OsRng, kubeconfig.expose().as_bytes());
    Ok(STANDARD.encode(sealed.map_err(|_| GithubError::NoKey)?))
}

#[cfg(test)]
mod tests;
