//! Finds and reads the files a kustomization names, within what it may read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::build::LoadRestrictor;
use crate::error::{Problem, Result};
use crate::tree::{EntryKind, FileTree, Place, join_clean, parent};

/// Largest file that is read, so that a hostile tree cannot exhaust memory.
const LARGEST_FILE: usize = 64 << 20;

/// What all loaders of a build share.
#[derive(Debug)]
pub(crate) struct Reading<'t> {
    tree: &'t dyn FileTree,
    restrictor: LoadRestrictor,
    files: RefCell<BTreeSet<String>>,
}

impl<'t> Reading<'t> {
    pub(crate) fn new(tree: &'t dyn FileTree, restrictor: LoadRestrictor) -> Self {
        Self { tree, restrictor, files: RefCell::default() }
    }

    /// The files read so far, and the places where a kustomization file was looked for.
    pub(crate) fn into_files(self) -> BTreeSet<String> {
        self.files.into_inner()
    }
}

/// Reads files relative to the directory of one kustomization.
#[derive(Clone, Debug)]
pub(crate) struct Loader<'r> {
    reading: &'r Reading<'r>,
    /// Directory of the kustomization.
    root: String,
    /// Directories of the kustomizations that led here, outermost first.
    above: Vec<String>,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    /// Path in the tree, links followed.
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
}

impl File {
    pub(crate) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.content).or_else(|_| Problem::NotText.fail())
    }
}

impl<'r> Loader<'r> {
    /// A loader for the directory the build was asked for.
    pub(crate) fn at(reading: &'r Reading<'r>, target: &str) -> Result<Self> {
        refuse_remote(target)?;
        let root = confirmed_directory(reading, "", target)?;
        Ok(Self { reading, root, above: Vec::new() })
    }

    /// A loader for another kustomization, which must be neither this one nor above it.
    pub(crate) fn descend(&self, path: &str) -> Result<Self> {
        if path.is_empty() {
            return Problem::NotADirectory { path: path.to_owned() }.fail();
        }
        refuse_remote(path)?;
        let root = confirmed_directory(self.reading, &self.root, path)?;
        let cycle = self.above.iter().chain([&self.root]).find(|ancestor| is_within(ancestor, &root));
        if let Some(from) = cycle {
            return Problem::Cycle { directory: shown(&root), from: shown(from) }.fail();
        }
        let mut above = self.above.clone();
        above.push(self.root.clone());
        Ok(Self { reading: self.reading, root, above })
    }

    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// Reads a file the kustomization names.
    pub(crate) fn load(&self, path: &str) -> Result<File> {
        refuse_remote(path)?;
        let place = match locate(self.reading, &self.root, path)? {
            None => return Problem::NotFound { path: path.to_owned() }.fail(),
            Some(place) if place.kind == EntryKind::Directory => {
                return Problem::NotAFile { path: path.to_owned() }.fail();
            }
            Some(place) => place,
        };
        let restricted = self.reading.restrictor == LoadRestrictor::RootOnly;
        if restricted && !is_within(parent(&place.path), &self.root) {
            return Problem::OutsideRoot { path: path.to_owned(), root: shown(&self.root) }.fail();
        }
        self.read(place)
    }

    /// Reads a file if it is there.
    pub(crate) fn load_if_present(&self, path: &str) -> Result<Option<File>> {
        match locate(self.reading, &self.root, path)? {
            Some(place) if place.kind == EntryKind::File => self.load(path).map(Some),
            _ => Ok(None),
        }
    }

    /// True if `path` names a file, so that it is not worth trying as a directory.
    pub(crate) fn is_file(&self, path: &str) -> bool {
        matches!(locate(self.reading, &self.root, path), Ok(Some(place)) if place.kind == EntryKind::File)
    }

    fn read(&self, place: Place) -> Result<File> {
        let content = self
            .reading
            .tree
            .read(&place.path)
            .map_err(|source| Problem::Unreadable { path: place.path.clone(), source })?;
        if content.len() > LARGEST_FILE {
            let problem = crate::yaml::YamlProblem::TooLarge { limit: LARGEST_FILE, unit: "bytes" };
            return Problem::Yaml(problem).fail();
        }
        Ok(File { path: place.path, content })
    }
}

/// Looks at a path and remembers that it was looked at.
fn locate(reading: &Reading<'_>, root: &str, path: &str) -> Result<Option<Place>> {
    let Some(clean) = join_clean(root, path) else {
        return Problem::OutsideTree { path: path.to_owned() }.fail();
    };
    let place = reading
        .tree
        .locate(&clean)
        .map_err(|source| Problem::Unreadable { path: path.to_owned(), source })?;
    if let Some(Place { path, kind: EntryKind::File }) = &place {
        let mut files = reading.files.borrow_mut();
        if !files.contains(path) {
            files.insert(path.clone());
        }
    }
    Ok(place)
}

fn confirmed_directory(reading: &Reading<'_>, root: &str, path: &str) -> Result<String> {
    match locate(reading, root, path)? {
        Some(place) if place.kind == EntryKind::Directory => Ok(place.path),
        Some(_) => Problem::NotADirectory { path: path.to_owned() }.fail(),
        None => Problem::NotFound { path: path.to_owned() }.fail(),
    }
}

/// True if `path` is `directory` or below it.
fn is_within(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn shown(directory: &str) -> String {
    if directory.is_empty() { ".".to_owned() } else { directory.to_owned() }
}

/// Kustomize would fetch such a path with Git or HTTP.
pub(crate) fn is_remote(path: &str) -> bool {
    let known = ["git@", "git::", "github.com/", "github.com:", "gh:"];
    path.contains("://") || known.iter().any(|prefix| path.starts_with(prefix)) || path.contains("?ref=")
}

fn refuse_remote(path: &str) -> Result<()> {
    if !is_remote(path) {
        return Ok(());
    }
    Problem::Refused {
        what: format!("the remote resource `{path}`"),
        instead: "vendor the files into the repository and refer to their directory, or commit what your own `kustomize build` prints",
    }
    .fail()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_compared_by_whole_names() {
        assert!(is_within("app/base", "app"));
        assert!(is_within("app", "app"));
        assert!(is_within("anything", ""));
        assert!(!is_within("application", "app"));
    }

    #[test]
    fn remote_resources_are_recognised() {
        for path in
            ["https://example.com/a.yaml", "git@example.com:a/b", "github.com/a/b", "ssh://git@example.com/a"]
        {
            assert!(is_remote(path), "{path}");
        }
        assert!(!is_remote("../base"));
        assert!(!is_remote("deploy.github.com.yaml"));
    }
}
