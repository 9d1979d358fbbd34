//! Which objects of a kind are meant: label and field selectors.

use serde_json::Value;

use super::problem::Problem;
use crate::objects::Kind;
use crate::objects::kinds::{EVENT, NAMESPACE, NODE, POD, SECRET};

/// What an object must be like to be meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Label { key: String, is_wanted: bool, values: Option<Vec<String>> },
    Field { pointer: String, is_wanted: bool, value: String },
}

impl Selector {
    pub(crate) fn parse(kind: &Kind, labels: Option<&str>, fields: Option<&str>) -> Result<Self, Problem> {
        let mut requirements = labels.map_or_else(|| Ok(Vec::new()), label_requirements)?;
        for part in fields.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            requirements.push(field_requirement(kind, part)?);
        }
        Ok(Self(requirements))
    }

    pub(crate) fn selects(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Label { key, is_wanted, values } => {
                let label = object["metadata"]["labels"].get(key).and_then(Value::as_str);
                let fits = label.is_some_and(|label| {
                    values.as_ref().is_none_or(|values| values.iter().any(|one| one == label))
                });
                fits == *is_wanted
            }
            Requirement::Field { pointer, is_wanted, value } => {
                let found = object.pointer(pointer).map(plain).unwrap_or_default();
                (found == *value) == *is_wanted
            }
        })
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn field_requirement(kind: &Kind, part: &str) -> Result<Requirement, Problem> {
    let (field, is_wanted, value) = if let Some((field, value)) = part.split_once("!=") {
        (field, false, value)
    } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (field, true, value)
    } else {
        return Err(Problem::bad_request(format!("invalid field selector: {part:?}")));
    };
    let field = field.trim();
    if !known_fields(kind).contains(&field) {
        return Err(Problem::bad_request(format!("field label not supported: {field}")));
    }
    let pointer = format!("/{}", field.replace('.', "/"));
    Ok(Requirement::Field { pointer, is_wanted, value: value.trim().to_owned() })
}

/// The fields that a kind can be selected by.
fn known_fields(kind: &Kind) -> Vec<&'static str> {
    let own: &[&str] = if kind == &POD {
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ]
    } else if kind == &EVENT {
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    } else if kind == &SECRET {
        &["type"]
    } else if kind == &NAMESPACE {
        &["status.phase"]
    } else if kind == &NODE {
        &["spec.unschedulable"]
    } else {
        &[]
    };
    ["metadata.name", "metadata.namespace"].iter().chain(own).copied().collect()
}

/// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
fn label_requirements(text: &str) -> Result<Vec<Requirement>, Problem> {
    split(text).into_iter().filter(|part| !part.is_empty()).map(label_requirement).collect()
}

/// At commas that are not in brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let at_comma = |character: char| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        character == ',' && depth == 0
    };
    text.split(at_comma).map(str::trim).collect()
}

fn label_requirement(part: &str) -> Result<Requirement, Problem> {
    let label = |key: &str, is_wanted, values: Option<Vec<String>>| {
        let key = key.trim();
        let is_key =
            !key.is_empty() && key.chars().all(|one| one.is_ascii_alphanumeric() || "-_./".contains(one));
        let problem = || Problem::bad_request(format!("unable to parse requirement: {part:?}"));
        if is_key {
            Ok(Requirement::Label { key: key.to_owned(), is_wanted, values })
        } else {
            Err(problem())
        }
    };
    let one = |value: &str| Some(vec![value.trim().to_owned()]);
    if let Some((key, values)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let values = Some(values.split(',').map(|value| value.trim().to_owned()).collect());
        return match key.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => label(key, true, values),
            Some((key, "notin")) => label(key, false, values),
            _ => Err(Problem::bad_request(format!("unable to parse requirement: {part:?}"))),
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return label(key, false, one(value));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return label(key, true, one(value));
    }
    match part.strip_prefix('!') {
        Some(key) => label(key, false, None),
        None => label(part, true, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(labels: &str, fields: &str) -> bool {
        let pod = json!({"metadata": {"name": "db-0", "labels": {"app": "db", "tier": "data"}}, "status": {"phase": "Running"}});
        Selector::parse(&POD, Some(labels), Some(fields)).unwrap().selects(&pod)
    }

    #[test]
    fn labels_select() {
        for (selector, expect) in [
            ("app=db", true),
            ("app==db,tier=data", true),
            ("app=web", false),
            ("app!=web", true),
            ("other!=x", true),
            ("app in (web, db)", true),
            ("app notin (web,db)", false),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("", true),
        ] {
            assert_eq!(selects(selector, ""), expect, "{selector}");
        }
    }

    #[test]
    fn fields_select() {
        for (selector, expect) in [
            ("metadata.name=db-0", true),
            ("metadata.name!=db-0", false),
            ("status.phase=Running,spec.nodeName=", true),
        ] {
            assert_eq!(selects("", selector), expect, "{selector}");
        }
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        let problem = Selector::parse(&SECRET, None, Some("spec.nodeName=a")).unwrap_err();
        assert_eq!(problem.message, "field label not supported: spec.nodeName");
        assert!(Selector::parse(&POD, Some("a b c"), None).is_err());
    }
}
