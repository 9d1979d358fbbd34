//! Where values come from: environment variables and folders of files.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use windlass_core::name::EnvironmentName;

use super::{SecretValue, SecretsConfig};
use crate::variables::Variables;

/// The sources of one environment, asked in order. For the key `DB_PASSWORD` of the environment `prod`:
///
/// 1. the variables `DB_PASSWORD__PROD`, then `DB_PASSWORD` (if `secrets.environment`);
/// 2. for each of `secrets.directories`, then `$CREDENTIALS_DIRECTORY` (systemd's credentials): the files `prod/DB_PASSWORD`, then
///    `DB_PASSWORD`.
///
/// What is the environment's own goes before what is everybody's, because one runner serves several environments. In a variable's name the
/// environment is in capitals with `_` for `-`. Of a file exactly one newline at its end (`\n` or `\r\n`) is not part of the value: that is
/// what editors and `echo` add. A mounted Secret can be such a folder: its links are followed.
#[derive(Debug, Clone)]
pub struct SecretSources {
    environment: EnvironmentName,
    variables: Option<Variables>,
    directories: Vec<PathBuf>,
}

/// What the sources answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// A source has a value, and which.
    Found { value: SecretValue, place: String },
    /// A source has it and cannot give it.
    Unreadable { place: String, reason: String },
    /// None has it; these were asked.
    Missing { tried: Vec<String> },
}

impl SecretSources {
    /// The sources that are configured, for one environment.
    pub fn from_config(config: &SecretsConfig, environment: &EnvironmentName, variables: &Variables) -> Self {
        let credentials = variables.text("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self {
            environment: environment.clone(),
            variables: config.environment.then(|| variables.clone()),
            directories: config.directories.iter().cloned().chain(credentials).collect(),
        }
    }

    /// Asks every source in order for the value of `key`, which is a legal key of a Secret and so a plain file name.
    pub(super) fn find(&self, key: &str) -> Answer {
        let mut tried = Vec::new();
        for name in self.variable_names(key) {
            let place = format!("variable `{name}`");
            if let Some(value) = self.variables.as_ref().and_then(|variables| variables.get(&name)) {
                return Answer::Found { value: SecretValue::new(value.into_vec()), place };
            }
            tried.push(place);
        }
        for path in self.files(key) {
            let place = format!("file `{}`", path.display());
            match read(&path) {
                Ok(Some(value)) => return Answer::Found { value, place },
                Ok(None) => tried.push(place),
                Err(error) => return Answer::Unreadable { place, reason: error.to_string() },
            }
        }
        Answer::Missing { tried }
    }

    fn variable_names(&self, key: &str) -> Vec<String> {
        let own = self.environment.as_str().to_uppercase().replace('-', "_");
        if self.variables.is_some() { vec![format!("{key}__{own}"), key.to_owned()] } else { Vec::new() }
    }

    fn files(&self, key: &str) -> impl Iterator<Item = PathBuf> {
        self.directories
            .iter()
            .flat_map(move |folder| [folder.join(self.environment.as_str()).join(key), folder.join(key)])
    }
}

/// The value in a file; none where no file is.
fn read(path: &Path) -> io::Result<Option<SecretValue>> {
    /// As much as a whole Secret may hold.
    const LIMIT: u64 = 1 << 20;
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // A key may have the name of an environment, whose folder then stands here.
    if metadata.is_dir() {
        return Ok(None);
    }
    if metadata.len() > LIMIT {
        return Err(io::Error::other("it is larger than a Secret may be (1 MiB)"));
    }
    let mut bytes = fs::read(path)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(Some(SecretValue::new(bytes)))
}
