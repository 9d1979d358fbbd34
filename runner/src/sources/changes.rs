//! Which files differ between two states of a repository.

use std::collections::BTreeMap;

use gix::ObjectId;

/// A file that differs between two states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ChangedFile {
    /// The path inside of the repository. Bytes that are no UTF-8 are shown as `\u{fffd}`.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content, its mode or, for a submodule, its commit differs.
    Modified,
    /// It is gone.
    Deleted,
}

/// The files of a state by path, with the id that Git gives to their content: one way to name content for both kinds of source.
pub(super) type Contents = BTreeMap<String, ObjectId>;

/// What changed from `before` to `after`, in the order of the paths.
pub(super) fn between(before: &Contents, after: &Contents) -> Vec<ChangedFile> {
    let gone =
        before.keys().filter(|path| !after.contains_key(*path)).map(|path| (path, ChangeKind::Deleted));
    let here = after.iter().filter_map(|(path, id)| match before.get(path) {
        None => Some((path, ChangeKind::Added)),
        Some(old) if old != id => Some((path, ChangeKind::Modified)),
        Some(_) => None,
    });
    let mut changed: Vec<_> =
        gone.chain(here).map(|(path, kind)| ChangedFile { path: path.clone(), kind }).collect();
    changed.sort();
    changed
}
