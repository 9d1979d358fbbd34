//! `replacements`: values copied from one resource into others.

use super::field_path::{Shape, lookup, visit};
use super::structured;
use crate::accumulate::Scope;
use crate::error::{InFile, Problem, Result};
use crate::id::Id;
use crate::kustomization::fields::{Fields, Strictness};
use crate::kustomization::parts::{self, FieldOptions, ReplacementField, Source};
use crate::resource::{FileId, Resource};
use crate::resources::Resources;
use crate::selector::Matcher;
use crate::yaml::{Dialect, Duplicates, Limits, Node, Scalar, Text, parse_document, split_selecting_path};

/// The field that is meant if none is named.
const DEFAULT_FIELD: &str = "metadata.name";

/// A replacement ready to be made.
#[derive(Debug)]
pub(crate) struct Replacement {
    source: Option<Source>,
    source_value: Option<Text>,
    targets: Option<Vec<Target>>,
    /// Where it is written.
    file: FileId,
}

#[derive(Debug)]
struct Target {
    select: Option<Matcher>,
    reject: Vec<Matcher>,
    /// With what the fields are called in messages.
    fields: Vec<(Text, Vec<String>)>,
    options: FieldOptions,
}

/// Reads the replacements of a kustomization and of the files it names.
pub(crate) fn load(scope: &Scope<'_>, entries: &[ReplacementField]) -> Result<Vec<Replacement>> {
    let mut all = Vec::new();
    for entry in entries {
        if entry.path.is_empty() {
            all.push(Replacement::new(&entry.replacement, scope.file)?);
            continue;
        }
        let file = scope.loader.load(&entry.path)?;
        let id = scope.session.files.id(&file.path);
        for replacement in file.text().and_then(parse_file).in_file(&file.path)? {
            all.push(Replacement::new(&replacement, id)?);
        }
    }
    Ok(all)
}

/// A file holds one replacement or a list of them.
fn parse_file(text: &str) -> Result<Vec<parts::Replacement>> {
    let document = parse_document(text, 1, Dialect::V2, Duplicates::LastWins, Limits::default())?;
    let read = |node: &Node| parts::Replacement::read(Fields::of(node, "", Strictness::Lenient)?);
    match document {
        Some(Node::List(list)) => list.iter().map(read).collect(),
        Some(node @ Node::Map(_)) => Ok(vec![read(&node)?]),
        _ => {
            let reason = "is neither a map nor a list".to_owned();
            Problem::Replacement { reason }.fail()
        }
    }
}

impl Replacement {
    fn new(replacement: &parts::Replacement, file: FileId) -> Result<Self> {
        let targets = replacement.targets.as_ref();
        Ok(Self {
            source: replacement.source.clone(),
            source_value: replacement.source_value.clone(),
            targets: targets
                .map(|targets| targets.iter().map(Target::new).collect::<Result<_>>())
                .transpose()?,
            file,
        })
    }
}

impl Target {
    fn new(target: &parts::Target) -> Result<Self> {
        let paths = if target.field_paths.is_empty() {
            vec![DEFAULT_FIELD.into()]
        } else {
            target.field_paths.clone()
        };
        Ok(Self {
            select: target.select.as_ref().map(Matcher::new).transpose()?,
            reject: target.reject.iter().map(Matcher::new).collect::<Result<_>>()?,
            fields: paths.into_iter().map(|path| (path.clone(), split_selecting_path(&path, '.'))).collect(),
            options: target.options.clone(),
        })
    }

    fn selects(&self, select: &Matcher, resource: &Resource) -> bool {
        select.fits_metadata(resource)
            && !self.reject.iter().any(|reject| reject.has_metadata() && reject.fits_metadata(resource))
            && !self.reject.iter().any(|reject| reject.rejects(ids(resource)))
            && ids(resource).any(|id| select.selects_id(&id))
    }
}

/// The ids a replacement knows: scope does not count, so an object without namespace is in `default`.
fn ids(resource: &Resource) -> impl Iterator<Item = Id<'_>> {
    std::iter::once(Id { cluster_scoped: false, ..resource.id() })
        .chain(resource.previous_ids().map(|id| Id { cluster_scoped: false, ..id }))
}

fn fail<T>(reason: impl Into<String>) -> Result<T> {
    Problem::Replacement { reason: reason.into() }.fail()
}

/// Makes the replacements one after the other.
pub(crate) fn apply_all(resources: &mut Resources, replacements: &[Replacement]) -> Result<()> {
    for replacement in replacements {
        let has_source = replacement.source.is_some() || replacement.source_value.is_some();
        let (true, Some(targets)) = (has_source, &replacement.targets) else {
            return fail("needs a source and at least one target");
        };
        let Origin { mut value, field, mut files } = value_of(replacement, resources)?;
        files.push(replacement.file);
        for target in targets {
            let Some(select) = &target.select else { return fail("has a target that selects nothing") };
            for at in 0..resources.len() {
                if !target.selects(select, resources.get(at)) {
                    continue;
                }
                resources.change(at, |resource| {
                    resource.add_files(&files);
                    copy(&value, resource, target)
                })?;
                // The source may be a target itself, and then what follows takes the new value.
                if let Some((source, path)) = &field
                    && *source == at
                    && let Some(changed) = lookup(&resources.get(at).node, path)?
                {
                    value = changed.clone();
                }
            }
        }
    }
    Ok(())
}

/// A value and where it comes from.
struct Origin {
    value: Node,
    /// Position and path of the field, if the value is all of it.
    field: Option<(usize, Vec<String>)>,
    files: Vec<FileId>,
}

fn value_of(replacement: &Replacement, resources: &Resources) -> Result<Origin> {
    match (&replacement.source, &replacement.source_value) {
        (Some(_), Some(_)) => fail("has both a source and a value"),
        (None, Some(value)) => {
            Ok(Origin { value: Scalar::untagged(value.clone()).into(), field: None, files: Vec::new() })
        }
        (Some(source), None) => {
            let (at, resource) = source_of(source, resources)?;
            let path = if source.field_path.is_empty() { DEFAULT_FIELD } else { &source.field_path };
            let parts = split_selecting_path(path, '.');
            let shown = shows_internals(&parts).then(|| resource.with_internal_annotations());
            let value =
                lookup(&shown.as_ref().unwrap_or(resource).node, &parts)?.filter(|value| !value.is_empty());
            match value {
                Some(value) => Ok(Origin {
                    value: part_of(value, &source.options)?,
                    files: resource.files.clone(),
                    field: source.options.delimiter.is_empty().then_some((at, parts)),
                }),
                None => fail(format!("finds no field `{path}` in its source {}", resource.id())),
            }
        }
        (None, None) => fail("needs a source"),
    }
}

/// Whole metadata or annotations come with what kustomize keeps there during a build.
fn shows_internals(path: &[String]) -> bool {
    matches!(path, [metadata] if metadata == "metadata")
        || matches!(path, [metadata, annotations] if metadata == "metadata" && annotations == "annotations")
}

fn source_of<'r>(source: &Source, resources: &'r Resources) -> Result<(usize, &'r Resource)> {
    let mut matches =
        resources.iter().enumerate().filter(|(_, resource)| ids(resource).any(|id| source.id.selects(&id)));
    match (matches.next(), matches.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => fail(format!("finds no source {}", source.id)),
        _ => fail(format!("finds several sources {}", source.id)),
    }
}

/// The part of the value that the options choose.
fn part_of(value: &Node, options: &FieldOptions) -> Result<Node> {
    if options.delimiter.is_empty() {
        return Ok(value.clone());
    }
    let Node::Scalar(scalar) = value else {
        return fail("splits its source by a delimiter, but it is not a scalar");
    };
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|index| scalar.text.split(options.delimiter.as_str()).nth(index));
    match part {
        Some(part) => Ok(Scalar { text: part.into(), ..scalar.clone() }.into()),
        None => fail(format!("has the index {}, which its source `{}` has not", options.index, scalar.text)),
    }
}

fn copy(value: &Node, resource: &mut Resource, target: &Target) -> Result<()> {
    let make = target.options.create.then(|| Shape::of(value));
    for (shown, path) in &target.fields {
        if structured::set(&mut resource.node, path, value, make)? {
            continue;
        }
        let count = visit(&mut resource.node, path, make, &mut |field| set(field, value, &target.options))?;
        if count == 0 {
            return fail(format!("finds no field `{shown}` in its target {}", resource.id()));
        }
    }
    Ok(())
}

/// Puts the value into a field. A scalar keeps its type: only the text is copied.
fn set(field: &mut Node, value: &Node, options: &FieldOptions) -> Result<()> {
    let mut text = Text::from(value.text());
    if !options.delimiter.is_empty() {
        let Node::Scalar(scalar) = &*field else {
            return fail("splits its target by a delimiter, but it is not a scalar");
        };
        text = with_part(&scalar.text, &text, options).into();
    }
    match (field, value) {
        (Node::Scalar(scalar), _) => scalar.text = text,
        (field, Node::Scalar(value)) => *field = Scalar { text, ..value.clone() }.into(),
        (field, value) => *field = value.clone(),
    }
    Ok(())
}

/// An index before the start puts the part first, one behind the end last.
fn with_part(text: &str, part: &str, options: &FieldOptions) -> String {
    let mut parts: Vec<&str> = text.split(options.delimiter.as_str()).collect();
    match usize::try_from(options.index) {
        Err(_) => parts.insert(0, part),
        Ok(index) if index >= parts.len() => parts.push(part),
        Ok(index) => parts[index] = part,
    }
    parts.join(&options.delimiter)
}
