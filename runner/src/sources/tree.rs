//! The files of one state of a repository, to be rendered.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::bstr::ByteSlice as _;
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository};
use windlass_core::name::Commit;
use windlass_kustomize::{EntryKind as Kind, FileTree, Place};

use super::SourceError;
use super::links::{self, Node, Nodes};
use super::work_tree::Snapshot;

/// The files of a commit. They do not change while it lives, whatever is committed, fetched or edited meanwhile.
#[derive(Debug)]
pub struct Tree {
    commit: Commit,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Git(Box<GitFiles>),
    Snapshot(Snapshot),
}

impl Tree {
    pub(super) fn of_repository(
        commit: Commit,
        path: PathBuf,
        repository: Repository,
        root: ObjectId,
    ) -> Self {
        let inner = Mutex::new(Inner { repository, folders: HashMap::new() });
        Self { commit, files: Files::Git(Box::new(GitFiles { path, root, inner })) }
    }

    pub(super) fn of_snapshot(snapshot: Snapshot) -> Self {
        Self { commit: snapshot.commit().clone(), files: Files::Snapshot(snapshot) }
    }

    /// The state that the files are of.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The content of the file at `path`, links followed inside of the repository; none where no file is.
    ///
    /// A pointer of Git LFS is the text that it is.
    pub fn file(&self, path: &str) -> Result<Option<Arc<[u8]>>, SourceError> {
        match &self.files {
            Files::Git(files) => match links::follow(files.as_ref(), path)? {
                Some((real, Node::File(id))) => files.blob(&real, id).map(Some),
                _ => Ok(None),
            },
            Files::Snapshot(files) => match links::follow(files, path)? {
                Some((_, Node::File(bytes))) => Ok(Some(bytes)),
                _ => Ok(None),
            },
        }
    }

    /// The names in the folder at `path`, sorted; none where no folder is.
    pub fn folder(&self, path: &str) -> Result<Option<Vec<String>>, SourceError> {
        match (self.place(path)?, &self.files) {
            (Some(Place { path, kind: Kind::Directory }), Files::Git(files)) => files.list(&path),
            (Some(Place { path, kind: Kind::Directory }), Files::Snapshot(files)) => {
                Ok(Some(files.list(&path)))
            }
            _ => Ok(None),
        }
    }

    /// Where `path` leads when links are followed, and what is there: two paths to the same thing give the same place.
    fn place(&self, path: &str) -> Result<Option<Place>, SourceError> {
        fn place<File>((path, node): (String, Node<File>)) -> Place {
            let kind = if matches!(node, Node::Folder) { Kind::Directory } else { Kind::File };
            Place { path, kind }
        }
        match &self.files {
            Files::Git(files) => Ok(links::follow(files.as_ref(), path)?.map(place)),
            Files::Snapshot(files) => Ok(links::follow(files, path)?.map(place)),
        }
    }
}

impl FileTree for Tree {
    fn locate(&self, path: &str) -> io::Result<Option<Place>> {
        self.place(path).map_err(io::Error::other)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.file(path).map_err(io::Error::other)?;
        file.map(|bytes| bytes.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A tree in the object database. Folders are read once: a render asks for their entries again and again.
struct GitFiles {
    path: PathBuf,
    root: ObjectId,
    inner: Mutex<Inner>,
}

struct Inner {
    repository: Repository,
    folders: HashMap<String, Option<Arc<Folder>>>,
}

type Folder = HashMap<String, (EntryKind, ObjectId)>;

impl GitFiles {
    fn blob(&self, path: &str, id: ObjectId) -> Result<Arc<[u8]>, SourceError> {
        let inner = self.lock();
        let mut blob = inner.repository.find_blob(id).map_err(|error| self.damaged(path, error))?;
        Ok(blob.take_data().into())
    }

    /// The entries of the folder at `path`, whose parts are no links; none where no folder is.
    fn folder(&self, path: &str) -> Result<Option<Arc<Folder>>, SourceError> {
        if let Some(known) = self.lock().folders.get(path) {
            return Ok(known.clone());
        }
        let id = if path.is_empty() {
            Some(self.root)
        } else {
            self.entry(path)?.and_then(|(kind, id)| (kind == EntryKind::Tree).then_some(id))
        };
        let folder = id.map(|id| self.entries(path, id)).transpose()?;
        self.lock().folders.insert(path.to_owned(), folder.clone());
        Ok(folder)
    }

    fn list(&self, path: &str) -> Result<Option<Vec<String>>, SourceError> {
        let Some(folder) = self.folder(path)? else { return Ok(None) };
        let mut names: Vec<_> = folder.keys().cloned().collect();
        names.sort();
        Ok(Some(names))
    }

    fn entry(&self, path: &str) -> Result<Option<(EntryKind, ObjectId)>, SourceError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(self.folder(parent)?.and_then(|folder| folder.get(name).copied()))
    }

    fn entries(&self, path: &str, id: ObjectId) -> Result<Arc<Folder>, SourceError> {
        let inner = self.lock();
        let tree = inner.repository.find_tree(id).map_err(|error| self.damaged(path, error))?;
        let mut folder = Folder::new();
        for entry in tree.iter() {
            let entry = entry.map_err(|error| self.damaged(path, error))?;
            // No path of a kustomization is other than UTF-8; such a file can be changed, but not read.
            if let Ok(name) = entry.filename().to_str() {
                folder.insert(name.to_owned(), (entry.mode().kind(), entry.object_id()));
            }
        }
        Ok(Arc::new(folder))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What the lock guards is only read or replaced whole, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self, what: &str, error: gix::Error) -> SourceError {
        SourceError::Object { what: what.to_owned(), repository: self.path.clone(), source: Box::new(error) }
    }
}

impl Nodes for GitFiles {
    type File = ObjectId;

    fn node(&self, path: &str) -> Result<Option<Node<ObjectId>>, SourceError> {
        let Some((kind, id)) = self.entry(path)? else { return Ok(None) };
        Ok(Some(match kind {
            EntryKind::Tree => Node::Folder,
            EntryKind::Blob | EntryKind::BlobExecutable => Node::File(id),
            EntryKind::Link => Node::Link(String::from_utf8_lossy(&self.blob(path, id)?).into_owned()),
            EntryKind::Commit => Node::Submodule,
        }))
    }
}

impl fmt::Debug for GitFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GitFiles")
            .field("path", &self.path)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
