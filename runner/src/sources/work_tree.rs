//! A folder as it is now: read once, whole, and named by its content, so that what was judged is what is deployed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::objs::Kind;
use sha2::{Digest as _, Sha256};
use windlass_core::name::{Commit, Digest};

use super::changes::Contents;
use super::links::{Node, Nodes};
use super::{SourceError, WORK_TREE};

/// More than this under `infra` is a mistake, such as a `node_modules` or a disk image, and would sit in memory for the length of a run.
const LIMIT_MIB: usize = 64;

/// A folder whose part `infra` can be taken as a state.
#[derive(Debug, Clone)]
pub(super) struct WorkTree {
    root: PathBuf,
    infra: String,
}

impl WorkTree {
    pub(super) fn new(root: &Path, infra: &str) -> Self {
        Self { root: root.to_owned(), infra: infra.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads everything under `infra`. Links are taken as links; `.git` is not content.
    pub(super) fn take(&self) -> Result<Snapshot, SourceError> {
        let mut taking = Taking { folder: self.root.join(&self.infra), nodes: BTreeMap::new(), bytes: 0 };
        taking.add(&taking.folder.clone(), &self.infra)?;
        if taking.nodes.is_empty() {
            let folder = self.root.display();
            let commit = format!("{folder}, as it is now");
            return Err(SourceError::NoSuchFolder { path: self.infra.clone(), commit });
        }
        Ok(Snapshot::new(self, taking.nodes))
    }

    /// The present state, if it still is `commit`.
    pub(super) fn expect_now(&self, commit: &Commit) -> Result<Snapshot, SourceError> {
        let now = self.take()?;
        if now.commit == *commit {
            return Ok(now);
        }
        Err(SourceError::WorkTreeChanged { folder: self.root.join(&self.infra), commit: commit.to_string() })
    }

    pub(super) fn no_history(&self, revision: &str) -> SourceError {
        SourceError::NoHistory { revision: revision.to_owned(), repository: self.root.clone() }
    }
}

/// A walk that is under way.
struct Taking {
    folder: PathBuf,
    nodes: BTreeMap<String, Node<Arc<[u8]>>>,
    bytes: usize,
}

impl Taking {
    fn add(&mut self, place: &Path, path: &str) -> Result<(), SourceError> {
        let unreadable = |source| SourceError::File { path: place.to_owned(), source };
        let kind = match fs::symlink_metadata(place) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        let node = if kind.is_symlink() {
            Node::Link(fs::read_link(place).map_err(unreadable)?.to_string_lossy().into_owned())
        } else if kind.is_dir() {
            for entry in fs::read_dir(place).map_err(unreadable)? {
                let name = entry.map_err(unreadable)?.file_name();
                if name != ".git" {
                    self.add(&place.join(&name), &under(path, &name.to_string_lossy()))?;
                }
            }
            Node::Folder
        } else if kind.is_file() {
            let bytes = fs::read(place).map_err(unreadable)?;
            self.count(bytes.len())?;
            Node::File(bytes.into())
        } else {
            // Sockets, pipes and devices: reading one could wait for ever, and Git does not know them either.
            return Ok(());
        };
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), SourceError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > LIMIT_MIB << 20 {
            return Err(SourceError::TooLarge { folder: self.folder.clone(), limit_mib: LIMIT_MIB });
        }
        Ok(())
    }
}

/// A folder's content in memory.
#[derive(Debug)]
pub(super) struct Snapshot {
    root: PathBuf,
    nodes: BTreeMap<String, Node<Arc<[u8]>>>,
    commit: Commit,
}

impl Snapshot {
    fn new(folder: &WorkTree, mut nodes: BTreeMap<String, Node<Arc<[u8]>>>) -> Self {
        let commit = Commit::new(format!("{WORK_TREE}{}", digest(&nodes)));
        for (end, _) in folder.infra.match_indices('/') {
            nodes.insert(folder.infra[..end].to_owned(), Node::Folder);
        }
        nodes.insert(String::new(), Node::Folder);
        Self { root: folder.root.clone(), nodes, commit }
    }

    pub(super) fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The names in a folder, sorted.
    pub(super) fn list(&self, folder: &str) -> Vec<String> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let inside = self.nodes.range(prefix.clone()..).map_while(|(path, _)| path.strip_prefix(&prefix));
        inside.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
    }

    /// Files and links with the id that Git gives to their content.
    pub(super) fn contents(&self) -> Result<Contents, SourceError> {
        let mut contents = Contents::new();
        for (path, node) in &self.nodes {
            let bytes = match node {
                Node::File(bytes) => bytes,
                Node::Link(target) => target.as_bytes(),
                Node::Folder | Node::Submodule => continue,
            };
            // Fails on content made to collide under SHA-1, which therefore never passes for something else.
            let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Blob, bytes).map_err(|error| {
                SourceError::Object {
                    what: path.clone(),
                    repository: self.root.clone(),
                    source: Box::new(error),
                }
            })?;
            contents.insert(path.clone(), id);
        }
        Ok(contents)
    }
}

impl Nodes for Snapshot {
    type File = Arc<[u8]>;

    fn node(&self, path: &str) -> Result<Option<Node<Arc<[u8]>>>, SourceError> {
        Ok(self.nodes.get(path).cloned())
    }
}

/// The digest of paths and contents. Lengths go before texts, so that no two folders read the same; empty folders count for nothing, as in
/// Git.
fn digest(nodes: &BTreeMap<String, Node<Arc<[u8]>>>) -> Digest {
    let mut hash = Sha256::new();
    let mut part = |kind: u8, text: &[u8]| {
        hash.update([kind]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    for (path, node) in nodes {
        match node {
            Node::File(bytes) => (part(b'p', path.as_bytes()), part(b'f', bytes)),
            Node::Link(target) => (part(b'p', path.as_bytes()), part(b'l', target.as_bytes())),
            Node::Folder | Node::Submodule => continue,
        };
    }
    Digest::from_hash(hash.finalize().as_slice())
}

fn under(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
