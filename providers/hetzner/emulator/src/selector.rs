//! Label selectors: `env=prod,tier!=web,owner,!old,zone in (a,b),size notin (s)`.

use crate::labels::{Labels, is_key, is_value};

/// Conditions of which all must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Exists(String),
    Missing(String),
    /// Some value of the list.
    In(String, Vec<String>),
    /// No value of the list; also where the key is missing.
    NotIn(String, Vec<String>),
}

impl Selector {
    /// An empty selector is refused: whoever sends one has lost what they meant to say.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        split(text)?.into_iter().map(Condition::parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|condition| condition.holds(labels))
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(key) = text.strip_prefix('!') {
            return Ok(Self::Missing(key_of(key)?));
        }
        if let Some((key, value)) = text.split_once("!=") {
            return Ok(Self::NotIn(key_of(key)?, vec![value_of(value)?]));
        }
        if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Ok(Self::In(key_of(key)?, vec![value_of(value)?]));
        }
        match text.split_once(char::is_whitespace) {
            None => Ok(Self::Exists(key_of(text)?)),
            Some((key, set)) => Self::of_set(key, set.trim()),
        }
    }

    fn of_set(key: &str, set: &str) -> Result<Self, String> {
        let key = key_of(key)?;
        let (word, values) = set.split_once('(').ok_or_else(|| format!("`{set}` is not a set"))?;
        let values = values.strip_suffix(')').ok_or_else(|| format!("`{set}` is not closed"))?;
        let values = values.split(',').map(value_of).collect::<Result<_, _>>()?;
        match word.trim() {
            "in" => Ok(Self::In(key, values)),
            "notin" => Ok(Self::NotIn(key, values)),
            other => Err(format!("`{other}` is neither `in` nor `notin`")),
        }
    }

    fn holds(&self, labels: &Labels) -> bool {
        match self {
            Self::Exists(key) => labels.contains_key(key),
            Self::Missing(key) => !labels.contains_key(key),
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
        }
    }
}

/// The conditions between the commas that stand outside of brackets.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0_u32, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("a bracket is closed that was not opened")?,
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    Ok(parts)
}

fn key_of(text: &str) -> Result<String, String> {
    let key = text.trim();
    if is_key(key) { Ok(key.to_owned()) } else { Err(format!("`{key}` is not a label key")) }
}

fn value_of(text: &str) -> Result<String, String> {
    let value = text.trim();
    if is_value(value) { Ok(value.to_owned()) } else { Err(format!("`{value}` is not a label value")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(selector: &str, expected: bool) {
        let labels = [("env", "prod"), ("tier", "web"), ("windlass.dev/cluster", "a"), ("empty", "")];
        let labels: Labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(Selector::parse(selector).unwrap().matches(&labels), expected, "{selector}");
    }

    #[test]
    fn equality_and_its_opposite() {
        check("env=prod", true);
        check("env==prod", true);
        check("env=dev", false);
        check("env!=dev", true);
        check("env!=prod", false);
        check("other!=x", true);
        check("other=x", false);
        check("empty=", true);
    }

    #[test]
    fn presence_and_absence() {
        check("env", true);
        check("windlass.dev/cluster", true);
        check("other", false);
        check("!other", true);
        check("! env", false);
    }

    #[test]
    fn sets() {
        check("env in (dev, prod)", true);
        check("env in (dev,test)", false);
        check("env notin (dev,test)", true);
        check("other notin (x)", true);
        check("env  in(prod)", true);
    }

    #[test]
    fn all_conditions_must_hold() {
        check("env=prod,tier in (web,api),!other", true);
        check("env=prod,tier in (web,api),other", false);
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for wrong in ["", ",", "a=b,", "a in b", "a in (b", "a on (b)", "a b", "=x", "a=b c", ")", "a=(b"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }
}
