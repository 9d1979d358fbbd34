//! How lists merge: by the built-in table, or by an OpenAPI document that a kustomization names.

use std::collections::{BTreeMap, HashMap};

use crate::error::{InFile, Problem, Result};
use crate::facts::merge_keys::{self, Merge, Type};
use crate::loader::Loader;
use crate::yaml::{Dialect, Duplicates, Limits, Node, Text, parse_document};

/// The version of Kubernetes whose schema is built in.
const BUILT_IN_VERSION: &str = "v1.21.2";

/// The schema of a build. The first kustomization on the way down that names one decides.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    custom: Option<Definitions>,
    is_set: bool,
}

#[derive(Debug)]
struct Definitions {
    by_name: BTreeMap<Text, Node>,
    /// Names by `apiVersion` and `kind`.
    by_kind: HashMap<(Text, Text), Text>,
}

/// The schema of one value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Schema<'s> {
    BuiltIn(Type),
    Custom(&'s Schemas, &'s Node),
}

/// How a list merges, and the schema of its elements.
#[derive(Clone, Debug)]
pub(crate) struct ListMerge<'s> {
    /// No keys: a list of scalars, merged by value.
    pub(crate) keys: Vec<Text>,
    pub(crate) elements: Option<Schema<'s>>,
}

/// What a schema says about a field.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldSchema<'s> {
    pub(crate) value: Option<Schema<'s>>,
    pub(crate) list: Option<ListMerge<'s>>,
}

impl Schemas {
    /// Takes the `openapi` of the root kustomization.
    pub(crate) fn set_root(&mut self, openapi: &BTreeMap<Text, Text>, loader: &Loader<'_>) -> Result<()> {
        self.set(openapi, loader)
    }

    /// Takes the `openapi` of another kustomization unless one was set.
    pub(crate) fn set_below(&mut self, openapi: &BTreeMap<Text, Text>, loader: &Loader<'_>) -> Result<()> {
        if self.is_set {
            // The file must be there all the same.
            return openapi.get("path").map_or(Ok(()), |path| loader.load(path).map(drop));
        }
        self.set(openapi, loader)
    }

    fn set(&mut self, openapi: &BTreeMap<Text, Text>, loader: &Loader<'_>) -> Result<()> {
        let fail = |reason: &str| {
            Problem::InvalidField { field: "openapi".to_owned(), reason: reason.to_owned() }.fail()
        };
        match (openapi.get("path"), openapi.get("version")) {
            (Some(_), Some(_)) => fail("has both a path and a version"),
            (Some(path), None) => {
                let file = loader.load(path)?;
                self.custom = Some(file.text().and_then(Definitions::parse).in_file(&file.path)?);
                self.is_set = true;
                Ok(())
            }
            (None, Some(version)) if version == BUILT_IN_VERSION => {
                self.is_set = true;
                Ok(())
            }
            (None, Some(_)) => fail("names a version that is not built in; only `v1.21.2` is"),
            (None, None) => Ok(()),
        }
    }

    /// The schema of objects of this kind.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<Schema<'_>> {
        match &self.custom {
            None => merge_keys::type_of(api_version, kind).map(Schema::BuiltIn),
            Some(custom) => {
                let name = custom.by_kind.get(&(api_version.into(), kind.into()))?;
                Some(Schema::Custom(self, custom.by_name.get(name)?))
            }
        }
    }

    /// Follows `$ref` to a definition.
    fn resolve<'s>(&'s self, mut schema: &'s Node) -> Option<Schema<'s>> {
        /// Longer chains of references are cycles.
        const LONGEST_CHAIN: usize = 32;
        for _ in 0..LONGEST_CHAIN {
            let Some(reference) = schema.get("$ref") else { return Some(Schema::Custom(self, schema)) };
            let name = reference.text().strip_prefix("#/definitions/")?;
            schema = self.custom.as_ref()?.by_name.get(name)?;
        }
        None
    }
}

impl Definitions {
    fn parse(text: &str) -> Result<Self> {
        let document = parse_document(text, 1, Dialect::V2, Duplicates::LastWins, Limits::default())?;
        let definitions = document.as_ref().and_then(|node| node.get("definitions")).and_then(Node::as_map);
        let mut all = Self { by_name: BTreeMap::new(), by_kind: HashMap::new() };
        for entry in definitions.map_or(&[][..], |map| &map.entries) {
            for kind in
                entry.value.get("x-kubernetes-group-version-kind").and_then(Node::as_list).unwrap_or_default()
            {
                let text = |field| kind.get(field).map_or("", Node::text);
                let api_version = match text("group") {
                    "" => text("version").to_owned(),
                    group => format!("{group}/{}", text("version")),
                };
                all.by_kind.insert((api_version.into(), text("kind").into()), entry.key.text.clone());
            }
            all.by_name.insert(entry.key.text.clone(), entry.value.clone());
        }
        Ok(all)
    }
}

impl<'s> Schema<'s> {
    /// What this schema says about `field`.
    pub(crate) fn field(self, field: &str) -> FieldSchema<'s> {
        match self {
            Self::BuiltIn(of) => match of.field(field) {
                None => FieldSchema::default(),
                Some(Merge::Map(of)) => FieldSchema { value: Some(Self::BuiltIn(of)), list: None },
                Some(Merge::List(keys, elements)) => {
                    let keys = keys.iter().map(|key| Text::new_static(key)).collect();
                    let list = ListMerge { keys, elements: elements.map(Self::BuiltIn) };
                    FieldSchema { value: None, list: Some(list) }
                }
            },
            Self::Custom(schemas, node) => {
                let property = node.get("properties").and_then(|properties| properties.get(field));
                let property = property
                    .or_else(|| node.get("additionalProperties").filter(|any| any.as_map().is_some()));
                let Some(property) = property else { return FieldSchema::default() };
                FieldSchema { value: schemas.resolve(property), list: custom_list(schemas, property) }
            }
        }
    }
}

fn custom_list<'s>(schemas: &'s Schemas, property: &'s Node) -> Option<ListMerge<'s>> {
    let Some(Schema::Custom(_, property)) = schemas.resolve(property) else { return None };
    let strategy = property.get("x-kubernetes-patch-strategy")?.text();
    if !strategy.split(',').any(|strategy| strategy == "merge") {
        return None;
    }
    let keys = match property.get("x-kubernetes-list-map-keys").and_then(Node::as_list) {
        Some(keys) => keys.iter().map(|key| key.text().into()).collect(),
        None => {
            property.get("x-kubernetes-patch-merge-key").map(|key| key.text().into()).into_iter().collect()
        }
    };
    Some(ListMerge { keys, elements: property.get("items").and_then(|items| schemas.resolve(items)) })
}
