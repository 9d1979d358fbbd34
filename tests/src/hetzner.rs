//! The official OpenAPI document of the Hetzner Cloud API, and whether requests and answers are as it says.
//!
//! The document is that of early 2026, from the crate `hetzner` (see `tests/hetzner-document/Cargo.toml`). What changed since is laid over it: see
//! `brought_up_to_date`. The document allows fields that it does not name; here, they are mistakes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// A request and its answer.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// `POST`
    pub method: &'a str,
    /// What follows `/v1`, with its query.
    pub path: &'a str,
    /// The body of the request.
    pub request: Option<&'a Value>,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub answer: Option<&'a Value>,
}

/// The document, ready to be asked.
#[derive(Debug)]
pub struct ApiDocument {
    paths: Map<String, Value>,
    /// Schemas that were made ready, by what they are of.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl ApiDocument {
    /// The document, read once in each process.
    pub fn get() -> &'static Self {
        static DOCUMENT: OnceLock<ApiDocument> = OnceLock::new();
        DOCUMENT.get_or_init(Self::read)
    }

    fn read() -> Self {
        let file = document().join("hetzner-cloud-openapi.json");
        let text = std::fs::read_to_string(&file).expect("the crate carries the document");
        let mut document: Value = serde_json::from_str(&text).expect("the document is JSON");
        let Value::Object(paths) = document["paths"].take() else { panic!("the document has no paths") };
        Self { paths, validators: Mutex::default() }
    }

    /// All that is wrong with an exchange: nothing, if it is as the document says.
    pub fn problems(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let (path, query) = exchange.path.split_once('?').unwrap_or((exchange.path, ""));
        let named = format!("{} {path}", exchange.method);
        if ADDED.iter().any(|(method, added)| *method == exchange.method && path_fits(added, path)) {
            return Vec::new();
        }
        let Some((template, operation)) = self.operation(exchange.method, path) else {
            // What is not in the document must be refused.
            return if exchange.status >= 400 {
                Vec::new()
            } else {
                vec![format!("{named}: is not in the document")]
            };
        };
        let key = format!("{} {template}", exchange.method);
        let mut problems = Vec::new();
        // A request that was refused may well be wrong.
        if exchange.status < 400 {
            problems.extend(unknown_parameters(operation, query));
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let empty = json!({});
            let body = exchange.request.unwrap_or(&empty);
            if schema.is_object() {
                problems.extend(self.violations(&format!("{key} request"), schema, body));
            } else if body.as_object().is_some_and(|body| !body.is_empty()) {
                problems.push("has a body, which is not in the document".to_owned());
            }
        }
        problems.extend(self.answer_problems(&key, operation, exchange));
        problems.into_iter().map(|problem| format!("{named}: {problem}")).collect()
    }

    /// Every operation, as the document writes it: `GET /servers/{id}`
    pub fn operations(&self) -> Vec<String> {
        let methods = |operations: &Value| {
            operations
                .as_object()
                .into_iter()
                .flatten()
                .map(|(method, _)| method.to_uppercase())
                .collect::<Vec<_>>()
        };
        let all = self.paths.iter().flat_map(|(path, operations)| {
            methods(operations).into_iter().map(move |method| format!("{method} {path}"))
        });
        all.collect()
    }

    /// The operation that a request is one of, as the document writes it.
    pub fn template(&self, method: &str, path: &str) -> Option<String> {
        self.operation(method, path).map(|(template, _)| format!("{method} {template}"))
    }

    fn answer_problems(&self, key: &str, operation: &Value, exchange: &Exchange<'_>) -> Vec<String> {
        let mut answers = operation["responses"].clone();
        if key == "DELETE /load_balancers/{id}" {
            // Since 2026 it is answered with an action, as that of servers.
            answers["200"] = self.paths["/servers/{id}"]["delete"]["responses"]["200"].clone();
        }
        let (exact, class) = (exchange.status.to_string(), format!("{}xx", exchange.status / 100));
        let Some((status, answer)) =
            [exact, class].iter().find_map(|status| Some((status.clone(), answers.get(status)?)))
        else {
            return vec![format!("is answered with {}, which is not in the document", exchange.status)];
        };
        let schema = &answer["content"]["application/json"]["schema"];
        match exchange.answer {
            Some(body) if schema.is_object() => self.violations(&format!("{key} {status}"), schema, body),
            Some(_) => vec!["has an answer, which is not in the document".to_owned()],
            None if schema.is_object() => vec!["has no answer".to_owned()],
            None => Vec::new(),
        }
    }

    /// The operation of a path, with the path as the document writes it. Fixed segments win over variable ones.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let method = method.to_ascii_lowercase();
        let mut found: Vec<_> = self
            .paths
            .iter()
            .filter(|(template, _)| path_fits(template, path))
            .filter_map(|(template, operations)| Some((template.as_str(), operations.get(&method)?)))
            .collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        found.into_iter().next()
    }

    fn violations(&self, key: &str, schema: &Value, body: &Value) -> Vec<String> {
        let validator = self.validator(key, schema);
        let errors = validator.iter_errors(body);
        errors.map(|error| format!("{key}: `{}`: {error}", error.instance_path)).collect()
    }

    fn validator(&self, key: &str, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().expect("no test panics while it holds the lock");
        let made = validators.entry(key.to_owned()).or_insert_with(|| {
            let mut schema = schema.clone();
            brought_up_to_date(key, &mut schema);
            made_strict(&mut schema);
            let options = jsonschema::options().should_validate_formats(true).build(&schema);
            Arc::new(options.expect("the document's schemas are schemas"))
        });
        Arc::clone(made)
    }
}

/// Operations that are younger than the document, which therefore says nothing of them.
const ADDED: [(&str, &str); 1] = [("GET", "/networks/{id}/members")];

/// Whether a path is one of those that a template stands for.
fn path_fits(template: &str, path: &str) -> bool {
    let (wanted, given) = (template.split('/'), path.split('/'));
    wanted.clone().count() == given.clone().count()
        && wanted.zip(given).all(|(wanted, given)| {
            wanted == given || (wanted.starts_with('{') && given.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

/// Where the crate is that carries the document.
fn document() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("hetzner-document/Cargo.toml");
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(&manifest)
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    let package = packages.iter().find(|package| package["name"] == "hetzner").expect("it is a dependency");
    let manifest = Path::new(package["manifest_path"].as_str().expect("a package has a manifest"));
    manifest.parent().expect("a manifest is in a folder").to_owned()
}

/// Parameters that the document does not name.
fn unknown_parameters(operation: &Value, query: &str) -> Vec<String> {
    let known = |name: &str| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.into_iter().any(|parameter| parameter["in"] == "query" && parameter["name"] == name)
    };
    let names = query.split('&').filter(|pair| !pair.is_empty());
    names
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        // All lists come in pages and can be sorted, though the document does not say so of each; Hetzner's own clients know it.
        .filter(|name| !known(name) && !["page", "per_page", "sort"].contains(name))
        .map(|name| format!("parameter `{name}` is not in the document"))
        .collect()
}

/// Lays over a schema what Hetzner's changelog says of the months since the document was written.
fn brought_up_to_date(key: &str, schema: &mut Value) {
    walk(schema, &mut |schema| {
        let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
        // 2026-07-01: servers and primary IPs have a location, and no data centre.
        properties.remove("datacenter");
        // 2026-04-01: whether a server type can be had in a location.
        let is_place = properties.len() == 3
            && ["id", "name", "deprecation"].iter().all(|it| properties.contains_key(*it));
        if is_place {
            properties.insert("available".to_owned(), json!({"type": "boolean"}));
            properties.insert("recommended".to_owned(), json!({"type": "boolean"}));
        }
        // 2026-08-01: free addresses are `unassigned`, and need not be said to be for servers.
        if let Some(assignee) = properties.get_mut("assignee_type") {
            assignee["enum"] = json!(["server", "unassigned"]);
        }
        // 2026-04-30: how long a connection without traffic lives.
        if properties.contains_key("sticky_sessions") {
            properties.insert("timeout_idle".to_owned(), json!({"type": "integer"}));
        }
        // Since 2026 images say when they go, as server types do.
        if properties.contains_key("os_flavor") {
            properties.insert("deprecation".to_owned(), json!({"type": ["object", "null"]}));
        }
        // `GET /actions` by IDs, with pages as every list.
        if key.starts_with("GET /actions ") && properties.contains_key("actions") {
            properties.insert("meta".to_owned(), json!({}));
        }
        // Not written down, and sent by Hetzner's own clients: IDs in the place of names, and the gateway of a subnet.
        if key.ends_with("request") {
            if properties.contains_key("vswitch_id") {
                properties.insert("gateway".to_owned(), json!({"type": ["string", "null"]}));
            }
            for name in ["server_type", "image", "location", "home_location", "load_balancer_type", "iso"] {
                if let Some(reference) = properties.get_mut(name).filter(|it| it["type"] == "string") {
                    reference["type"] = json!(["string", "integer"]);
                }
            }
            if let Some(keys) = properties.get_mut("ssh_keys") {
                keys["items"] = json!({"type": ["string", "integer"]});
            }
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| {
                name != "datacenter" && !(key == "POST /primary_ips request" && name == "assignee_type")
            });
            if is_place {
                required.extend(["available".into(), "recommended".into()]);
            }
        }
    });
}

/// Turns what OpenAPI 3.0 says into what JSON Schema says, and closes objects against fields that they do not name.
fn made_strict(schema: &mut Value) {
    walk(schema, &mut |schema| {
        if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        if schema.remove("nullable") == Some(true.into()) {
            if let Some(word) = schema.get("type").cloned() {
                schema.insert("type".to_owned(), json!([word, "null"]));
            }
            if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                values.push(Value::Null);
            }
        }
    });
}

/// Visits a schema and all schemas within it.
fn walk(schema: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(object) = schema else { return };
    visit(object);
    for (key, inner) in object.iter_mut() {
        match (key.as_str(), inner) {
            ("properties", Value::Object(properties)) => {
                for property in properties.values_mut() {
                    walk(property, visit);
                }
            }
            ("items" | "additionalProperties", inner) => walk(inner, visit),
            ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                for one in all {
                    walk(one, visit);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        method: &str,
        path: &str,
        request: Option<&Value>,
        status: u16,
        answer: Option<&Value>,
        problems: usize,
    ) {
        let found = ApiDocument::get().problems(&Exchange { method, path, request, status, answer });
        assert_eq!(found.len(), problems, "{found:#?}");
    }

    fn group() -> Value {
        json!({"id": 1, "name": "a", "labels": {}, "type": "spread", "created": "2026-11-24T08:00:00Z", "servers": []})
    }

    #[test]
    fn an_exchange_of_the_document_has_no_problems() {
        let request = json!({"name": "a", "type": "spread"});
        let answer = json!({"placement_group": group(), "action": null});
        check("POST", "/placement_groups", Some(&request), 201, Some(&answer), 0);
        check("DELETE", "/placement_groups/1", None, 204, None, 0);
        let error = json!({"error": {"code": "not_found", "message": "no", "details": null}});
        check("GET", "/servers/1", None, 404, Some(&error), 0);
    }

    #[test]
    fn every_deviation_is_told() {
        let answer = json!({"placement_group": group()});
        let request = json!({"name": "a", "type": "lonely", "colour": "red"});
        check("POST", "/placement_groups", Some(&request), 201, Some(&answer), 2);
        check("POST", "/placement_groups", Some(&json!({"name": "a"})), 201, Some(&answer), 1);
        let mut wrong = group();
        wrong["servers"] = json!(["1"]);
        wrong["size"] = json!(3);
        let answer = json!({"placement_group": wrong});
        check("GET", "/placement_groups/1", None, 200, Some(&answer), 2);
        check("GET", "/placement_groups/1", None, 202, Some(&answer), 1);
        check("GET", "/placement_groups/1", None, 200, None, 1);
        check("GET", "/planets", None, 200, None, 1);
    }

    #[test]
    fn parameters_are_those_of_the_document() {
        let list = json!({"locations": [], "meta": {"pagination": {
            "page": 1, "per_page": 25, "previous_page": null, "next_page": null, "last_page": 1, "total_entries": 0
        }}});
        check("GET", "/locations?name=fsn1&page=1", None, 200, Some(&list), 0);
        check("GET", "/locations?label_selector=a", None, 200, Some(&list), 1);
    }
}
