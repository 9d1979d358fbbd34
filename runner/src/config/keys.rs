//! Which keys there are, so that a misspelt one is an error and not a setting that is silently without effect.

use config::{Value, ValueKind};

use super::error::{ConfigError, Written};

/// Every key that has a value; `*` stands for the name of a cluster or token. A test holds it to `default.toml` and to the types.
pub(super) const KEYS: [&str; 31] = [
    "repository",
    "infra",
    "data_dir",
    "clusters.*.kubeconfig",
    "clusters.*.context",
    "secrets.placeholder",
    "secrets.environment",
    "secrets.directories",
    "queue.url",
    "queue.name",
    "queue.password_file",
    "github.api",
    "github.token_file",
    "github.environments.*.repository",
    "github.environments.*.environment",
    "github.environments.*.secret_name",
    "github.environments.*.workflow",
    "github.environments.*.ref",
    "identity.name",
    "verify.soak",
    "log.filter",
    "telemetry.otlp_endpoint",
    "http.listen",
    "http.hosts",
    "http.anonymous",
    "http.connections",
    "http.streams",
    "http.github.repository",
    "http.github.secret_file",
    "http.tokens.*.role",
    "http.tokens.*.sha256",
];

/// Keys whose values are paths.
const PATHS: [&str; 7] = [
    "repository",
    "data_dir",
    "clusters.*.kubeconfig",
    "secrets.directories",
    "queue.password_file",
    "http.github.secret_file",
    "github.token_file",
];

/// Whether the value at this key is a path.
pub(super) fn is_path(key: &str) -> bool {
    PATHS.iter().any(|path| matches(path, key))
}

/// Refuses the first key, in the order of their names, that is none or is a section and has a value.
pub(super) fn check(written: &Written<'_>) -> Result<(), ConfigError> {
    let (mut unknown, mut flat) = (Vec::new(), Vec::new());
    collect(&written.tree, "", &mut unknown, &mut flat);
    if let Some(key) = unknown.into_iter().min() {
        return Err(ConfigError::UnknownKey { nearest: nearest(&key), place: written.place(&key), key });
    }
    match flat.into_iter().min() {
        Some(key) => Err(written.invalid(&key, "is a section, which has keys and no value of its own")),
        None => Ok(()),
    }
}

/// A key under another.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

fn collect(value: &Value, key: &str, unknown: &mut Vec<String>, flat: &mut Vec<String>) {
    match &value.kind {
        ValueKind::Table(table) if key.is_empty() || is_section(key) => {
            for (name, value) in table {
                collect(value, &join(key, name), unknown, flat);
            }
        }
        _ if is_section(key) => flat.push(key.to_owned()),
        _ if KEYS.iter().any(|known| matches(known, key)) => {}
        _ => unknown.push(key.to_owned()),
    }
}

/// Whether keys begin with this one.
fn is_section(key: &str) -> bool {
    let depth = key.split('.').count();
    KEYS.iter().any(|known| {
        let parts: Vec<_> = known.split('.').collect();
        parts.len() > depth && matches(&parts[..depth].join("."), key)
    })
}

fn matches(pattern: &str, key: &str) -> bool {
    let (patterns, parts) = (pattern.split('.'), key.split('.'));
    patterns.clone().count() == parts.clone().count()
        && patterns.zip(parts).all(|(pattern, part)| pattern == "*" || pattern == part)
}

/// The key or section that was probably meant: the one that reads most alike, or the one that has this name in another section.
fn nearest(key: &str) -> Option<String> {
    let parts: Vec<_> = key.split('.').collect();
    let likeness = |known: &str| {
        let filled = fill(known, &parts);
        let whole = strsim::normalized_damerau_levenshtein(key, &filled);
        let last = |key: &str| key.rsplit('.').next().map(str::to_owned).unwrap_or_default();
        (whole.max(strsim::normalized_damerau_levenshtein(&last(key), &last(&filled))), filled)
    };
    let sections = KEYS.iter().filter_map(|known| known.split_once('.').map(|(section, _)| section));
    let candidates = KEYS.iter().copied().chain(sections).map(likeness);
    // With less in common it is another word, and naming it would mislead.
    candidates
        .filter(|(alike, _)| *alike > 0.6)
        // Of keys that are as like, the one that says it in fewer words.
        .max_by(|one, other| one.0.total_cmp(&other.0).then(other.1.len().cmp(&one.1.len())))
        .map(|(_, known)| known)
}

/// A known key with the names that were written where it has any.
fn fill(known: &str, parts: &[&str]) -> String {
    let part = |(at, part)| if part == "*" { parts.get(at).copied().unwrap_or("NAME") } else { part };
    known.split('.').enumerate().map(part).collect::<Vec<_>>().join(".")
}
