//! Paths inside of a repository, and symbolic links that must not lead out of it.
//!
//! Links are followed by hand, one part of a path after the other, over what the repository holds: the operating system never sees them, so
//! a link to `/proc/self/environ` or `../../other` is a name that is refused and not a file that is read.

use std::collections::VecDeque;
use std::path::{Component, Path};

use super::SourceError;

/// As many links as Linux follows in one path.
const MOST_LINKS: usize = 40;

/// What stands at a path, before links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<File> {
    /// A file, by whatever reads it.
    File(File),
    /// A folder.
    Folder,
    /// A symbolic link and what it says.
    Link(String),
    /// Another repository's place.
    Submodule,
}

/// What a path leads to: the path without links, and the file or folder there.
pub(super) type Found<File> = Option<(String, Node<File>)>;

/// A tree of files whose nodes can be looked up.
pub(super) trait Nodes {
    /// What reads a file.
    type File;

    /// What stands at `path`, whose parts before the last are folders; the empty path is the root.
    fn node(&self, path: &str) -> Result<Option<Node<Self::File>>, SourceError>;
}

/// Where `path` leads when every link is followed: the real path, and the file or folder there. Nothing there is none.
pub(super) fn follow<N: Nodes>(nodes: &N, path: &str) -> Result<Found<N::File>, SourceError> {
    let mut pending: VecDeque<String> = path.split('/').map(str::to_owned).collect();
    let (mut real, mut links) = (Vec::<String>::new(), Vec::<(String, String)>::new());
    let mut node = Node::Folder;
    while let Some(part) = pending.pop_front() {
        match part.as_str() {
            "" | "." => continue,
            ".." if real.pop().is_some() => {
                node = Node::Folder;
                continue;
            }
            ".." => return left_the_root(links),
            _ if !matches!(node, Node::Folder) => return Ok(None),
            _ => real.push(part),
        }
        let here = real.join("/");
        match nodes.node(&here)? {
            None => return Ok(None),
            Some(Node::Submodule) => return Err(SourceError::Submodule { path: here }),
            Some(Node::Link(target)) if target.starts_with('/') => {
                return Err(SourceError::LinkLeavesRepository { path: here, target });
            }
            Some(Node::Link(_)) if links.len() == MOST_LINKS => {
                return Err(SourceError::LinkCircle { path: path.to_owned() });
            }
            Some(Node::Link(target)) => {
                real.pop();
                target.split('/').rev().for_each(|part| pending.push_front(part.to_owned()));
                links.push((here, target));
                node = Node::Folder;
            }
            Some(found) => node = found,
        }
    }
    Ok(Some((real.join("/"), node)))
}

/// A path that was asked for and begins with `..` names nothing; a link that does so is somebody's mistake or attempt, and is named.
fn left_the_root<T>(links: Vec<(String, String)>) -> Result<Option<T>, SourceError> {
    match links.into_iter().last() {
        Some((path, target)) => Err(SourceError::LinkLeavesRepository { path, target }),
        None => Ok(None),
    }
}

/// A relative path as repositories write it: `/` between the parts, none of them empty, `.` or at the end; the empty text is the root.
pub(super) fn slashed(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A tree from lines such as `base/app.yaml`, `prod -> ../base`, `vendor @`.
    struct Sketch(BTreeMap<String, Node<()>>);

    impl Sketch {
        fn new(lines: &[&str]) -> Self {
            let mut nodes = BTreeMap::from([(String::new(), Node::Folder)]);
            for line in lines {
                let (path, node) = match line.split_once(" -> ") {
                    Some((path, target)) => (path, Node::Link(target.to_owned())),
                    None => line
                        .strip_suffix(" @")
                        .map_or((*line, Node::File(())), |path| (path, Node::Submodule)),
                };
                for (end, _) in path.match_indices('/') {
                    nodes.insert(path[..end].to_owned(), Node::Folder);
                }
                nodes.insert(path.to_owned(), node);
            }
            Self(nodes)
        }
    }

    impl Nodes for Sketch {
        type File = ();

        fn node(&self, path: &str) -> Result<Option<Node<()>>, SourceError> {
            Ok(self.0.get(path).cloned())
        }
    }

    #[track_caller]
    fn check(lines: &[&str], path: &str, expected: &str) {
        let found = match follow(&Sketch::new(lines), path) {
            Ok(Some((real, _))) => real,
            Ok(None) => "nothing".to_owned(),
            Err(SourceError::LinkLeavesRepository { path, target }) => format!("{path} leaves to {target}"),
            Err(SourceError::LinkCircle { .. }) => "circle".to_owned(),
            Err(SourceError::Submodule { path }) => format!("submodule {path}"),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(found, expected, "{path} in {lines:?}");
    }

    #[test]
    fn plain_paths_are_found() {
        check(&["a/b/c.yaml"], "a/b/c.yaml", "a/b/c.yaml");
        check(&["a/b/c.yaml"], "a/./b//../b/c.yaml", "a/b/c.yaml");
        check(&["a/b/c.yaml"], "", "");
        check(&["a/b/c.yaml"], "a/x", "nothing");
        check(&["a/b/c.yaml"], "a/b/c.yaml/d", "nothing");
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        check(&["base/app.yaml", "k8s/prod -> ../base"], "k8s/prod/app.yaml", "base/app.yaml");
        check(&["a/one -> two", "a/two -> ../b/three", "b/three"], "a/one", "b/three");
        check(&["base/app.yaml", "prod -> base"], "prod/../base/app.yaml", "base/app.yaml");
        check(&["base/app.yaml", "prod -> missing"], "prod/app.yaml", "nothing");
    }

    #[test]
    fn links_that_leave_the_tree_are_named() {
        check(&["env -> /proc/self/environ"], "env", "env leaves to /proc/self/environ");
        check(&["a/up -> ../../other"], "a/up/x", "a/up leaves to ../../other");
        check(&["a/b -> ../c", "c -> .."], "a/b", "c leaves to ..");
    }

    #[test]
    fn a_path_above_the_root_is_nothing() {
        check(&["a"], "../a", "nothing");
        check(&["a/b"], "a/../../a/b", "nothing");
    }

    #[test]
    fn circles_end() {
        check(&["a -> b", "b -> a"], "a/x", "circle");
        check(&["a -> a/a"], "a", "circle");
    }

    #[test]
    fn submodules_are_named() {
        check(&["vendor/charts @"], "vendor/charts/app.yaml", "submodule vendor/charts");
    }

    #[test]
    fn configured_folders_lose_their_decoration() {
        assert_eq!(slashed(Path::new("./infra/")), "infra");
        assert_eq!(slashed(Path::new("deploy/infra")), "deploy/infra");
        assert_eq!(slashed(Path::new(".")), "");
    }
}
