//! Secrets of windlass's own, such as a broker's password: the configuration says where one lies and never holds it.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::stop::Cause;
use crate::variables::Variables;

/// A secret that windlass itself needs, and the places where it may lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credential {
    /// The variable that holds it, which goes before every file.
    pub(crate) variable: &'static str,
    /// Its name among systemd's credentials, which are asked last.
    pub(crate) name: &'static str,
    /// The key of the configuration that names its file.
    pub(crate) key: &'static str,
}

impl Credential {
    /// Reads it, if it is anywhere: from the variable, from `file`, or from systemd's credentials. What ends its last line is not part of it,
    /// and a blank file stands for none.
    pub(crate) fn read(
        &self,
        file: Option<&Path>,
        variables: &Variables,
    ) -> Result<Option<SecretString>, Cause> {
        if let Some(value) = variables.text(self.variable) {
            return Ok(Some(value.into()));
        }
        let given =
            || variables.text("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(self.name));
        let Some(file) = file.map(Path::to_owned).or_else(|| given().filter(|file| file.is_file())) else {
            return Ok(None);
        };
        let value = std::fs::read_to_string(&file).map_err(|error| {
            Cause::new("file_unreadable", format!("`{}` cannot be read: {error}", file.display()))
                .with_hint(format!("a secret is expected there: `{}` in windlass.toml", self.key))
        })?;
        let value = value.trim_end_matches(['\r', '\n']);
        Ok(Some(value).filter(|value| !value.is_empty()).map(SecretString::from))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const PASSWORD: Credential =
        Credential { variable: "PASSWORD", name: "the-password", key: "section.password_file" };

    #[test]
    fn it_is_taken_from_the_variable_the_file_or_the_credentials() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("the-password"), "of systemd\n").unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "of the file\r\n").unwrap();
        let (variable, credentials) =
            (("PASSWORD", "of the variable"), ("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap()));
        let found = |file: Option<&Path>, variables: &[(&str, &str)]| {
            let value = PASSWORD.read(file, &Variables::fixed(variables.iter().copied())).unwrap();
            value.map(|value| value.expose_secret().to_owned())
        };
        assert_eq!(found(Some(&file), &[variable, credentials]).as_deref(), Some("of the variable"));
        assert_eq!(found(Some(&file), &[credentials]).as_deref(), Some("of the file"));
        assert_eq!(found(None, &[credentials]).as_deref(), Some("of systemd"));
        assert_eq!(found(None, &[]), None);
        std::fs::write(&file, "\n").unwrap();
        assert_eq!(found(Some(&file), &[]), None);
    }

    #[test]
    fn a_named_file_must_be_there() {
        let missing = PASSWORD.read(Some(Path::new("/nowhere")), &Variables::fixed([])).unwrap_err();
        assert_eq!(missing.code, "file_unreadable");
        assert!(missing.hints[0].contains("`section.password_file`"), "{missing:?}");
    }
}
