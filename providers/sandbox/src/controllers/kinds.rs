//! Kinds by their names, those that definitions add included.

use std::borrow::Cow;

use serde_json::Value;

use crate::api::served;
use crate::objects::kinds::CUSTOM_RESOURCE_DEFINITION;
use crate::objects::{Kind, Objects};

/// The kind of this name, if there is one.
pub(super) fn named(objects: &Objects, api_version: &str, kind: &str) -> Option<Cow<'static, Kind>> {
    if let Some(built_in) = Kind::built_in(api_version, kind) {
        return Some(Cow::Borrowed(built_in));
    }
    let definitions = objects.list(&CUSTOM_RESOURCE_DEFINITION, None).items;
    let mut defined = definitions.iter().flat_map(|definition| defined(definition));
    defined.find(|one| one.kind == kind && one.api_version() == api_version).map(Cow::Owned)
}

/// The kinds that a definition adds; none if the object is no definition.
pub(super) fn defined(definition: &Value) -> Vec<Kind> {
    if definition["kind"] != CUSTOM_RESOURCE_DEFINITION.kind.as_ref() {
        return Vec::new();
    }
    served::kinds_of(definition).into_iter().map(|(kind, _)| kind).collect()
}
