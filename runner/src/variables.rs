//! The process's environment, behind a type so that nothing else reads it and tests give their own.

use std::collections::BTreeMap;
use std::ffi::OsString;

use secrecy::{ExposeSecret as _, SecretString};

/// Environment variables: those of the process, or a fixed set in their place. Never shows a value.
#[derive(Debug, Clone, Default)]
pub enum Variables {
    /// Those of the process, as they are when asked.
    #[default]
    Process,
    /// These and no others.
    Fixed(BTreeMap<String, SecretString>),
}

impl Variables {
    /// A fixed set.
    pub fn fixed<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::Fixed(
            pairs.into_iter().map(|(name, value)| (name.to_owned(), SecretString::from(value))).collect(),
        )
    }

    /// The value of a variable that is set, even if to nothing.
    pub fn get(&self, name: &str) -> Option<OsString> {
        match self {
            // The operating system has no variable with such a name, and asking for one panics on some.
            Self::Process if name.is_empty() || name.contains(['=', '\0']) => None,
            Self::Process => std::env::var_os(name),
            Self::Fixed(variables) => variables.get(name).map(|value| value.expose_secret().into()),
        }
    }

    /// The value as text, of a variable that is set to something.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
    }

    /// The variables whose names begin with `prefix`. Those that are no text are left out.
    pub fn beginning_with(&self, prefix: &str) -> BTreeMap<String, String> {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let mut variables: BTreeMap<_, _> = match self {
            Self::Process => std::env::vars_os().filter_map(text).collect(),
            Self::Fixed(variables) => variables
                .iter()
                .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
                .collect(),
        };
        variables.retain(|name, _| name.starts_with(prefix));
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_set_hides_the_process() {
        let variables = Variables::fixed([("A_ONE", "1"), ("A_TWO", ""), ("B", "3")]);
        assert_eq!(variables.get("A_ONE"), Some("1".into()));
        assert_eq!(variables.get("A_TWO"), Some(OsString::new()));
        assert_eq!(variables.text("A_TWO"), None);
        assert_eq!(variables.get("PATH"), None);
        assert_eq!(variables.beginning_with("A_").into_keys().collect::<Vec<_>>(), ["A_ONE", "A_TWO"]);
    }

    #[test]
    fn the_process_answers_for_itself() {
        assert_eq!(Variables::Process.get("PATH"), std::env::var_os("PATH"));
        assert_eq!(Variables::Process.get("A=B"), None);
        assert_eq!(Variables::Process.get(""), None);
    }

    #[test]
    fn variables_do_not_show_their_values() {
        let shown = format!("{:?}", Variables::fixed([("NAME", "canary")]));
        assert!(shown.contains("NAME") && !shown.contains("canary"), "{shown}");
    }
}
