//! `docs/reference/http.md`, made of the OpenAPI document.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value};

const TAGS: [&str; 4] = ["events", "runs", "environments", "health"];
static NO_MEMBERS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

#[test]
fn the_page_of_the_http_api_is_what_its_document_says() {
    let document = serde_json::to_value(crate::http::openapi()).unwrap();
    super::hold("http.md", &page(&document));
}

fn page(document: &Value) -> String {
    let mut page = format!(
        "# HTTP API\n\nWhat `windlass serve` answers. The same as an OpenAPI document: `GET /v1/openapi.json`.\n\n{}\n",
        text(&document["info"]["description"])
    );
    let operations = operations(document);
    for tag in TAGS {
        let of_tag: Vec<_> = operations.iter().filter(|one| one.described["tags"][0] == tag).collect();
        writeln!(page, "\n## {}{}\n\n| | needs | |\n|---|---|---|", tag[..1].to_uppercase(), &tag[1..])
            .unwrap();
        for one in &of_tag {
            writeln!(
                page,
                "| `{}` | {} | {} |",
                one.name(),
                needs(one.described),
                text(&one.described["summary"])
            )
            .unwrap();
        }
        for one in of_tag {
            one.write(&mut page);
        }
    }
    page.push_str("\n## Values\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        write_schema(&mut page, name, schema);
    }
    page
}

struct Operation<'a> {
    method: String,
    path: &'a str,
    described: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, described) in methods.as_object().unwrap() {
            all.push(Operation { method: method.to_uppercase(), path, described });
        }
    }
    all
}

impl Operation<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn write(&self, page: &mut String) {
        writeln!(page, "\n### `{}`\n\n{}.", self.name(), text(&self.described["summary"])).unwrap();
        if let Some(more) = self.described["description"].as_str() {
            writeln!(page, "\n{more}").unwrap();
        }
        if let Some(parameters) = self.described["parameters"].as_array() {
            page.push_str("\n| parameter | in | |\n|---|---|---|\n");
            for one in parameters {
                let (name, place) = (text(&one["name"]), text(&one["in"]));
                writeln!(page, "| `{name}` | {place} | {} |", cell(&one["description"])).unwrap();
            }
        }
        if let Some(body) = self.described["requestBody"].as_object() {
            let kinds: Vec<_> = members(&body["content"])
                .map(|(kind, content)| format!("`{kind}`: {}", type_of(&content["schema"])))
                .collect();
            writeln!(page, "\nBody: {}.", kinds.join("; ")).unwrap();
        }
        page.push_str("\n| answer | body | |\n|---|---|---|\n");
        for (status, response) in members(&self.described["responses"]) {
            let body = members(&response["content"]).map(|(_, content)| type_of(&content["schema"])).next();
            writeln!(
                page,
                "| {status} | {} | {} |",
                body.unwrap_or_default(),
                cell(&response["description"])
            )
            .unwrap();
        }
    }
}

fn write_schema(page: &mut String, name: &str, schema: &Value) {
    writeln!(page, "\n### {name}\n\n{}", text(&schema["description"])).unwrap();
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    page.push_str("\n| member | type | |\n|---|---|---|\n");
    for (member, value) in members(&schema["properties"]) {
        let optional = if required.contains(&member) { "" } else { ", may be missing" };
        writeln!(page, "| `{member}` | {}{optional} | {} |", type_of(value), cell(&value["description"]))
            .unwrap();
    }
}

/// Who may: the least role, `anybody`, or what else proves who asks.
fn needs(operation: &Value) -> String {
    let ways = operation["security"].as_array().unwrap();
    let token = ways.iter().find_map(|way| way["token"][0].as_str());
    match token {
        Some(role) => format!("`{role}`"),
        None if ways.iter().any(|way| way.get("signature").is_some()) => "a signature".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// A type in words; one of the values below is a link.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array()).or(schema["allOf"].as_array());
    if let Some(choices) = choices {
        return choices.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let one = |kind: &Value| match kind.as_str() {
                Some("array") => format!("list of {}", type_of(&schema["items"])),
                kind => kind.unwrap_or_default().to_owned(),
            };
            kinds.iter().map(one).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().unwrap_or(&NO_MEMBERS).iter().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn cell(value: &Value) -> String {
    text(value).replace('\n', " ").replace('|', "\\|")
}
