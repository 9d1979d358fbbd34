//! What every lint is given: the files, the policy, and the rendered overlays.

use windlass_core::policy::control::DeployControl;
use windlass_core::policy::problem::Problems;
use windlass_kustomize::Object;

use super::Repository;
use super::files::{Files, SourceFile, is_kustomization};
use super::manifest::{self, Step};
use super::overlays::{Folder, Overlay};
use super::yaml::{Entry, Node};
use crate::plugins::ClusterFinding;

/// The repository, read and rendered.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) repository: &'a Repository<'a>,
    pub(super) files: &'a Files,
    /// Where the policy is, whether or not there is one.
    pub(super) policy_path: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) overlays: Vec<Overlay<'a>>,
    /// What providers find in the files that describe clusters, with the path of each.
    pub(super) clusters: Vec<(&'a str, ClusterFinding)>,
}

/// deploy-control.yaml, as far as it can be read.
#[derive(Debug)]
pub(super) enum Policy {
    Read(Box<DeployControl>),
    Wrong(Problems),
    /// Not text, or too large.
    Unreadable,
    Missing,
}

impl Policy {
    pub(super) fn of(path: &str, file: Option<&SourceFile>) -> Self {
        match file.map(|file| file.text.as_deref()) {
            None => Self::Missing,
            Some(None) => Self::Unreadable,
            Some(Some(text)) => match DeployControl::parse(path, text) {
                Ok(control) => Self::Read(Box::new(control)),
                Err(problems) => Self::Wrong(problems),
            },
        }
    }

    pub(super) fn control(&self) -> Option<&DeployControl> {
        match self {
            Self::Read(control) => Some(control),
            _ => None,
        }
    }
}

/// A place in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot<'a> {
    pub(super) file: &'a str,
    pub(super) line: Option<usize>,
}

/// A rendered object and the overlay that it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rendered<'a> {
    pub(super) overlay: &'a Overlay<'a>,
    pub(super) folder: &'a Folder,
    pub(super) object: &'a Object,
}

impl Rendered<'_> {
    /// `Kind/name`, as in a message.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.object.kind(), self.object.name())
    }

    /// The service that owns it: the label `app.kubernetes.io/name`, else `app`.
    pub(super) fn service(&self) -> Option<(&str, &str)> {
        ["app.kubernetes.io/name", "app"]
            .iter()
            .find_map(|label| self.object.labels().find(|(key, _)| key == label))
    }
}

impl<'a> Context<'a> {
    /// The overlays that render.
    pub(super) fn folders(&self) -> impl Iterator<Item = (&Overlay<'a>, &Folder)> {
        self.overlays.iter().filter_map(|overlay| Some((overlay, overlay.folder()?)))
    }

    /// Every object of every overlay that renders.
    pub(super) fn objects(&self) -> impl Iterator<Item = Rendered<'_>> {
        self.folders().flat_map(|(overlay, folder)| {
            let objects = folder.build.iter().flat_map(|build| &build.objects);
            objects.map(move |object| Rendered { overlay, folder, object })
        })
    }

    /// Where the sources state a value of a rendered object.
    ///
    /// Of the files that made the object, the one that goes furthest along the path wins: where the value itself is stated, the last, because
    /// a patch overrides; where nothing states it, the first, because there the object is written. A generated object is its kustomization's.
    pub(super) fn locate<'s>(&'s self, rendered: Rendered<'s>, path: &[Step<'_>]) -> Spot<'s> {
        self.spot_of(rendered.object, path)
            .unwrap_or(Spot { file: &rendered.folder.kustomization, line: Some(1) })
    }

    fn spot_of<'s>(&'s self, object: &Object, path: &[Step<'_>]) -> Option<Spot<'s>> {
        let mut best: Option<(usize, Spot<'s>)> = None;
        for file in self.sources(object) {
            for document in file.documents().iter().filter(|document| is_source(document, object)) {
                let (depth, line) = follow(document, path);
                let is_better = match &best {
                    None => true,
                    Some((best, _)) => depth > *best || (depth == *best && depth == path.len()),
                };
                if is_better {
                    best = Some((depth, Spot { file: &file.path, line: Some(line) }));
                }
            }
        }
        best.map(|(_, spot)| spot)
    }

    /// The files that made an object, without the kustomizations that it went through.
    pub(super) fn sources(&self, object: &Object) -> impl Iterator<Item = &SourceFile> {
        object.files().iter().filter(|path| !is_kustomization(path)).filter_map(|path| self.files.get(path))
    }
}

impl Overlay<'_> {
    /// The folder, if there is exactly one and it renders.
    pub(super) fn folder(&self) -> Option<&Folder> {
        match &self.found {
            super::overlays::Found::Folder(folder) if folder.build.is_ok() => Some(folder),
            _ => None,
        }
    }
}

/// Whether a document may be what an object was made from: names may have got a prefix or suffix on the way.
fn is_source(document: &Node, object: &Object) -> bool {
    let name = document.text_at(&["metadata", "name"]);
    manifest::kind(document) == Some(object.kind()) && name.is_some_and(|name| object.name().contains(name))
}

/// How many steps of a path a document goes along, and the line it gets to.
fn follow(document: &Node, path: &[Step<'_>]) -> (usize, usize) {
    let (mut node, mut line) = (document, document.line);
    for (depth, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) => {
                let Some(Entry { line: at, value, .. }) = node.entry(key) else { return (depth, line) };
                (node, line) = (value, *at);
            }
            Step::Named(name) => {
                let item = node.items().iter().find(|item| item.text_at(&["name"]) == Some(name));
                let Some(item) = item else { return (depth, line) };
                (node, line) = (item, item.line);
            }
        }
    }
    (path.len(), line)
}
