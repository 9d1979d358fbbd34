//! `vars`: values of resources, written `$(NAME)` in fields of others.

use std::collections::BTreeMap;

use super::field_path::lookup;
use crate::accumulate::Accumulated;
use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, Make};
use crate::id::Id;
use crate::kustomization::parts::Var;
use crate::resources::Resources;
use crate::yaml::{Node, Scalar, Style, Tag, Text, go_format, split_selecting_path};

/// Takes in the vars of a kustomization and marks the resources they look at.
pub(crate) fn merge(all: &mut Accumulated, vars: &[Var]) -> Result<()> {
    for var in vars {
        let object = &var.object;
        let wanted = Id {
            group: &object.gvk.group,
            version: &object.gvk.version,
            kind: &object.gvk.kind,
            name: &object.name,
            namespace: &object.namespace,
            cluster_scoped: false,
        };
        let fits = |id: Id<'_>| {
            // An empty namespace is any namespace.
            if wanted.namespace.is_empty() { wanted.is_same_but_namespace(&id) } else { wanted.is_same(&id) }
        };
        let mut found = Vec::new();
        for (at, resource) in all.resources.iter().enumerate() {
            if !resource.is_deleted() && resource.any_ids().any(fits) {
                found.push(at);
            }
        }
        match found[..] {
            [] => {}
            [at] => all.resources.change(at, |resource| resource.vars.push(var.name.clone())),
            _ => {
                let reason = format!("may mean any of {} resources", found.len());
                return Problem::Var { name: var.name.to_string(), reason }.fail();
            }
        }
    }
    vars.iter().try_for_each(|var| add(&mut all.vars, var.clone()))
}

/// Adds a var.
///
/// # Errors
///
/// If there is one of that name.
pub(crate) fn add(vars: &mut BTreeMap<Text, Var>, var: Var) -> Result<()> {
    let name = var.name.clone();
    if vars.insert(name.clone(), var).is_none() {
        return Ok(());
    }
    let reason = "is defined twice".to_owned();
    Problem::Var { name: name.to_string(), reason }.fail()
}

/// A value a var may have.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(Text),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A map or list, which cannot be put anywhere.
    Structure,
}

/// Replaces all vars in the fields that may hold them.
pub(crate) fn resolve(
    resources: &mut Resources,
    vars: &BTreeMap<Text, Var>,
    specs: &[FieldSpec],
) -> Result<()> {
    if vars.is_empty() {
        return Ok(());
    }
    let mut values = BTreeMap::new();
    for var in vars.values() {
        values.insert(var.name.clone(), value_of(var, resources)?);
    }
    for resource in resources.all_mut() {
        for spec in specs {
            spec.visit(&mut resource.node, Make::Nothing, &mut |field| replace_in(field, &values))?;
        }
    }
    Ok(())
}

fn value_of(var: &Var, resources: &Resources) -> Result<Value> {
    let fail = |reason: &str| Problem::Var { name: var.name.to_string(), reason: reason.to_owned() }.fail();
    let Some(resource) = resources.iter().find(|resource| resource.vars.contains(&var.name)) else {
        return fail("refers to no resource");
    };
    let path: Vec<String> =
        split_selecting_path(&var.field_path, '.').into_iter().flat_map(with_index).collect();
    let Ok(Some(field)) = lookup(&resource.node, &path) else {
        return fail(&format!("refers to the field `{}`, which is missing", var.field_path));
    };
    let Node::Scalar(scalar) = field else { return Ok(Value::Structure) };
    let value = match scalar.tag {
        Tag::Int => scalar.text.parse().ok().map(Value::Int),
        Tag::Float => scalar.text.parse().ok().map(Value::Float),
        Tag::Bool => parse_bool(&scalar.text).map(Value::Bool),
        _ => Some(Value::Text(scalar.text.clone())),
    };
    value.map_or_else(|| fail(&format!("has the value `{}`, which cannot be read", scalar.text)), Ok)
}

/// What Go's `ParseBool` reads of the booleans YAML knows.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// `ports[0]` is `ports`, `0`.
fn with_index(part: String) -> Vec<String> {
    let indexed = part.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    match indexed {
        Some((name, index)) if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) => {
            let name = Some(name.to_owned()).filter(|name| !name.is_empty());
            name.into_iter().chain([index.to_owned()]).collect()
        }
        _ => vec![part],
    }
}

fn replace_in(field: &mut Node, values: &BTreeMap<Text, Value>) -> Result<()> {
    match field {
        Node::Scalar(scalar) => {
            if scalar.is_stringlike() {
                replace(scalar, values);
            }
            Ok(())
        }
        Node::Map(map) => map.entries.iter_mut().try_for_each(|entry| {
            if !entry.key.is_stringlike() {
                return not_a_string("a key", &entry.key.clone().into());
            }
            if let Node::Scalar(scalar) = &mut entry.value
                && scalar.is_stringlike()
            {
                replace(scalar, values);
            }
            Ok(())
        }),
        Node::List(items) => items.iter_mut().try_for_each(|item| match item {
            Node::Scalar(scalar) if scalar.is_stringlike() => {
                replace(scalar, values);
                Ok(())
            }
            other => not_a_string("an element", other),
        }),
    }
}

fn not_a_string(what: &str, found: &Node) -> Result<()> {
    let field = format!("{what} of a field that may hold vars");
    Problem::WrongType { field, expected: "a string", found: found.kind() }.at_line(found.line())
}

fn replace(scalar: &mut Scalar, values: &BTreeMap<Text, Value>) {
    let (text, tag) = match expanded(&scalar.text, values) {
        Value::Text(text) => (text, Tag::String),
        Value::Int(int) => (int.to_string().into(), Tag::Int),
        Value::Float(float) => (format!("{float}").into(), Tag::Float),
        Value::Bool(bool) => (bool.to_string().into(), Tag::Bool),
        Value::Structure => return,
    };
    *scalar = Scalar { text, tag, style: Style::Plain, explicit: false, line: scalar.line };
}

/// Replaces `$(NAME)`; a text that is nothing else takes the type of the value. `$$` is one `$`.
fn expanded(text: &str, values: &BTreeMap<Text, Value>) -> Value {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$').filter(|&at| at + 1 < rest.len()) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            rest = escaped;
        } else if let Some((name, behind)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match values.get(name).filter(|value| **value != Value::Structure) {
                Some(value) if text.len() == name.len() + 3 => return value.clone(),
                Some(value) => out.push_str(&shown(value)),
                None => out.push_str(&rest[at..at + name.len() + 3]),
            }
            rest = behind;
        } else {
            let next = after.chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[at..=at + next]);
            rest = &after[next..];
        }
    }
    out.push_str(rest);
    Value::Text(out.into())
}

/// Go's `%v`.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => go_format(*float),
        Value::Bool(bool) => bool.to_string(),
        Value::Structure => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Value) {
        let values =
            BTreeMap::from([("HOST".into(), Value::Text("h".into())), ("PORT".into(), Value::Int(80))]);
        assert_eq!(expanded(text, &values), *expected, "{text}");
    }

    #[test]
    fn vars_are_replaced_inside_texts() {
        check("http://$(HOST):$(PORT)/", &Value::Text("http://h:80/".into()));
        check("$(PORT)", &Value::Int(80));
        check("$(NONE)$(HOST)", &Value::Text("$(NONE)h".into()));
    }

    #[test]
    fn other_dollars_stay() {
        check("$$(HOST)", &Value::Text("$(HOST)".into()));
        check("a$b$", &Value::Text("a$b$".into()));
        check("$(HOST", &Value::Text("$(HOST".into()));
        check("$ä", &Value::Text("$ä".into()));
    }
}
