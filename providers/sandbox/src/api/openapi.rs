//! The schemas of what is served, as OpenAPI 3.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::VERSION;
use super::answer::{self, Answer};
use crate::objects::Kind;
use crate::schema;

type Kinds = [Cow<'static, Kind>];

/// Answers below `/openapi/v3`: what there is, or the document of one group and version.
pub(super) fn answer(kinds: &Kinds, rest: &[&str]) -> Option<Answer> {
    if rest.is_empty() {
        let entry = |path: String| {
            (path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={VERSION}")}))
        };
        let paths: BTreeSet<String> = kinds.iter().map(|kind| document_path(kind)).collect();
        let paths: Map<String, Value> = paths.into_iter().map(entry).collect();
        return Some(answer::json(200, &json!({"paths": paths})));
    }
    let wanted = rest.join("/");
    let of_document: Vec<&Kind> =
        kinds.iter().map(AsRef::as_ref).filter(|kind: &&Kind| document_path(kind) == wanted).collect();
    if of_document.is_empty() {
        return None;
    }
    Some(answer::bytes_of(200, "application/json", document(&of_document)))
}

/// OpenAPI 2 in protobuf, the one form in which `kubectl` asks for it, and only after version 3 did not know a kind. Version 2 does not know it either:
/// a document without a definition, in which field 1 is `swagger`, and field 2 `info` with title and version.
pub(super) fn empty_second() -> Answer {
    let field = |number: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).expect("these are a few letters");
        [&[number << 3 | 2, length], content].concat()
    };
    let info = [field(1, b"Kubernetes"), field(2, VERSION.as_bytes())].concat();
    let document = [field(1, b"2.0"), field(2, &info)].concat();
    let form = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    answer::bytes_of(200, form, document.into())
}

fn document_path(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", kind.api_version())
}

/// The definitions are put in as they are stored, without being read.
fn document(kinds: &[&Kind]) -> Bytes {
    let paths: Map<String, Value> = kinds.iter().flat_map(|kind| paths(kind)).collect();
    let names = kinds.iter().map(|kind| schema::definition_name(kind)).collect();
    let definitions = schema::with_references(names).join(",");
    let info = json!({"title": "Kubernetes", "version": VERSION});
    let paths = Value::Object(paths);
    Bytes::from(format!(
        "{{\"openapi\":\"3.0.0\",\"info\":{info},\"paths\":{paths},\"components\":{{\"schemas\":{{{definitions}}}}}}}"
    ))
}

/// The paths of a kind, with the parameters that clients look for before they use them.
fn paths(kind: &Kind) -> Vec<(String, Value)> {
    let namespace = if kind.is_namespaced() { "/namespaces/{namespace}" } else { "" };
    let collection = format!("/{}{namespace}/{}", document_path(kind), kind.plural);
    let all = |action: &str| operation(kind, action, &["dryRun", "fieldManager", "fieldValidation"]);
    let one = json!({
        "get": operation(kind, "get", &[]),
        "put": all("put"),
        "patch": operation(kind, "patch", &["dryRun", "fieldManager", "fieldValidation", "force"]),
        "delete": operation(kind, "delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"]),
    });
    if !kind.is_kept() {
        return vec![(collection, json!({"post": all("post")}))];
    }
    let many = json!({
        "get": operation(kind, "list", &["labelSelector", "fieldSelector", "watch", "resourceVersion"]),
        "post": all("post"),
    });
    vec![(format!("{collection}/{{name}}"), one), (collection, many)]
}

fn operation(kind: &Kind, action: &str, parameters: &[&str]) -> Value {
    let parameter =
        |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let parameters: Vec<Value> = parameters.iter().map(parameter).collect();
    let schema = json!({"$ref": format!("#/components/schemas/{}", schema::definition_name(kind))});
    json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    })
}
