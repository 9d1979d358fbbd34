//! What names, labels and the like may be made of.

use serde_json::{Value, json};

use super::Problems;
use crate::api::problem::FieldProblem;
use crate::objects::kinds::{NAMESPACE, SERVICE};
use crate::objects::{Kind, meta};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an \
    alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric \
    character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const OLD_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an \
    alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

pub(super) fn metadata(kind: &Kind, object: &Value, problems: &mut Problems) {
    let name = meta::text(object, "name");
    if name.is_empty() {
        problems.push(FieldProblem::required("metadata.name", "name or generateName is required"));
    } else if let Some(detail) = wrong_name(kind, name) {
        problems.push(FieldProblem::invalid("metadata.name", &json!(name), detail));
    }
    labels(&object["metadata"]["labels"], "metadata.labels", problems);
}

fn wrong_name(kind: &Kind, name: &str) -> Option<&'static str> {
    if kind.group == "rbac.authorization.k8s.io" {
        let is_part = !name.contains(['/', '%']) && name != "." && name != "..";
        return (!is_part).then_some("may not contain '/' or '%'");
    }
    if kind == &SERVICE {
        return (!is_label(name) || name.starts_with(|first: char| first.is_ascii_digit()))
            .then_some(OLD_LABEL);
    }
    if kind == &NAMESPACE {
        return (!is_label(name)).then_some(LABEL);
    }
    let is_subdomain = name.len() <= 253 && name.split('.').all(is_part);
    (!is_subdomain).then_some(SUBDOMAIN)
}

/// A container, a volume, a port: RFC 1123 labels.
pub(super) fn label(value: &Value, field: String, problems: &mut Problems) {
    match value.as_str().unwrap_or_default() {
        "" => problems.push(FieldProblem::required(field, "")),
        name if !is_label(name) => problems.push(FieldProblem::invalid(field, value, LABEL)),
        _ => {}
    }
}

pub(super) fn labels(labels: &Value, field: &str, problems: &mut Problems) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        let (prefix, name) =
            key.rsplit_once('/').map_or((None, key.as_str()), |(prefix, name)| (Some(prefix), name));
        if name.is_empty() || !is_label_text(name) {
            problems.push(FieldProblem::invalid(field, &json!(key), LABEL_KEY));
        } else if prefix.is_some_and(|prefix| prefix.len() > 253 || !prefix.split('.').all(is_part)) {
            problems.push(FieldProblem::invalid(field, &json!(key), &format!("prefix part {SUBDOMAIN}")));
        }
        if !is_label_text(value.as_str().unwrap_or_default()) {
            problems.push(FieldProblem::invalid(field, value, LABEL_VALUE));
        }
    }
}

fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_part(name)
}

fn is_part(part: &str) -> bool {
    let is_end = |one: Option<char>| one.is_some_and(|one| one.is_ascii_lowercase() || one.is_ascii_digit());
    let is_inner = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    is_end(part.chars().next()) && is_end(part.chars().next_back()) && part.chars().all(is_inner)
}

fn is_label_text(text: &str) -> bool {
    let is_end = |one: Option<char>| one.is_none_or(|one| one.is_ascii_alphanumeric());
    text.len() <= 63
        && is_end(text.chars().next())
        && is_end(text.chars().next_back())
        && text.chars().all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one))
}
