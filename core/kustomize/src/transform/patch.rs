//! `patches`, `patchesStrategicMerge` and `patchesJson6902`.

use super::json_patch::JsonPatch;
use super::merge::merge;
use crate::accumulate::{Scope, Session};
use crate::error::{InFile, Problem, Result};
use crate::kustomization::parts;
use crate::resource::{FileId, Resource, read_resources};
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::selector::Matcher;
use crate::yaml::{Node, Text};

/// Patches that name their targets themselves.
#[derive(Debug)]
pub(crate) struct StrategicMerge {
    patches: Vec<Resource>,
}

/// One entry of `patches`.
#[derive(Debug)]
pub(crate) struct Patch {
    target: Option<Matcher>,
    change: Change,
    file: FileId,
    /// For messages.
    shown: String,
}

#[derive(Debug)]
enum Change {
    Strategic(Vec<Resource>),
    Json(JsonPatch),
}

/// One entry of `patchesJson6902`.
#[derive(Debug)]
pub(crate) struct TargetedJsonPatch {
    target: Matcher,
    operations: JsonPatch,
    file: FileId,
}

impl StrategicMerge {
    /// Loads patches, each written inline or named by path, and those of a text.
    pub(crate) fn load(scope: &Scope<'_>, entries: &[Text], text: &str) -> Result<Self> {
        let mut patches = Vec::new();
        for entry in entries {
            let nodes = read_resources(entry);
            if let Ok(nodes) = nodes {
                patches.extend(nodes.into_iter().map(|node| from_file(node, scope.file)));
                continue;
            }
            let file = scope.loader.load(entry)?;
            let id = scope.session.files.id(&file.path);
            let nodes = file.text().and_then(read_resources).in_file(&file.path)?;
            patches.extend(nodes.into_iter().map(|node| from_file(node, id)));
        }
        if !text.is_empty() {
            patches.extend(read_resources(text)?.into_iter().map(|node| from_file(node, scope.file)));
        }
        if patches.is_empty() {
            let reason = "is empty".to_owned();
            return Problem::Patch { patch: "under `patchesStrategicMerge`".to_owned(), reason }.fail();
        }
        Ok(Self { patches })
    }

    pub(crate) fn apply(self, resources: &mut Resources, session: &Session<'_>) -> Result<()> {
        let schemas = session.schemas.borrow();
        for patch in self.patches {
            let at = target_of(&patch, resources)?;
            let patch = fitted(&patch, resources.get(at));
            resources.change(at, |resource| merge_into(resource, patch, &schemas))?;
        }
        Ok(())
    }
}

fn from_file(node: Node, file: FileId) -> Resource {
    let mut patch = Resource::new(node);
    patch.add_file(file);
    patch
}

/// The one resource that has or had the id of the patch.
fn target_of(patch: &Resource, resources: &mut Resources) -> Result<usize> {
    let id = patch.original_id();
    match resources.with_any_id(&id)[..] {
        [only] => Ok(only),
        ref found => Problem::PatchTarget { target: id.to_string(), matches: found.len() }.fail(),
    }
}

/// The patch as it is applied to a resource that was selected: of its version, with string labels.
fn fitted(patch: &Resource, resource: &Resource) -> Resource {
    let mut fitted = patch.clone();
    fitted.take_metadata_from(patch);
    fitted.set_api_version(resource.api_version());
    fitted.set_kind(patch.kind());
    fitted
}

/// Merges a patch into a resource, which keeps its id unless the patch may change it.
fn merge_into(resource: &mut Resource, patch: Resource, schemas: &Schemas) -> Result<()> {
    let (name, namespace, kind) =
        (Text::from(resource.name()), Text::from(resource.namespace()), Text::from(resource.kind()));
    if patch.may_change_name || patch.may_change_kind {
        resource.remember_id();
    }
    resource.add_files(&patch.files);
    let old = std::mem::replace(&mut resource.node, Node::empty_map());
    let Some(merged) = merge(old, patch.node, schemas)?.filter(|node| !node.is_empty()) else {
        return Ok(());
    };
    resource.node = merged;
    if !patch.may_change_kind {
        resource.set_kind(&kind);
    }
    if !patch.may_change_name {
        resource.set_name(&name);
    }
    resource.set_namespace(&namespace);
    Ok(())
}

impl Patch {
    pub(crate) fn load(scope: &Scope<'_>, entry: &parts::Patch) -> Result<Self> {
        let inline = entry.text.trim();
        let fail = |reason: &str| {
            Problem::Patch { patch: "in `patches`".to_owned(), reason: reason.to_owned() }.fail()
        };
        let (text, file, shown) = match (inline, entry.path.as_str()) {
            ("", "") => return fail("has neither a path nor a text"),
            (inline, "") => (Text::from(inline), scope.file, "that is written inline".to_owned()),
            ("", path) => {
                let file = scope.loader.load(path)?;
                let text = file.text().in_file(&file.path)?;
                (Text::from(text), scope.session.files.id(&file.path), format!("`{}`", file.path))
            }
            _ => return fail("has both a path and a text"),
        };
        let change = placed(Change::parse(&text, entry, file), &shown)?;
        let target = entry.target.as_ref().map(Matcher::new).transpose()?;
        Ok(Self { target, change, file, shown })
    }

    pub(crate) fn apply(self, resources: &mut Resources, session: &Session<'_>) -> Result<()> {
        let fail =
            |reason: &str| Problem::Patch { patch: self.shown.clone(), reason: reason.to_owned() }.fail();
        match (&self.change, &self.target) {
            (Change::Json(patch), Some(target)) => {
                for at in selected(resources, target) {
                    resources.change(at, |resource| {
                        resource.remember_id();
                        resource.add_file(self.file);
                        placed(patch.apply(resource), &self.shown)
                    })?;
                }
                Ok(())
            }
            (Change::Json(_), None) => fail("is a list of JSON operations, which need a `target`"),
            (Change::Strategic(patches), Some(target)) => match patches.as_slice() {
                [] => Ok(()),
                [patch] => self.merge_all(resources, patch, target, session),
                _ => fail("holds several patches, which cannot share one `target`"),
            },
            (Change::Strategic(patches), None) => {
                let schemas = session.schemas.borrow();
                for patch in patches {
                    let at = target_of(patch, resources)?;
                    let merged =
                        resources.change(at, |resource| merge_into(resource, patch.clone(), &schemas));
                    placed(merged, &self.shown)?;
                }
                Ok(())
            }
        }
    }

    fn merge_all(
        &self,
        resources: &mut Resources,
        patch: &Resource,
        target: &Matcher,
        session: &Session<'_>,
    ) -> Result<()> {
        let schemas = session.schemas.borrow();
        for at in selected(resources, target) {
            let patch = fitted(patch, resources.get(at));
            let merged = resources.change(at, |resource| merge_into(resource, patch, &schemas));
            placed(merged, &self.shown)?;
        }
        resources.drop_deleted();
        if patch.may_change_name || patch.may_change_kind { resources.check_unique() } else { Ok(()) }
    }
}

/// Says which patch an error is about, unless it names a file.
fn placed<T>(outcome: Result<T>, shown: &str) -> Result<T> {
    match shown.strip_prefix('`').and_then(|shown| shown.strip_suffix('`')) {
        Some(path) => outcome.in_file(path),
        None => outcome,
    }
}

fn selected(resources: &Resources, target: &Matcher) -> Vec<usize> {
    resources.iter().enumerate().filter(|(_, resource)| target.selects(resource)).map(|(at, _)| at).collect()
}

impl Change {
    /// Finds out which kind of patch a text is.
    fn parse(text: &str, options: &parts::Patch, file: FileId) -> Result<Self> {
        let strategic = read_resources(text);
        let json = JsonPatch::parse(text);
        match (strategic, json) {
            (Ok(nodes), Ok(json)) if !nodes.is_empty() && !json.is_empty() => {
                let reason = "can be read both as a strategic merge patch and as JSON operations".to_owned();
                Problem::Patch { patch: "in `patches`".to_owned(), reason }.fail()
            }
            (Ok(nodes), _) => {
                let patch = |node| {
                    let mut patch = from_file(node, file);
                    patch.may_change_name = options.allow_name_change;
                    patch.may_change_kind = options.allow_kind_change;
                    patch
                };
                Ok(Self::Strategic(nodes.into_iter().map(patch).collect()))
            }
            (Err(_), Ok(json)) => Ok(Self::Json(json)),
            // A list can only be meant as JSON operations.
            (Err(_), Err(json)) if text.trim_start().starts_with(['-', '[']) => Err(json),
            (Err(strategic), Err(_)) => Err(strategic),
        }
    }
}

impl TargetedJsonPatch {
    pub(crate) fn load(scope: &Scope<'_>, patch: &parts::Patch) -> Result<Self> {
        Self::from_parts(scope, patch.target.as_ref(), &patch.path, &patch.text)
    }

    pub(crate) fn from_parts(
        scope: &Scope<'_>,
        target: Option<&parts::Selector>,
        path: &str,
        text: &str,
    ) -> Result<Self> {
        let fail = |reason: &str| {
            Problem::Patch { patch: "in `patchesJson6902`".to_owned(), reason: reason.to_owned() }.fail()
        };
        let Some(target) = target.filter(|target| !target.id.name.is_empty()) else {
            return fail("does not name its target");
        };
        let (operations, file) = match (path, text) {
            ("", "") => return fail("has neither a path nor a text"),
            ("", text) => (JsonPatch::parse(text)?, scope.file),
            (path, "") => {
                let file = scope.loader.load(path)?;
                let operations = file.text().and_then(JsonPatch::parse).in_file(&file.path)?;
                (operations, scope.session.files.id(&file.path))
            }
            _ => return fail("has both a path and a text"),
        };
        if operations.is_empty() {
            return fail("is empty");
        }
        Ok(Self { target: Matcher::new(target)?, operations, file })
    }

    pub(crate) fn apply(self, resources: &mut Resources) -> Result<()> {
        for at in selected(resources, &self.target) {
            resources.change(at, |resource| {
                resource.add_file(self.file);
                self.operations.apply(resource)
            })?;
        }
        Ok(())
    }
}
