//! Where files come from: a directory, or a tree in memory such as a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// A path with all links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Clean path relative to the root of the tree; empty for the root itself.
    pub path: String,
    /// What is there.
    pub kind: EntryKind,
}

/// Read access to files by path.
///
/// # Contract
///
/// Paths are relative to the root of the tree, with `/` between parts, without empty, `.` or `..` parts; the
/// empty path is the root. A tree never leads outside of its root, not even by a link.
pub trait FileTree: fmt::Debug {
    /// Follows links and says what is at `path`; `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// If the path cannot be examined or a link leads outside of the tree.
    fn locate(&self, path: &str) -> io::Result<Option<Place>>;

    /// The bytes of the file at a path that [`locate`](Self::locate) has returned.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// Files below a directory of the file system.
///
/// Links are followed as long as they stay below it.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Opens `root`, following links in its own path.
    ///
    /// # Errors
    ///
    /// If there is no such directory.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Self> {
        let root = root.as_ref().canonicalize()?;
        if root.is_dir() { Ok(Self { root }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }
}

impl FileTree for Directory {
    fn locate(&self, path: &str) -> io::Result<Option<Place>> {
        let real = match self.root.join(path).canonicalize() {
            Ok(real) => real,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let inside = real.strip_prefix(&self.root).map_err(|_| leads_outside())?;
        let path = inside.to_str().ok_or_else(|| io::Error::other("the path is not valid UTF-8"))?.to_owned();
        let kind = if real.is_dir() { EntryKind::Directory } else { EntryKind::File };
        Ok(Some(Place { path, kind }))
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.root.join(path))
    }
}

fn leads_outside() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the path leads outside of the tree")
}

/// Files in memory, for example those of a commit.
///
/// ```
/// use windlass_kustomize::{FileTree, MemoryTree};
///
/// let mut tree = MemoryTree::default();
/// tree.insert("base/kustomization.yaml", "namePrefix: a-\n");
/// assert!(tree.locate("base").unwrap().is_some());
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    entries: BTreeMap<String, MemoryEntry>,
    directories: BTreeSet<String>,
}

#[derive(Clone, Debug)]
enum MemoryEntry {
    File(Arc<[u8]>),
    Link(String),
}

impl MemoryTree {
    /// Adds or replaces the file at `path`, which is relative and clean.
    pub fn insert(&mut self, path: impl Into<String>, content: impl AsRef<[u8]>) {
        self.add(path.into(), MemoryEntry::File(content.as_ref().into()));
    }

    /// Adds or replaces a symbolic link at `path`, whose `target` is relative to the directory of the link.
    pub fn insert_link(&mut self, path: impl Into<String>, target: impl Into<String>) {
        self.add(path.into(), MemoryEntry::Link(target.into()));
    }

    fn add(&mut self, path: String, entry: MemoryEntry) {
        for (at, _) in path.match_indices('/') {
            self.directories.insert(path[..at].to_owned());
        }
        self.entries.insert(path, entry);
    }

    /// Replaces the first part of `path` that is a link by what it points to.
    fn follow_one(&self, path: &str) -> io::Result<Option<String>> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let Some(MemoryEntry::Link(target)) = self.entries.get(&path[..end]) else { continue };
            let beside = join_clean(parent(&path[..end]), target).ok_or_else(leads_outside)?;
            let rest = path[end..].trim_start_matches('/');
            return join_clean(&beside, rest).ok_or_else(leads_outside).map(Some);
        }
        Ok(None)
    }
}

impl FileTree for MemoryTree {
    fn locate(&self, path: &str) -> io::Result<Option<Place>> {
        /// As many as Linux follows.
        const MOST_LINKS: usize = 40;
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            match self.follow_one(&path)? {
                Some(followed) => path = followed,
                None => break,
            }
        }
        let kind = match self.entries.get(&path) {
            Some(MemoryEntry::File(_)) => EntryKind::File,
            Some(MemoryEntry::Link(_)) => return Err(io::Error::other("too many levels of symbolic links")),
            None if path.is_empty() || self.directories.contains(&path) => EntryKind::Directory,
            None => return Ok(None),
        };
        Ok(Some(Place { path, kind }))
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.entries.get(path) {
            Some(MemoryEntry::File(content)) => Ok(content.to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// The directory part of a path; empty for the root.
pub(crate) fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

/// `base` joined with a relative `path`, cleaned of `.` and `..`; `None` if it leaves the root.
pub(crate) fn join_clean(base: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    if path.starts_with('/') {
        return None;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> MemoryTree {
        let mut tree = MemoryTree::default();
        tree.insert("a/b/file", "content");
        tree.insert_link("link", "a/b");
        tree.insert_link("a/up", "../a/b/file");
        tree.insert_link("out", "../../etc");
        tree.insert_link("loop", "loop");
        tree
    }

    fn check(path: &str, expected: Option<(&str, EntryKind)>) {
        let place = tree().locate(path).unwrap();
        assert_eq!(place.as_ref().map(|place| (place.path.as_str(), place.kind)), expected, "{path}");
    }

    #[test]
    fn links_are_followed_in_memory() {
        check("", Some(("", EntryKind::Directory)));
        check("a", Some(("a", EntryKind::Directory)));
        check("link/file", Some(("a/b/file", EntryKind::File)));
        check("a/up", Some(("a/b/file", EntryKind::File)));
        check("a/none", None);
    }

    #[test]
    fn links_never_lead_outside() {
        assert!(tree().locate("out/passwd").is_err());
        assert!(tree().locate("loop").is_err());
    }

    #[test]
    fn paths_are_cleaned() {
        assert_eq!(join_clean("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(join_clean("a", "../..").as_deref(), None);
        assert_eq!(join_clean("", "/etc").as_deref(), None);
    }
}
