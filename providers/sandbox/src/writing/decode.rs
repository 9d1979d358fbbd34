//! From the body of a request to an object of its kind.

use serde_json::Value;

use super::{Strictness, Write};
use crate::api::problem::{FieldProblem, Problem};
use crate::objects::meta;
use crate::schema::check::{Misfit, MisfitKind, misfits, trim};

/// The object, without what its schema does not know, and warnings of that.
pub(super) fn decode(write: &Write<'_>, mut object: Value) -> Result<(Value, Vec<String>), Problem> {
    check_kind(write, &mut object)?;
    let (kind, found) = (&write.served.kind, misfits(&object, &write.served.schema));
    if let Some(problem) = found.iter().find_map(|misfit| mistyped(write, misfit)) {
        return Err(problem);
    }
    let surprises: Vec<String> = found.iter().filter_map(surprise).collect();
    let warnings = match write.strictness {
        Strictness::Ignore => Vec::new(),
        Strictness::Warn => surprises,
        Strictness::Strict if surprises.is_empty() => Vec::new(),
        Strictness::Strict => {
            return Err(Problem::bad_request(format!(
                "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
                kind.kind,
                kind.version,
                kind.kind,
                surprises.join(", ")
            )));
        }
    };
    trim(&mut object, &write.served.schema);
    Ok((object, warnings))
}

/// The same for what a patch made of an object.
pub(super) fn patched(write: &Write<'_>, object: Value) -> Result<(Value, Vec<String>), Problem> {
    decode(write, object)
}

/// A wish of a server-side apply, which must fit in every field.
pub(super) fn wish(
    write: &Write<'_>,
    namespace: &str,
    name: &str,
    mut wish: Value,
) -> Result<Value, Problem> {
    check_kind(write, &mut wish)?;
    for (field, expected) in [("name", name), ("namespace", namespace)] {
        let found = meta::text(&wish, field);
        if !found.is_empty() && found != expected {
            return Err(Problem::bad_request(format!(
                "the {field} of the object ({found}) does not match the {field} on the URL ({expected})"
            )));
        }
        if !expected.is_empty() {
            meta::metadata(&mut wish).insert(field.to_owned(), expected.into());
        }
    }
    if wish["metadata"]
        .get("managedFields")
        .is_some_and(|fields| fields.as_array().is_none_or(|list| !list.is_empty()))
    {
        return Err(Problem::bad_request("metadata.managedFields must be nil"));
    }
    let found = misfits(&wish, &write.served.schema);
    let lines: Vec<String> = found.iter().map(typed_line).collect();
    if lines.is_empty() {
        trim(&mut wish, &write.served.schema);
        return Ok(wish);
    }
    let listed =
        if let [only] = &lines[..] { only.clone() } else { format!("errors:\n  {}", lines.join("\n  ")) };
    Err(Problem::untyped(format!(
        "failed to create typed patch object ({namespace}/{name}; {}, Kind={}): {listed}",
        write.served.kind.api_version(),
        write.served.kind.kind
    )))
}

fn check_kind(write: &Write<'_>, object: &mut Value) -> Result<(), Problem> {
    let kind = &write.served.kind;
    if !object.is_object() {
        return Err(Problem::bad_request(format!("a {} must be a JSON object", kind.kind)));
    }
    let (version, name) = (kind.api_version(), kind.kind.as_ref());
    for (field, expected) in [("apiVersion", version.as_str()), ("kind", name)] {
        match object[field].as_str() {
            None | Some("") => object[field] = expected.into(),
            Some(found) if found != expected => {
                return Err(Problem::bad_request(format!(
                    "the {field} in the data ({found}) does not match the expected {field} ({expected})"
                )));
            }
            Some(_) => {}
        }
    }
    if object.get("metadata").is_some_and(|metadata| !metadata.is_object() && !metadata.is_null()) {
        return Err(Problem::bad_request(format!("metadata of a {name} must be a JSON object")));
    }
    meta::metadata(object);
    Ok(())
}

fn mistyped(write: &Write<'_>, misfit: &Misfit) -> Option<Problem> {
    let MisfitKind::Type { expected, found } = &misfit.kind else { return None };
    let kind = &write.served.kind;
    if matches!(write.served.schema, crate::schema::KindSchema::Custom(_)) {
        let detail = format!("in body must be of type {}: {found:?}", expected.decoded());
        let problem = FieldProblem::invalid(misfit.path.clone(), &Value::from(found.as_str()), &detail);
        return Some(Problem::invalid(&kind.kind, &kind.group, "", &[problem]));
    }
    // A decoder names the field of the list or map, not its item.
    let field = misfit.path.rsplit_once('.').map_or(misfit.path.as_str(), |(parent, last)| {
        if parent.ends_with("ata") || parent.ends_with("abels") || parent.ends_with("annotations") {
            parent
        } else {
            &misfit.path[..parent.len() + 1 + last.len()]
        }
    });
    Some(Problem::bad_request(format!(
        "{} in version {:?} cannot be handled as a {}: json: cannot unmarshal {found} into Go struct field {}.{field} of type {}",
        kind.kind,
        kind.version,
        kind.kind,
        kind.kind,
        expected.decoded()
    )))
}

fn surprise(misfit: &Misfit) -> Option<String> {
    (misfit.kind == MisfitKind::UnknownField).then(|| format!("unknown field {:?}", misfit.path))
}

fn typed_line(misfit: &Misfit) -> String {
    let path = &misfit.typed_path;
    match &misfit.kind {
        MisfitKind::UnknownField => format!("{path}: field not declared in schema"),
        MisfitKind::DuplicateKey(key) => format!("{path}: duplicate entries for key {key}"),
        MisfitKind::Type { expected, found } => format!("{path}: expected {}, got {found}", expected.typed()),
    }
}
