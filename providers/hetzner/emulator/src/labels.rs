//! Labels: pairs of key and value by which resources are found again.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The labels of one resource.
pub(crate) type Labels = BTreeMap<String, String>;

const LONGEST_NAME: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// Reads labels as a request has them. What is wrong is said of each label.
pub(crate) fn read(value: &Map<String, Value>) -> Result<Labels, Vec<String>> {
    let mut labels = Labels::new();
    let mut wrong = Vec::new();
    for (key, value) in value {
        match value.as_str() {
            _ if !is_key(key) => wrong.push(format!("`{key}` is not a label key")),
            Some(value) if is_value(value) => drop(labels.insert(key.clone(), value.to_owned())),
            _ => wrong.push(format!("the value of label `{key}` is not a label value")),
        }
    }
    if wrong.is_empty() { Ok(labels) } else { Err(wrong) }
}

/// `name` or `prefix/name`; the prefix is a DNS name, and `hetzner.cloud/` belongs to Hetzner.
pub(crate) fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_prefix(prefix) && is_name(name),
        None => is_name(key),
    }
}

/// Like a name, or empty.
pub(crate) fn is_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && has_firm_ends(name)
}

fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= LONGEST_PREFIX
        && prefix != "hetzner.cloud"
        && prefix.split('.').all(|part| {
            (1..=LONGEST_NAME).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && has_firm_ends(part)
        })
}

fn has_firm_ends(text: &str) -> bool {
    let firm = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    firm(text.as_bytes().first()) && firm(text.as_bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_have_a_domain_before_them() {
        for good in ["a", "cluster", "windlass.dev/cluster", "just-a-key", "a_b.c", "A1"] {
            assert!(is_key(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "/", "a/", "/a", "-a", "a-", "a b", "a/b/c", "a..b/c", "hetzner.cloud/x", "ä", &long]
        {
            assert!(!is_key(bad), "{bad}");
        }
    }

    #[test]
    fn values_may_be_empty_but_not_long() {
        for good in ["", "x", "10.0.0.1", "a_b-c"] {
            assert!(is_value(good), "{good}");
        }
        let long = "v".repeat(64);
        for bad in [".a", "a.", "a/b", "a b", "a:b", &long] {
            assert!(!is_value(bad), "{bad}");
        }
    }

    #[test]
    fn every_wrong_label_is_named() {
        let given = serde_json::json!({"good": "x", "bad key": "x", "number": 3});
        let wrong = read(given.as_object().unwrap()).unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }
}
