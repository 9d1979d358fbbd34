//! What is served: the built-in kinds and those that definitions add.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use windlass_core::object::Scope;

use crate::objects::kinds::{CUSTOM_RESOURCE_DEFINITION, KINDS};
use crate::objects::{Kind, Objects, Subresource, meta};
use crate::schema::{self, KindSchema, Schema};

/// A kind with its schema.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) kind: Cow<'static, Kind>,
    pub(crate) schema: KindSchema,
    /// `additionalPrinterColumns` of a custom resource.
    pub(crate) columns: Value,
}

/// The kinds of a cluster.
#[derive(Debug)]
pub(crate) struct Kinds {
    objects: Objects,
    /// Compiled schemas, by definition, its generation and version.
    compiled: Mutex<HashMap<(String, i64, String), Arc<Schema>>>,
}

impl Kinds {
    pub(crate) fn new(objects: Objects) -> Self {
        Self { objects, compiled: Mutex::default() }
    }

    pub(crate) fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<Served> {
        self.find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// Every kind that is served.
    pub(crate) fn all(&self) -> Vec<Cow<'static, Kind>> {
        let built_in = KINDS.iter().map(|kind| Cow::Borrowed(*kind));
        let custom = self.objects.list(&CUSTOM_RESOURCE_DEFINITION, None).items;
        let custom: Vec<Kind> =
            custom.iter().flat_map(|definition| kinds_of(definition)).map(|(kind, _)| kind).collect();
        built_in.chain(custom.into_iter().map(Cow::Owned)).collect()
    }

    fn find(&self, is_it: impl Fn(&Kind) -> bool) -> Option<Served> {
        if let Some(kind) = KINDS.iter().find(|kind| is_it(kind)) {
            let schema = KindSchema::BuiltIn(schema::of_kind(kind)?);
            return Some(Served { kind: Cow::Borrowed(kind), schema, columns: Value::Null });
        }
        let definitions = self.objects.list(&CUSTOM_RESOURCE_DEFINITION, None).items;
        definitions.iter().find_map(|definition| {
            let (kind, version) = kinds_of(definition).into_iter().find(|(kind, _)| is_it(kind))?;
            let schema = KindSchema::Custom(self.compiled(definition, &version));
            Some(Served {
                kind: Cow::Owned(kind),
                schema,
                columns: version["additionalPrinterColumns"].clone(),
            })
        })
    }

    fn compiled(&self, definition: &Value, version: &Value) -> Arc<Schema> {
        let key = (
            meta::text(definition, "uid").to_owned(),
            meta::generation(definition),
            version["name"].as_str().unwrap_or_default().to_owned(),
        );
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || Arc::new(Schema::custom(&version["schema"]["openAPIV3Schema"]));
        compiled.entry(key).or_insert_with(compile).clone()
    }
}

/// The kinds that a definition adds, each with its version of it.
pub(crate) fn kinds_of(definition: &Value) -> Vec<(Kind, Value)> {
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().into_iter().flatten();
    let served = versions.filter(|version| version["served"] == true);
    served.map(|version| (kind_of(spec, version), version.clone())).collect()
}

fn kind_of(spec: &Value, version: &Value) -> Kind {
    let text = |value: &Value| Cow::Owned(value.as_str().unwrap_or_default().to_owned());
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().into();
    let subresource = |name, subresource| version["subresources"].get(name).map(|_| subresource);
    let subresources = [subresource("status", Subresource::Status), subresource("scale", Subresource::Scale)];
    Kind {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        kind: text(&spec["names"]["kind"]),
        plural: text(&spec["names"]["plural"]),
        short_names: texts(&spec["names"]["shortNames"]),
        categories: texts(&spec["names"]["categories"]),
        scope: if spec["scope"] == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
        subresources: subresources.into_iter().flatten().collect::<Vec<_>>().into(),
        counts_generations: true,
    }
}
