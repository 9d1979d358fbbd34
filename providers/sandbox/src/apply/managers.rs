//! Who owns which fields: `metadata.managedFields`.

use serde_json::{Value, json};

use super::fields::FieldSet;
use crate::objects::meta;

/// A way of writing an object: somebody's applies are told apart from their other writes, and from those of the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    /// `fieldManager` of the request.
    pub(crate) manager: String,
    pub(crate) operation: Operation,
    /// Empty for the object itself.
    pub(crate) subresource: String,
    pub(crate) api_version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What one writer owns, since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) writer: Writer,
    pub(crate) fields: FieldSet,
    pub(crate) since: String,
}

/// Everybody who owns fields of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managers(pub(crate) Vec<Owned>);

impl Managers {
    pub(crate) fn of(object: &Value) -> Self {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        Self(entries.map(read).collect())
    }

    pub(crate) fn get(&self, writer: &Writer) -> Option<&FieldSet> {
        self.0.iter().find(|owned| owned.writer == *writer).map(|owned| &owned.fields)
    }

    /// Says what a writer owns from now on. Its time is kept where that is what it owned before.
    pub(crate) fn set(&mut self, writer: &Writer, fields: FieldSet) {
        if self.get(writer) == Some(&fields) {
            return;
        }
        self.0.retain(|owned| owned.writer != *writer);
        if !fields.is_empty() {
            self.0.push(Owned { writer: writer.clone(), fields, since: meta::now() });
        }
    }

    /// Takes fields from everybody but one.
    pub(crate) fn take_from_others(&mut self, writer: &Writer, fields: &FieldSet) {
        for owned in self.0.iter_mut().filter(|owned| owned.writer != *writer) {
            owned.fields = owned.fields.difference(fields);
        }
        self.0.retain(|owned| !owned.fields.is_empty());
    }

    pub(crate) fn all(&self) -> FieldSet {
        self.0.iter().fold(FieldSet::default(), |all, owned| all.union(&owned.fields))
    }

    /// Applies come first, then the oldest.
    pub(crate) fn write_to(mut self, object: &mut Value) {
        self.0.sort_by(|one, other| {
            let key =
                |owned: &Owned| (owned.writer.operation, owned.since.clone(), owned.writer.manager.clone());
            key(one).cmp(&key(other))
        });
        let entries: Vec<Value> = self.0.iter().map(write).collect();
        let metadata = meta::metadata(object);
        if entries.is_empty() {
            metadata.shift_remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), entries.into());
        }
    }
}

fn read(entry: &Value) -> Owned {
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let operation = if entry["operation"] == "Apply" { Operation::Apply } else { Operation::Update };
    let writer = Writer {
        manager: text("manager"),
        operation,
        subresource: text("subresource"),
        api_version: text("apiVersion"),
    };
    Owned { writer, fields: FieldSet::from_json(&entry["fieldsV1"]), since: text("time") }
}

fn write(owned: &Owned) -> Value {
    let mut entry = json!({
        "manager": owned.writer.manager,
        "operation": owned.writer.operation.name(),
        "apiVersion": owned.writer.api_version,
        "time": owned.since,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.fields.to_json(),
    });
    if !owned.writer.subresource.is_empty() {
        entry["subresource"] = owned.writer.subresource.as_str().into();
    }
    entry
}
