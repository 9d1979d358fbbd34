//! Fields of custom resources that hold names or labels, from the OpenAPI definitions listed under `crds`.

use std::sync::Arc;

use crate::config::TransformerConfig;
use crate::error::{InFile, Problem, Result};
use crate::field_spec::{FieldSpec, NameReference};
use crate::id::Gvk;
use crate::loader::Loader;
use crate::yaml::{Dialect, Duplicates, Limits, Map, Node, Text, parse_document};

/// Reads the definition files.
pub(crate) fn load(loader: &Loader<'_>, paths: &[Text]) -> Result<TransformerConfig> {
    let mut config = TransformerConfig::default();
    for path in paths {
        let file = loader.load(path)?;
        let one = file.text().and_then(parse).in_file(&file.path)?;
        config.merge(&one).in_file(&file.path)?;
    }
    Ok(config)
}

#[derive(Default)]
struct Found {
    labels: Vec<FieldSpec>,
    annotations: Vec<FieldSpec>,
    names: Vec<FieldSpec>,
    references: Vec<NameReference>,
}

fn parse(text: &str) -> Result<TransformerConfig> {
    let document = parse_document(text, 1, Dialect::V2, Duplicates::LastWins, Limits::default())?;
    let Some(document) = document else {
        let reason = "is empty".to_owned();
        return Problem::InvalidField { field: "crds".to_owned(), reason }.fail();
    };
    let Some(types) = document.as_map() else {
        return Problem::WrongType { field: "crds".to_owned(), expected: "a map", found: document.kind() }
            .fail();
    };
    let mut found = Found::default();
    for entry in &types.entries {
        let is_object = |field| properties(&entry.value).is_some_and(|properties| properties.contains(field));
        if ["kind", "apiVersion", "metadata"].into_iter().all(is_object) {
            let kind = entry.key.text.rsplit('.').next().unwrap_or_default();
            let mut walk = Walk { types, gvk: Gvk::of_kind(kind), found: &mut found, visited: Vec::new() };
            walk.definition(&entry.key.text, "");
        }
    }
    Ok(TransformerConfig {
        common_labels: Arc::new(found.labels),
        common_annotations: Arc::new(found.annotations),
        name_prefix: Arc::new(found.names),
        name_reference: Arc::new(found.references),
        ..TransformerConfig::default()
    })
}

fn properties(definition: &Node) -> Option<&Map> {
    definition.at(&["Schema", "properties"]).or_else(|| definition.at(&["schema", "properties"]))?.as_map()
}

struct Walk<'a> {
    types: &'a Map,
    gvk: Gvk,
    found: &'a mut Found,
    /// Definitions being walked, against cycles.
    visited: Vec<Text>,
}

impl Walk<'_> {
    fn definition(&mut self, name: &str, path: &str) {
        let types = self.types;
        let Some(properties) = types.get(name).and_then(properties) else { return };
        if self.visited.iter().any(|visited| visited == name) {
            return;
        }
        self.visited.push(name.into());
        for entry in &properties.entries {
            let path = if path.is_empty() {
                entry.key.text.to_string()
            } else {
                format!("{path}/{}", entry.key.text)
            };
            self.property(&entry.value, &path);
        }
        self.visited.pop();
    }

    fn property(&mut self, property: &Node, path: &str) {
        let spec = |path: &str| FieldSpec::new(self.gvk.clone(), path, false);
        let text = |field| property.get(field).map(Node::text);
        if text("x-kubernetes-annotation").is_some() {
            self.found.annotations.push(spec(path));
        }
        if text("x-kubernetes-label-selector").is_some() {
            self.found.labels.push(spec(path));
        }
        if text("x-kubernetes-identity").is_some() {
            self.found.names.push(spec(path));
        }
        if let (Some(version), Some(kind)) =
            (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind"))
        {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
            let target = Gvk { version: version.into(), ..Gvk::of_kind(kind) };
            let referrers = vec![spec(&format!("{path}/{key}"))];
            self.found.references.push(NameReference { target, referrers });
        }
        if let Some(reference) = property.get("$ref") {
            self.definition(reference.text(), path);
        }
    }
}
