//! A Git repository on this machine, read without `git`.

use std::path::{Path, PathBuf};

use gix::bstr::{BStr, ByteSlice as _};
use gix::object::Kind;
use gix::open::Options;
use gix::refs::PartialNameRef;
use gix::traverse::commit::simple::CommitTimeOrder;
use gix::{ObjectId, Repository, ThreadSafeRepository};
use jiff::Timestamp;
use windlass_core::name::Commit;

use super::changes::{ChangeKind, ChangedFile, Contents};
use super::tree::Tree;
use super::work_tree::WorkTree;
use super::{CommitSummary, SourceError};

/// Git's own shortest abbreviation.
const SHORTEST_ID: usize = 4;

/// An open repository.
#[derive(Debug)]
pub(super) struct GitRepository {
    path: PathBuf,
    repository: ThreadSafeRepository,
}

impl GitRepository {
    /// Opens the repository at `path`, or says that there is none. The repository's own configuration is read, because it says how objects
    /// are stored; includes, the user's, the system's and `GIT_…` variables are not.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, SourceError> {
        match ThreadSafeRepository::open_opts(path, Options::isolated()) {
            Ok(repository) => Ok(Some(Self { path: path.to_owned(), repository })),
            Err(_) if !looks_like_git(path) => Ok(None),
            Err(error) => Err(SourceError::Unreadable { path: path.to_owned(), source: Box::new(error) }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn work_tree(&self, infra: &str) -> Result<WorkTree, SourceError> {
        let root = self.repository.work_tree.as_deref();
        root.map(|root| WorkTree::new(root, infra))
            .ok_or_else(|| SourceError::NoWorkTree { repository: self.path.clone() })
    }

    /// The commit that a name or the beginning of an id stands for.
    pub(super) fn resolve(&self, revision: &str) -> Result<Commit, SourceError> {
        check_revision(revision)?;
        let repository = self.repository.to_thread_local();
        // A whole id is an id, as in Git: a branch that somebody names like an approved commit must not stand for it.
        let found = match ObjectId::from_hex(revision.as_bytes()) {
            Ok(id) => repository.has_object(id).then_some(id),
            Err(_) => match self.named(&repository, revision)? {
                Some(id) => Some(id),
                None => self.abbreviated(&repository, revision)?,
            },
        };
        let unknown =
            || SourceError::UnknownRevision { revision: revision.to_owned(), repository: self.path.clone() };
        let object = repository
            .find_object(found.ok_or_else(unknown)?)
            .map_err(|error| self.damaged(revision, error))?;
        // An annotated tag stands for its commit; a tree or a file is nothing that can be deployed.
        let commit = object.peel_to_kind(Kind::Commit).map_err(|_| unknown())?;
        Ok(Commit::new(commit.id.to_string()))
    }

    /// `HEAD`, `@`, a branch, a tag, a remote's branch or a full reference. A text that no reference may have is no name.
    fn named(&self, repository: &Repository, revision: &str) -> Result<Option<ObjectId>, SourceError> {
        let revision = if revision == "@" { "HEAD" } else { revision };
        let Ok(name) = <&PartialNameRef>::try_from(revision) else { return Ok(None) };
        let found = repository.try_find_reference(name).map_err(|error| self.damaged(revision, error))?;
        let Some(mut reference) = found else { return Ok(None) };
        match reference.peel_to_id() {
            Ok(id) => Ok(Some(id.detach())),
            Err(_) if revision == "HEAD" => Err(SourceError::NoCommit { repository: self.path.clone() }),
            Err(error) => Err(self.damaged(revision, error)),
        }
    }

    /// The object that the digits begin.
    fn abbreviated(&self, repository: &Repository, revision: &str) -> Result<Option<ObjectId>, SourceError> {
        let is_hexadecimal = revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hexadecimal || revision.len() < SHORTEST_ID {
            return Ok(None);
        }
        let Ok(prefix) = gix::hash::Prefix::from_hex(&revision.to_ascii_lowercase()) else { return Ok(None) };
        let mut candidates = std::collections::HashSet::new();
        let found = repository.objects.lookup_prefix(prefix, Some(&mut candidates));
        found.map_err(|error| self.damaged(revision, error))?;
        // As in Git, an abbreviation that fits several objects still names the one commit among them.
        let is_commit =
            |id: &ObjectId| repository.find_header(*id).is_ok_and(|header| header.kind() == Kind::Commit);
        match candidates.into_iter().filter(is_commit).collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            _ => Err(SourceError::AmbiguousRevision {
                revision: revision.to_owned(),
                repository: self.path.clone(),
            }),
        }
    }

    /// The files of a commit.
    pub(super) fn tree(&self, commit: &Commit) -> Result<Tree, SourceError> {
        let repository = self.repository.to_thread_local();
        let root = self.root(&repository, commit)?.id;
        Ok(Tree::of_repository(commit.clone(), self.path.clone(), repository, root))
    }

    /// The files that differ between two commits; without the first, all of the second's.
    pub(super) fn changed_files(
        &self,
        from: Option<&Commit>,
        to: &Commit,
    ) -> Result<Vec<ChangedFile>, SourceError> {
        let repository = self.repository.to_thread_local();
        let before = match from {
            Some(commit) => self.root(&repository, commit)?,
            None => repository.empty_tree(),
        };
        let after = self.root(&repository, to)?;
        let mut recorder = gix::diff::tree::Recorder::default();
        gix::diff::tree(
            gix::objs::TreeRefIter::from_bytes(&before.data, before.id.kind()),
            gix::objs::TreeRefIter::from_bytes(&after.data, after.id.kind()),
            gix::diff::tree::State::default(),
            &repository.objects,
            &mut recorder,
        )
        .map_err(|error| self.damaged(to.as_str(), gix::Error::from_error(error)))?;
        let mut changed: Vec<_> = recorder.records.into_iter().filter_map(changed_file).collect();
        changed.sort();
        Ok(changed)
    }

    /// Every file under `folder` and the id of its content.
    pub(super) fn contents(&self, commit: &Commit, folder: &str) -> Result<Contents, SourceError> {
        let repository = self.repository.to_thread_local();
        let root = self.root(&repository, commit)?;
        let missing = || SourceError::NoSuchFolder { path: folder.to_owned(), commit: commit.to_string() };
        let tree = if folder.is_empty() {
            root
        } else {
            let entry = root.lookup_entry_by_path(folder).map_err(|error| self.damaged(folder, error))?;
            let entry = entry.filter(|entry| entry.mode().is_tree()).ok_or_else(missing)?;
            repository.find_tree(entry.object_id()).map_err(|error| self.damaged(folder, error))?
        };
        let files = tree.traverse().breadthfirst.files().map_err(|error| self.damaged(folder, error))?;
        let files = files.into_iter().filter(|entry| !entry.mode.is_tree());
        Ok(files.map(|entry| (under(folder, entry.filepath.as_bstr()), entry.oid)).collect())
    }

    /// Whether the first commit is the second or before it. Looks through the whole history where the answer is no.
    pub(super) fn is_ancestor(&self, ancestor: &Commit, descendant: &Commit) -> Result<bool, SourceError> {
        let repository = self.repository.to_thread_local();
        let ancestor = self.known(&repository, ancestor)?;
        let descendant = self.known(&repository, descendant)?;
        let damaged = |error| self.damaged(&descendant.to_string(), error);
        // Newest first, but without a cut-off by time: clocks of authors are wrong often enough.
        let newest_first = gix::revision::walk::Sorting::ByCommitTime(CommitTimeOrder::NewestFirst);
        for commit in repository.rev_walk([descendant]).sorting(newest_first).all().map_err(damaged)? {
            if commit.map_err(damaged)?.id == ancestor {
                return Ok(true);
            }
        }
        if repository.is_shallow().map_err(damaged)? {
            let repository = self.path.clone();
            return Err(SourceError::ShallowHistory { commit: ancestor.to_string(), repository });
        }
        Ok(false)
    }

    pub(super) fn summary(&self, commit: &Commit) -> Result<CommitSummary, SourceError> {
        let repository = self.repository.to_thread_local();
        let id = self.known(&repository, commit)?;
        let damaged = |error| self.damaged(commit.as_str(), error);
        let commit = repository.find_commit(id).map_err(damaged)?;
        let author = printable(commit.author().map_err(damaged)?.name);
        let subject = printable(commit.message().map_err(damaged)?.summary().as_ref());
        let committed_at = commit.time().ok().and_then(|time| Timestamp::from_second(time.seconds).ok());
        Ok(CommitSummary { author: Some(author), subject, committed_at })
    }

    /// The root of a commit's tree.
    fn root<'a>(&self, repository: &'a Repository, commit: &Commit) -> Result<gix::Tree<'a>, SourceError> {
        let id = self.known(repository, commit)?;
        let damaged = |error| self.damaged(commit.as_str(), error);
        repository.find_commit(id).map_err(damaged)?.tree().map_err(damaged)
    }

    /// The id of a commit that was resolved before; a repository can have lost it since.
    fn known(&self, repository: &Repository, commit: &Commit) -> Result<ObjectId, SourceError> {
        let id = ObjectId::from_hex(commit.as_str().as_bytes()).ok();
        id.filter(|id| repository.has_object(id)).ok_or_else(|| SourceError::UnknownRevision {
            revision: commit.to_string(),
            repository: self.path.clone(),
        })
    }

    fn damaged(&self, what: &str, error: gix::Error) -> SourceError {
        SourceError::Object { what: what.to_owned(), repository: self.path.clone(), source: Box::new(error) }
    }
}

/// Refuses a text that some tool could take for something else than a revision.
pub(super) fn check_revision(revision: &str) -> Result<(), SourceError> {
    let reason = if revision.is_empty() {
        "it is empty"
    } else if revision.starts_with('-') {
        "it begins with `-`, as options do"
    } else if revision.chars().any(char::is_control) {
        "it holds a control character"
    } else {
        return Ok(());
    };
    Err(SourceError::IllegalRevision { revision: revision.escape_debug().to_string(), reason })
}

/// The repository above a folder, for a hint.
pub(super) fn enclosing_repository(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    path.ancestors().skip(1).find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

/// Whether somebody meant this to be a repository, so that its damage is worth a word.
fn looks_like_git(path: &Path) -> bool {
    path.join(".git").exists() || (path.join("HEAD").is_file() && path.join("objects").is_dir())
}

fn changed_file(change: gix::diff::tree::recorder::Change) -> Option<ChangedFile> {
    use gix::diff::tree::recorder::Change::{Addition, Deletion, Modification};
    let (path, mode, kind) = match change {
        Addition { path, entry_mode, .. } => (path, entry_mode, ChangeKind::Added),
        Deletion { path, entry_mode, .. } => (path, entry_mode, ChangeKind::Deleted),
        Modification { path, entry_mode, .. } => (path, entry_mode, ChangeKind::Modified),
    };
    (!mode.is_tree()).then(|| ChangedFile { path: path.to_str_lossy().into_owned(), kind })
}

/// Text of a commit for a terminal or a page: on one line, without the characters with which a commit could move the cursor or turn the
/// direction of what follows it.
fn printable(text: &BStr) -> String {
    let turns = |character| matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.to_str_lossy();
    let blank = |character: char| if character.is_control() || turns(character) { ' ' } else { character };
    text.trim().chars().map(blank).collect()
}

fn under(folder: &str, path: &BStr) -> String {
    if folder.is_empty() { path.to_string() } else { format!("{folder}/{path}") }
}
