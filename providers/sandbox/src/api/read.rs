//! Getting and listing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::problem::Problem;
use super::request::Call;
use super::selector::Selector;
use super::{Api, Target, partial, table};

impl Api {
    pub(super) fn get(&self, call: &Call, target: &Target, name: &str) -> Result<Answer, Problem> {
        let object = self.find(target, name)?;
        if call.wants_table() {
            let shown = table::table(&target.served, std::slice::from_ref(&object), call, None);
            return Ok(answer::json(200, &shown));
        }
        if call.wants_metadata() {
            return Ok(answer::json(200, &partial(&object)));
        }
        Ok(answer::json(200, &object))
    }

    pub(super) fn find(&self, target: &Target, name: &str) -> Result<Arc<Value>, Problem> {
        let found = self.objects().get(target.kind(), target.namespace.as_deref(), name);
        found.ok_or_else(|| Problem::not_found(&target.kind().resource(), name))
    }

    /// Lists are answered whole: `limit` is a wish of the client's.
    pub(super) fn list(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let kind = target.kind();
        if call.text("continue").is_some() {
            return Err(Problem::bad_request("continue key is not valid: lists are answered whole"));
        }
        let selector = selector(call, target)?;
        let listed = self.objects().list(kind, target.namespace.as_deref());
        let items: Vec<Arc<Value>> =
            listed.items.into_iter().filter(|object| selector.selects(object)).collect();
        if call.wants_table() {
            return Ok(answer::json(200, &table::table(&target.served, &items, call, Some(listed.version))));
        }
        let metadata = json!({"resourceVersion": listed.version.to_string()});
        if call.wants_metadata() {
            let items: Vec<Value> = items.iter().map(|object| partial(object)).collect();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items});
            return Ok(answer::json(200, &list));
        }
        Ok(answer::json(200, &list_of(&format!("{}List", kind.kind), &kind.api_version(), &metadata, &items)))
    }
}

fn list_of(kind: &str, api_version: &str, metadata: &Value, items: &[Arc<Value>]) -> Value {
    let items: Vec<Value> = items.iter().map(|object| Value::clone(object)).collect();
    json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items})
}

/// Which objects a request means: by selectors, or by the name in its path.
pub(super) fn selector(call: &Call, target: &Target) -> Result<Selector, Problem> {
    let by_name = target.name.as_ref().map(|name| format!("metadata.name={name}"));
    let fields = by_name.as_deref().or(call.text("fieldSelector"));
    Selector::parse(target.kind(), call.text("labelSelector"), fields)
}
