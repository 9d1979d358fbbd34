//! One resource on its way through a build: its tree, and what kustomize remembers about it.

use std::collections::BTreeMap;

use crate::error::{Problem, Result};
use crate::id::{Id, NO_NAMESPACE, PreviousId};
use crate::yaml::{Limits, Map, Node, Scalar, Text, Value, parse_documents};

/// Number of a file in the table of the build.
pub(crate) type FileId = u32;

/// What a generated resource does with one of the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// There must be none.
    #[default]
    Create,
    /// Takes its place.
    Replace,
    /// Adds its data to it.
    Merge,
}

/// A resource and its history.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// The object; an empty map once it is deleted.
    pub(crate) node: Node,
    /// Ids before each change of name, namespace or kind, oldest first.
    pub(crate) previous: Vec<PreviousId>,
    pub(crate) prefixes: Vec<Text>,
    pub(crate) suffixes: Vec<Text>,
    pub(crate) behavior: Behavior,
    /// The hash of its content becomes part of its name.
    pub(crate) needs_hash: bool,
    /// What its generator says about others of the same id; nothing if it was not generated.
    pub(crate) written_behavior: Option<Text>,
    /// As a patch: it may change name or kind of its target.
    pub(crate) may_change_name: bool,
    pub(crate) may_change_kind: bool,
    /// Names of the vars that take their value from here.
    pub(crate) vars: Vec<Text>,
    /// The files that made it.
    pub(crate) files: Vec<FileId>,
}

impl Resource {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: Behavior::Create,
            needs_hash: false,
            written_behavior: None,
            may_change_name: false,
            may_change_kind: false,
            vars: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.node.is_empty()
    }

    pub(crate) fn kind(&self) -> &str {
        self.node.get("kind").map_or("", Node::text)
    }

    pub(crate) fn api_version(&self) -> &str {
        self.node.get("apiVersion").map_or("", Node::text)
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata_text("name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.metadata_text("namespace")
    }

    fn metadata_text(&self, field: &str) -> &str {
        self.node.at(&["metadata", field]).filter(|value| !value.is_null()).map_or("", Node::text)
    }

    /// Its id now.
    pub(crate) fn id(&self) -> Id<'_> {
        Id::current(self.api_version(), self.kind(), self.namespace(), self.name())
    }

    /// Its ids before, oldest first. They share group and version with the current one.
    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = Id<'_>> {
        let (group, version) = crate::id::split_api_version(self.api_version());
        self.previous.iter().map(move |previous| Id {
            group,
            version,
            kind: &previous.kind,
            name: &previous.name,
            namespace: &previous.namespace,
            cluster_scoped: previous.namespace == NO_NAMESPACE,
        })
    }

    /// The oldest id.
    pub(crate) fn original_id(&self) -> Id<'_> {
        self.previous_ids().next().unwrap_or_else(|| self.id())
    }

    /// Every id it has had, the current one last.
    pub(crate) fn any_ids(&self) -> impl Iterator<Item = Id<'_>> {
        self.previous_ids().chain([self.id()])
    }

    /// Keeps the current id as a previous one, because it is about to change.
    pub(crate) fn remember_id(&mut self) {
        let id = self.id();
        let previous = PreviousId {
            kind: id.kind.into(),
            name: id.name.into(),
            namespace: id.effective_namespace().into(),
        };
        self.previous.push(previous);
    }

    /// The map at `metadata`, made if missing.
    pub(crate) fn metadata_mut(&mut self) -> &mut Map {
        let root = map_of(&mut self.node);
        map_of(root.get_or_insert("metadata", Node::empty_map))
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.metadata_mut().set("name", Scalar::untagged(name));
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        map_of(&mut self.node).set("kind", Scalar::untagged(kind));
    }

    pub(crate) fn set_api_version(&mut self, api_version: &str) {
        map_of(&mut self.node).set("apiVersion", Scalar::untagged(api_version));
    }

    /// Sets the namespace; an empty one removes the field.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            if let Some(metadata) = self.node.get_mut("metadata").and_then(Node::as_map_mut) {
                metadata.remove("namespace");
            }
        } else {
            self.metadata_mut().set("namespace", Scalar::untagged(namespace));
        }
    }

    pub(crate) fn labels(&self) -> BTreeMap<Text, Text> {
        self.texts("labels")
    }

    pub(crate) fn annotations(&self) -> BTreeMap<Text, Text> {
        self.texts("annotations")
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        Some(self.node.at(&["metadata", "annotations"])?.get(key)?.text())
    }

    fn texts(&self, field: &str) -> BTreeMap<Text, Text> {
        texts_of(self.node.at(&["metadata", field]))
    }

    /// Writes all values as strings; an empty map removes the field.
    pub(crate) fn set_labels(&mut self, labels: &BTreeMap<Text, Text>) {
        set_texts(self.metadata_mut(), "labels", labels);
    }

    /// Writes all values as strings; an empty map removes the field.
    pub(crate) fn set_annotations(&mut self, annotations: &BTreeMap<Text, Text>) {
        set_texts(self.metadata_mut(), "annotations", annotations);
    }

    /// The annotations in which kustomize keeps what this struct keeps in fields.
    ///
    /// They show where a user's paths lead to annotations while a build is under way.
    pub(crate) fn internal_annotations(&self) -> BTreeMap<Text, Text> {
        const DOMAIN: &str = "internal.config.kubernetes.io";
        let mut annotations = BTreeMap::new();
        let mut add = |name: &str, value: String| {
            if !value.is_empty() {
                annotations.insert(Text::from(format!("{DOMAIN}/{name}")), Text::from(value));
            }
        };
        let previous = |part: fn(&PreviousId) -> &Text| {
            self.previous.iter().map(|previous| part(previous).as_str()).collect::<Vec<_>>().join(",")
        };
        add("previousNames", previous(|id| &id.name));
        add("previousNamespaces", previous(|id| &id.namespace));
        add("previousKinds", previous(|id| &id.kind));
        add("prefixes", self.prefixes.join(","));
        add("suffixes", self.suffixes.join(","));
        if let Some(behavior) = &self.written_behavior {
            add("generatorBehavior", behavior.to_string());
        }
        if self.needs_hash {
            add("needsHashSuffix", "enabled".to_owned());
        }
        annotations
    }

    /// The object as kustomize has it at this point, with its internal annotations.
    pub(crate) fn with_internal_annotations(&self) -> Self {
        let mut shown = self.clone();
        let mut annotations = self.annotations();
        annotations.extend(self.internal_annotations());
        shown.set_annotations(&annotations);
        shown
    }

    /// Adds a file to those that made this resource.
    pub(crate) fn add_file(&mut self, file: FileId) {
        if !self.files.contains(&file) {
            self.files.push(file);
        }
    }

    pub(crate) fn add_files(&mut self, files: &[FileId]) {
        for &file in files {
            self.add_file(file);
        }
    }

    /// Takes identity, labels and annotations from `other`; own labels and annotations win.
    pub(crate) fn take_metadata_from(&mut self, other: &Self) {
        let mut labels = other.labels();
        labels.extend(self.labels());
        self.set_labels(&labels);
        let mut annotations = other.annotations();
        annotations.extend(self.annotations());
        self.set_annotations(&annotations);
        self.set_name(other.name());
        self.set_namespace(other.namespace());
        self.previous.clone_from(&other.previous);
        self.prefixes.clone_from(&other.prefixes);
        self.suffixes.clone_from(&other.suffixes);
        self.behavior = other.behavior;
        self.written_behavior.clone_from(&other.written_behavior);
        self.needs_hash &= other.needs_hash;
        self.may_change_name = other.may_change_name;
        self.may_change_kind = other.may_change_kind;
        self.vars.clone_from(&other.vars);
        self.add_files(&other.files);
    }

    /// True if prefixes and suffixes end alike; with `empty_fits`, having none fits everything.
    pub(crate) fn shares_context_with(&self, other: &Self, empty_fits: bool) -> bool {
        let fits = |own: &[Text], other: &[Text]| {
            if own.is_empty() || other.is_empty() {
                return empty_fits || own.len() == other.len();
            }
            own.iter().rev().zip(other.iter().rev()).all(|(own, other)| own == other)
        };
        fits(&self.prefixes, &other.prefixes) && fits(&self.suffixes, &other.suffixes)
    }
}

/// The node as a map; what is no map becomes an empty one.
pub(crate) fn map_of(node: &mut Node) -> &mut Map {
    if node.as_map().is_none() {
        *node = Node::empty_map();
    }
    node.as_map_mut().expect("it is a map now")
}

/// Keys and texts of a map of scalars.
pub(crate) fn texts_of(node: Option<&Node>) -> BTreeMap<Text, Text> {
    let entries = node.and_then(Node::as_map).map_or(&[][..], |map| &map.entries);
    let pair = |entry: &crate::yaml::Entry| {
        let text = entry.value.as_scalar().map(|scalar| scalar.text.clone()).unwrap_or_default();
        (entry.key.text.clone(), text)
    };
    entries.iter().map(pair).collect()
}

pub(crate) fn set_texts(map: &mut Map, field: &str, texts: &BTreeMap<Text, Text>) {
    map.remove(field);
    if texts.is_empty() {
        return;
    }
    let mut values = Map::default();
    for (key, text) in texts {
        values.set(key, Scalar::string(text.clone()));
    }
    map.push(Scalar::untagged(field), values.into());
}

/// Reads the resources of a YAML text: lists are unpacked, empty documents skipped.
///
/// # Errors
///
/// If the YAML is malformed or a document has no kind or name.
pub(crate) fn read_resources(text: &str) -> Result<Vec<Node>> {
    let documents = parse_documents(text, Limits::default())?;
    let documents = unpack_single_list(documents);
    let mut queue: std::collections::VecDeque<Node> = checked(documents)?.into();
    let mut resources = Vec::new();
    while let Some(node) = queue.pop_front() {
        let kind = node.get("kind").map_or("", Node::text);
        match node.get("items") {
            Some(items) if kind.ends_with("List") => queue.extend(checked(unpack_items(items, &node)?)?),
            _ => resources.push(node),
        }
    }
    Ok(resources)
}

/// A file that holds only a `List` stands for its items.
fn unpack_single_list(mut documents: Vec<Node>) -> Vec<Node> {
    let [only] = documents.as_mut_slice() else { return documents };
    if !matches!(only.get("kind").map_or("", Node::text), "List" | "ResourceList") {
        return documents;
    }
    match only.as_map_mut().and_then(|map| map.remove("items")) {
        Some(Node::List(items)) => items,
        Some(_) => Vec::new(),
        None => documents,
    }
}

fn unpack_items(items: &Node, list: &Node) -> Result<Vec<Node>> {
    match items {
        Node::List(items) => items.iter().map(|item| normalised(item, list)).collect(),
        other if other.is_null() => Ok(Vec::new()),
        other => {
            let reason = format!("`items` must be a list, found {}", other.kind());
            Problem::NotAResource { reason }.at_line(other.line())
        }
    }
}

/// Kustomize sends the items of a list through JSON.
fn normalised(item: &Node, list: &Node) -> Result<Node> {
    let value = Value::from_node(item).map_err(|source| {
        let object = format!("an item of {}", list.get("kind").map_or("a list", Node::text));
        Problem::Unprintable { object, source }
    })?;
    Ok(value.to_exact_node())
}

fn checked(documents: Vec<Node>) -> Result<Vec<Node>> {
    let documents: Vec<Node> = documents.into_iter().filter(|node| !node.is_empty()).collect();
    for node in &documents {
        check_metadata(node)?;
    }
    Ok(documents)
}

/// A resource has a kind and, unless it is a list, a name.
pub(crate) fn check_metadata(node: &Node) -> Result<()> {
    let fail = |reason: String| Problem::NotAResource { reason }.at_line(node.line());
    if node.as_map().is_none() {
        return fail(format!("it must be a map, found {}", node.kind()));
    }
    let text = |node: Option<&Node>| node.filter(|node| !node.is_null()).map_or("", Node::text).to_owned();
    let kind = text(node.get("kind"));
    if kind.is_empty() {
        return fail("`kind` is missing".to_owned());
    }
    if !kind.ends_with("List") && text(node.at(&["metadata", "name"])).is_empty() {
        return fail(format!("`metadata.name` of the {kind} is missing"));
    }
    Ok(())
}
