//! Fields named by path, in objects selected by kind: the operands of most transformations.

use std::cmp::Ordering;

use crate::error::{Problem, Result};
use crate::id::{Gvk, split_api_version};
use crate::yaml::{Node, Scalar, Tag, Text, split_path};

/// A field of the objects of some kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    /// As written, with `/` between the names; lists on the way are not mentioned.
    pub(crate) path: Text,
    /// Makes the field if it is missing.
    pub(crate) create: bool,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    name: Text,
    /// Written `name[]`: a list, never made.
    list: bool,
}

/// The objects whose name some fields hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameReference {
    pub(crate) target: Gvk,
    pub(crate) referrers: Vec<FieldSpec>,
}

/// What stands at the end of a path that has to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// Paths are never made.
    Nothing,
    Scalar,
    Map,
}

impl FieldSpec {
    pub(crate) fn of(group: &str, version: &str, kind: &str, path: &str, create: bool) -> Self {
        let gvk = Gvk { group: group.into(), version: version.into(), kind: kind.into() };
        Self::new(gvk, path, create)
    }

    pub(crate) fn new(gvk: Gvk, path: &str, create: bool) -> Self {
        let segment = |part: String| match part.strip_suffix("[]") {
            Some(name) => Segment { name: name.into(), list: true },
            None => Segment { name: part.into(), list: false },
        };
        let segments = split_path(path, '/').into_iter().map(segment).collect();
        Self { gvk, path: path.into(), create, segments }
    }

    /// True if this spec is for the object.
    pub(crate) fn selects(&self, object: &Node) -> bool {
        let text = |field| object.get(field).map_or("", Node::text);
        let (group, version) = split_api_version(text("apiVersion"));
        self.gvk.selects(group, version, text("kind"))
    }

    /// Calls `change` for every node at the path, in every element of the lists on the way.
    ///
    /// # Errors
    ///
    /// If the path leads through a scalar, or from `change`.
    pub(crate) fn visit(
        &self,
        object: &mut Node,
        make: Make,
        change: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        if !self.selects(object) {
            return Ok(());
        }
        let make = if self.create { make } else { Make::Nothing };
        Walk { spec: self, make }.go(object, &self.segments, change)
    }

    /// The same without making anything and for objects of any kind, as references are updated.
    pub(crate) fn visit_any(
        &self,
        object: &mut Node,
        change: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        Walk { spec: self, make: Make::Nothing }.go(object, &self.segments, change)
    }

    /// False if the path certainly leads nowhere in this object.
    pub(crate) fn is_present(&self, object: &Node) -> bool {
        fn leads(node: &Node, path: &[Segment]) -> bool {
            match (path, node) {
                ([], _) => true,
                (_, Node::List(items)) => items.iter().any(|item| leads(item, path)),
                ([first, rest @ ..], Node::Map(map)) => {
                    map.get(&first.name).is_some_and(|field| leads(field, rest))
                }
                // Visiting it is an error, which must not be lost; null is none.
                (_, Node::Scalar(_)) => !node.is_null(),
            }
        }
        leads(object, &self.segments)
    }

    fn is_same_field(&self, other: &Self) -> bool {
        self.gvk.selects_gvk_of(&other.gvk) && self.path == other.path
    }
}

impl Gvk {
    /// Whether `self`, as an object, is selected by `selector`; the way kustomize compares two specs.
    fn selects_gvk_of(&self, selector: &Self) -> bool {
        selector.selects_gvk(self)
    }
}

struct Walk<'a> {
    spec: &'a FieldSpec,
    make: Make,
}

impl Walk<'_> {
    fn go(
        &self,
        node: &mut Node,
        path: &[Segment],
        change: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        let Some((segment, rest)) = path.split_first() else { return change(node) };
        match node {
            _ if node.is_null() => Ok(()),
            Node::List(items) => items.iter_mut().try_for_each(|item| self.go(item, path, change)),
            Node::Map(map) => {
                let make = match (self.make, segment.list) {
                    (Make::Nothing, _) | (_, true) => Make::Nothing,
                    (make, false) if rest.is_empty() => make,
                    _ => Make::Map,
                };
                let field = match make {
                    Make::Nothing => map.get_mut(&segment.name),
                    Make::Scalar => Some(map.get_or_insert(&segment.name, || Scalar::untagged("").into())),
                    Make::Map => Some(map.get_or_insert(&segment.name, Node::empty_map)),
                };
                let Some(field) = field else { return Ok(()) };
                revive(field, make, segment.list, rest.is_empty());
                self.go(field, rest, change)
            }
            Node::Scalar(_) => Problem::InvalidField {
                field: self.spec.path.to_string(),
                reason: "leads through a value that is neither a map nor a list".to_owned(),
            }
            .at_line(node.line()),
        }
    }
}

/// A null on the way becomes what the path needs there.
fn revive(field: &mut Node, make: Make, is_list: bool, ends: bool) {
    if !field.is_null() {
        return;
    }
    match make {
        Make::Map => *field = Node::empty_map(),
        Make::Scalar if ends => {
            if let Node::Scalar(scalar) = field {
                scalar.tag = Tag::None;
            }
        }
        _ if is_list => *field = Node::List(Vec::new()),
        _ => {}
    }
}

/// Adds the specs that are not there yet.
///
/// # Errors
///
/// If one is there with another `create`.
pub(crate) fn merge_specs(into: &mut Vec<FieldSpec>, incoming: &[FieldSpec]) -> Result<()> {
    for spec in incoming {
        match into.iter().find(|known| known.is_same_field(spec)) {
            None => into.push(spec.clone()),
            Some(known) if known.create == spec.create => {}
            Some(_) => {
                let reason = "is configured twice, with and without `create`".to_owned();
                return Problem::InvalidField { field: spec.path.to_string(), reason }.fail();
            }
        }
    }
    Ok(())
}

/// The order specs are applied in: kinds that others depend on first.
pub(crate) fn compare_gvks(left: &Gvk, right: &Gvk) -> Ordering {
    let text = |gvk: &Gvk| {
        let or = |text: &Text, none: &str| if text.is_empty() { none.to_owned() } else { text.to_string() };
        format!("{}_{}_{}", or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K"))
    };
    crate::transform::order::rank(&left.kind)
        .cmp(&crate::transform::order::rank(&right.kind))
        .then_with(|| text(left).cmp(&text(right)))
}
