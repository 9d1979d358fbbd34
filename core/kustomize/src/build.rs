//! The build: from a tree of files to objects.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use crate::accumulate::{Session, accumulate_root};
use crate::error::{Error, Problem, Result};
use crate::loader::{Loader, Reading};
use crate::resource::{FileId, Resource};
use crate::resources::{Resources, is_local_config};
use crate::transform::{self, Transformer, order, origin};
use crate::tree::FileTree;
use crate::yaml::{Text, Value, emit};

/// Which files a kustomization may read, `--load-restrictor` of kustomize.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadRestrictor {
    /// Files below the directory of the kustomization that names them (`LoadRestrictionsRootOnly`).
    #[default]
    RootOnly,
    /// Any file of the tree (`LoadRestrictionsNone`).
    None,
}

/// The order of the output, `--reorder` of kustomize. The `sortOptions` of the root kustomization win over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reorder {
    /// Namespaces and other things that are needed first come first, webhooks last (`legacy`).
    #[default]
    Legacy,
    /// The order in which resources are listed (`none`).
    None,
}

/// What a build may do and how it prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Which files may be read.
    pub load_restrictor: LoadRestrictor,
    /// The order of the output.
    pub reorder: Reorder,
}

impl Options {
    /// The same with another load restrictor.
    pub fn with_load_restrictor(mut self, load_restrictor: LoadRestrictor) -> Self {
        self.load_restrictor = load_restrictor;
        self
    }

    /// The same with another order.
    pub fn with_reorder(mut self, reorder: Reorder) -> Self {
        self.reorder = reorder;
        self
    }
}

/// What a build made.
#[derive(Clone, Debug)]
pub struct Build {
    /// The objects in the order of the output.
    pub objects: Vec<Object>,
    /// Every file that was looked at, as paths in the tree.
    pub files: BTreeSet<String>,
}

impl Build {
    /// What `kustomize build` prints, byte for byte.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for (at, object) in self.objects.iter().enumerate() {
            if at > 0 {
                out.push_str("---\n");
            }
            emit(&object.value, &mut out);
        }
        out
    }
}

/// One object of the output.
#[derive(Clone, Debug)]
pub struct Object {
    value: Value,
    files: BTreeSet<String>,
}

impl Object {
    /// `apiVersion`, such as `apps/v1`.
    pub fn api_version(&self) -> &str {
        self.text(&["apiVersion"]).unwrap_or_default()
    }

    /// `kind`, such as `Deployment`.
    pub fn kind(&self) -> &str {
        self.text(&["kind"]).unwrap_or_default()
    }

    /// `metadata.namespace`, if it has one.
    pub fn namespace(&self) -> Option<&str> {
        self.text(&["metadata", "namespace"])
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text(&["metadata", "name"]).unwrap_or_default()
    }

    /// `metadata.labels`; values that are not strings are left out.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = match self.at(&["metadata", "labels"]) {
            Some(Value::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        labels.iter().filter_map(|(key, value)| match value {
            Value::String(text) => Some((key.as_str(), text.as_str())),
            _ => None,
        })
    }

    /// The files that made this object: where it is written, what patched or generated it, and the
    /// kustomizations it went through.
    pub fn files(&self) -> &BTreeSet<String> {
        &self.files
    }

    /// The object as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::Value::from(&self.value)
    }

    /// The object as YAML, as it stands in the output.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        emit(&self.value, &mut out);
        out
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.value, |value, key| match value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        })
    }

    fn text(&self, path: &[&str]) -> Option<&str> {
        match self.at(path) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// Renders the kustomization in the directory `target` of `tree`.
///
/// ```
/// use windlass_kustomize::{MemoryTree, Options, build};
///
/// let mut tree = MemoryTree::default();
/// tree.insert("kustomization.yaml", "namePrefix: dev-\nresources: [map.yaml]\n");
/// tree.insert("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n");
/// let build = build(&tree, "", &Options::default()).unwrap();
/// assert_eq!(build.objects[0].name(), "dev-settings");
/// ```
///
/// # Errors
///
/// If a file is missing or malformed, if `kustomize build` would fail, or if the kustomization asks for something
/// this renderer refuses. The error knows which files had been looked at.
pub fn build(tree: &dyn FileTree, target: &str, options: &Options) -> Result<Build, Error> {
    let reading = Reading::new(tree, options.load_restrictor);
    let table = FileTable::default();
    let objects = render(&reading, &table, target, *options);
    let files = reading.into_files();
    match objects {
        Ok(objects) => Ok(Build { objects, files }),
        Err(fault) => Err(Error::new(*fault, files)),
    }
}

fn render(reading: &Reading<'_>, table: &FileTable, target: &str, options: Options) -> Result<Vec<Object>> {
    let loader = Loader::at(reading, target)?;
    let session = Session::new(table);
    let (mut accumulated, root) = accumulate_root(&session, &loader)?;
    let resources = &mut accumulated.resources;
    Transformer::Hash.apply(resources, &session)?;
    transform::name_reference::update(resources, &accumulated.config.name_reference)?;
    transform::vars::resolve(resources, &accumulated.vars, &accumulated.config.var_reference)?;
    resources.retain(|resource| !is_local_config(resource));
    match (&root.sort_options, options.reorder) {
        (Some(sort), _) => order::apply(resources, sort)?,
        (None, Reorder::Legacy) => order::sort_legacy(resources)?,
        (None, Reorder::None) => {}
    }
    if root.has_build_metadata("managedByLabel") {
        transform::labels::add_managed_by(resources)?;
    }
    origin::finish(resources, &root);
    let resources = std::mem::take(resources).into_vec();
    resources.into_iter().map(|resource| finished(&resource, table)).collect()
}

fn finished(resource: &Resource, table: &FileTable) -> Result<Object> {
    let value = Value::from_node(&resource.node)
        .map_err(|source| Problem::Unprintable { object: resource.id().to_string(), source })?;
    Ok(Object { value, files: table.names(&resource.files) })
}

/// The files of a build by number, so that resources can name many of them cheaply.
#[derive(Debug, Default)]
pub(crate) struct FileTable {
    inner: RefCell<(Vec<Text>, HashMap<Text, FileId>)>,
}

impl FileTable {
    pub(crate) fn id(&self, path: &str) -> FileId {
        let mut inner = self.inner.borrow_mut();
        let (names, ids) = &mut *inner;
        if let Some(&id) = ids.get(path) {
            return id;
        }
        let id = FileId::try_from(names.len()).expect("a build reads fewer than four billion files");
        names.push(path.into());
        ids.insert(path.into(), id);
        id
    }

    fn names(&self, ids: &[FileId]) -> BTreeSet<String> {
        let inner = self.inner.borrow();
        ids.iter().map(|&id| inner.0[id as usize].to_string()).collect()
    }
}

impl Resources {
    /// Adds a file to those that made each of these resources.
    pub(crate) fn add_file(&mut self, file: FileId) {
        for resource in self.all_mut() {
            resource.add_file(file);
        }
    }
}
