//! Chooses resources by regular expressions on their id, and by labels and annotations.

use std::collections::BTreeMap;

use regex::Regex;

use crate::error::{Problem, Result};
use crate::id::Id;
use crate::kustomization::parts::Selector;
use crate::resource::Resource;
use crate::yaml::Text;

/// A selector ready to be asked.
#[derive(Debug)]
pub(crate) struct Matcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    annotations: Requirements,
    labels: Requirements,
    is_empty: bool,
}

impl Matcher {
    pub(crate) fn new(selector: &Selector) -> Result<Self> {
        Ok(Self {
            group: Pattern::new(&selector.id.gvk.group)?,
            version: Pattern::new(&selector.id.gvk.version)?,
            kind: Pattern::new(&selector.id.gvk.kind)?,
            name: Pattern::new(&selector.id.name)?,
            namespace: Pattern::new(&selector.id.namespace)?,
            annotations: Requirements::parse(&selector.annotations)?,
            labels: Requirements::parse(&selector.labels)?,
            is_empty: selector.id.is_empty(),
        })
    }

    /// A target of a patch: name and namespace may be the original or the current ones.
    pub(crate) fn selects(&self, resource: &Resource) -> bool {
        let (current, original) = (resource.id(), resource.original_id());
        let either = |pattern: &Pattern, original: &str, current: &str| {
            pattern.fits(original) || pattern.fits(current)
        };
        either(&self.namespace, original.effective_namespace(), current.effective_namespace())
            && either(&self.name, original.name, current.name)
            && self.fits_gvk(&current)
            && self.fits_metadata(resource)
    }

    /// A target of a replacement: one id, whose namespace is taken as written.
    pub(crate) fn selects_id(&self, id: &Id<'_>) -> bool {
        self.fits_gvk(id) && self.name.fits(id.name) && self.namespace.fits(id.namespace)
    }

    /// True if any of the ids fits; a selector without any part of an id rejects nothing.
    pub(crate) fn rejects<'a>(&self, mut ids: impl Iterator<Item = Id<'a>>) -> bool {
        !self.is_empty && ids.any(|id| self.selects_id(&id))
    }

    pub(crate) fn fits_metadata(&self, resource: &Resource) -> bool {
        (self.labels.is_empty() || self.labels.fit(&resource.labels()))
            && (self.annotations.is_empty() || self.annotations.fit(&resource.annotations()))
    }

    pub(crate) fn has_metadata(&self) -> bool {
        !self.labels.is_empty() || !self.annotations.is_empty()
    }

    fn fits_gvk(&self, id: &Id<'_>) -> bool {
        self.group.fits(id.group) && self.version.fits(id.version) && self.kind.fits(id.kind)
    }
}

/// A regular expression that must match the whole text; plain words need no machine.
#[derive(Debug)]
enum Pattern {
    Any,
    Exact(Text),
    Regex(Regex),
}

impl Pattern {
    fn new(pattern: &Text) -> Result<Self> {
        if pattern.is_empty() {
            return Ok(Self::Any);
        }
        if pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/')) {
            return Ok(Self::Exact(pattern.clone()));
        }
        compile(&format!("^(?:{pattern})$"), pattern).map(Self::Regex)
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Compiles a regular expression; its syntax is the one of Go.
pub(crate) fn compile(regex: &str, shown: &str) -> Result<Regex> {
    Regex::new(regex).or_else(|_| {
        let reason = "is not a valid regular expression".to_owned();
        Problem::Selector { selector: shown.to_owned(), reason }.fail()
    })
}

/// A label selector: requirements that all must hold.
#[derive(Debug, Default)]
struct Requirements(Vec<Requirement>);

#[derive(Debug)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug)]
enum Operator {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Requirements {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn fit(&self, labels: &BTreeMap<Text, Text>) -> bool {
        self.0
            .iter()
            .all(|requirement| requirement.fits(labels.get(requirement.key.as_str()).map(Text::as_str)))
    }

    fn parse(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let fail =
            |reason: &str| Problem::Selector { selector: text.to_owned(), reason: reason.to_owned() }.fail();
        let mut requirements = Vec::new();
        for part in split_requirements(text) {
            match Requirement::parse(part.trim()) {
                Some(requirement) => requirements.push(requirement),
                None => return fail("is not a valid label selector"),
            }
        }
        Ok(Self(requirements))
    }
}

/// Splits at commas outside of parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        if let Some(key) = text.strip_prefix('!') {
            return Self::of(key, Operator::Missing);
        }
        for (separator, make) in [
            (
                "!=",
                (|value: &str| Some(Operator::NotIn(vec![value.to_owned()]))) as fn(&str) -> Option<Operator>,
            ),
            ("==", |value| Some(Operator::In(vec![value.to_owned()]))),
            ("=", |value| Some(Operator::In(vec![value.to_owned()]))),
            (">", |value| value.parse().ok().map(Operator::Greater)),
            ("<", |value| value.parse().ok().map(Operator::Less)),
        ] {
            if let Some((key, value)) = text.split_once(separator)
                && !text.contains('(')
            {
                let value = value.trim();
                return is_label_value(value)
                    .then(|| make(value))
                    .flatten()
                    .and_then(|operator| Self::of(key, operator));
            }
        }
        let Some((head, values)) = text.split_once('(') else { return Self::of(text, Operator::Exists) };
        let values = values.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => Self::of(key, Operator::In(values)),
            [key, "notin"] => Self::of(key, Operator::NotIn(values)),
            _ => None,
        }
    }

    fn of(key: &str, operator: Operator) -> Option<Self> {
        let key = key.trim();
        let name = key.rsplit('/').next().unwrap_or_default();
        let valid = !name.is_empty()
            && name.len() <= 63
            && is_label_value(name)
            && !key.contains(char::is_whitespace);
        valid.then(|| Self { key: key.to_owned(), operator })
    }

    fn fits(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::Exists => value.is_some(),
            Operator::Missing => value.is_none(),
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Operator::NotIn(values) => value.is_none_or(|value| values.iter().all(|wanted| wanted != value)),
            Operator::Greater(bound) => number().is_some_and(|number| number > *bound),
            Operator::Less(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// Letters and digits at the ends, `-`, `_` and `.` between, 63 at most.
fn is_label_value(value: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    value.len() <= 63
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && edge(value.bytes().next())
        && edge(value.bytes().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let labels = labels.iter().map(|(key, value)| (Text::from(*key), Text::from(*value))).collect();
        assert_eq!(Requirements::parse(selector).unwrap().fit(&labels), expected, "{selector}");
    }

    #[test]
    fn label_selectors_follow_kubernetes() {
        let labels = [("app", "web"), ("tier", "2")];
        check("app=web", &labels, true);
        check("app==web, tier!=3", &labels, true);
        check("app in (api, web)", &labels, true);
        check("app notin (api,web)", &labels, false);
        check("app,!stage", &labels, true);
        check("tier>1", &labels, true);
        check("tier<2", &labels, false);
        check("stage!=dev", &labels, true);
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for selector in ["a in web", "a=b=c", "a b", "a in (b", "=x"] {
            assert!(Requirements::parse(selector).is_err(), "{selector}");
        }
    }
}
