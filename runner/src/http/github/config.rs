//! The section `[http.github]` of the configuration.

use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::signature::{Secrets, SecretsError};
use crate::credential::Credential;
use crate::stop::Cause;
use crate::variables::Variables;

/// The variable that holds the webhook's secret, where no file does.
pub(crate) const SECRET_VARIABLE: &str = "WINDLASS_GITHUB_SECRET";

/// What GitHub signs with.
const SECRET: Credential =
    Credential { variable: SECRET_VARIABLE, name: "github-secret", key: "http.github.secret_file" };

/// Which repository of GitHub tells its pushes here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GithubConfig {
    /// Its name with its owner's, such as `acme/shop`; none where nothing is taken.
    pub repository: Option<String>,
    /// The file that holds the webhook's secret; two lines are two secrets, while one is exchanged for the other.
    pub secret_file: Option<PathBuf>,
}

impl GithubConfig {
    /// The key that is wrong and why, if one is.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match &self.repository {
            None if self.secret_file.is_some() => {
                Err(("http.github.secret_file", "has no effect without `http.github.repository`"))
            }
            Some(name) if !is_repository(name) => {
                Err(("http.github.repository", "is not a repository such as `acme/shop`"))
            }
            _ => Ok(()),
        }
    }

    /// What GitHub may have signed with.
    pub(super) fn secrets(&self, variables: &Variables) -> Result<Secrets, Cause> {
        let text = SECRET.read(self.secret_file.as_deref(), variables)?;
        let secrets = text.map_or(Err(SecretsError::None), |text| Secrets::parse(text.expose_secret()));
        secrets.map_err(|error| {
            Cause::new("config_invalid", format!("the secret of GitHub's webhook {error}"))
                .with_hint("draw one: `openssl rand -hex 32`, for the webhook and for a file")
                .with_hint(format!(
                    "name the file, `{}` in windlass.toml, or set {SECRET_VARIABLE}",
                    SECRET.key
                ))
        })
    }
}

/// Owner and name: letters, digits, `-`, `_` and `.`.
fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let letters = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        letters && (1..=100).contains(&part.len())
    };
    text.split_once('/').is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(repository: Option<&str>) -> GithubConfig {
        GithubConfig { repository: repository.map(str::to_owned), secret_file: None }
    }

    #[test]
    fn a_repository_is_named_with_its_owner() {
        for right in ["acme/shop", "A-1/b_2.c"] {
            assert_eq!(config(Some(right)).check(), Ok(()), "{right}");
        }
        for wrong in ["", "shop", "acme/", "/shop", "a/b/c", "https://github.com/acme/shop", "acme/sh op"] {
            assert_eq!(config(Some(wrong)).check().unwrap_err().0, "http.github.repository", "{wrong}");
        }
        let alone = GithubConfig { secret_file: Some("secret".into()), ..config(None) };
        assert_eq!(alone.check().unwrap_err().0, "http.github.secret_file");
    }

    #[test]
    fn a_repository_without_a_secret_is_not_served() {
        let secrets =
            |value: &str| config(Some("acme/shop")).secrets(&Variables::fixed([(SECRET_VARIABLE, value)]));
        for (value, words) in
            [("", "is nowhere"), ("Ohgh4eet", "is shorter than 16"), (" \n \n", "is nowhere")]
        {
            let refused = secrets(value).unwrap_err();
            assert!(refused.text.contains(words), "{value:?}: {}", refused.text);
            assert!(value.trim().is_empty() || !format!("{refused:?}").contains(value));
        }
        assert!(secrets("long enough to be a secret").is_ok());
    }
}
