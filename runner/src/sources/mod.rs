//! Where a run's files come from: a local Git repository at a commit, or a folder as it is now.
//!
//! A repository is read straight from its object database: nothing is checked out, no hook, filter or program of it runs, and none of the
//! user's or the system's Git configuration is read. Paths are relative to the repository, with `/` between their parts.

mod changes;
mod error;
mod git;
mod links;
mod tree;
mod work_tree;

use std::path::Path;

use jiff::Timestamp;
use windlass_core::name::Commit;

pub use self::changes::{ChangeKind, ChangedFile};
pub use self::error::SourceError;
use self::git::GitRepository;
pub use self::tree::Tree;
use self::work_tree::WorkTree;

/// The beginning of a commit's name that stands for a folder as it is, followed by the digest of its content.
const WORK_TREE: &str = "worktree-";

/// The configured repository, open. Cheap to share between threads; every call reads the present state.
#[derive(Debug)]
pub struct Source {
    infra: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Git(Box<GitRepository>),
    Folder(WorkTree),
}

/// What people want to see of a commit. Whatever a commit says of itself anyone may have written: it is for reading, and never decides
/// who may do what.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CommitSummary {
    /// Name of the author, without control characters; none for a folder as it is.
    pub author: Option<String>,
    /// First paragraph of the message as one line, without control characters.
    pub subject: String,
    /// When it was committed, as the commit says.
    pub committed_at: Option<Timestamp>,
}

impl Source {
    /// Opens the repository at `path`, bare or with a work tree; or, where there is none, the folder `path` if it holds `infra`.
    ///
    /// `infra` is the folder with the files to deploy, relative to the repository. It bounds what a work tree is: files outside of it are
    /// neither read nor part of the digest. In a commit the whole tree can be read.
    pub fn open(path: &Path, infra: &Path) -> Result<Self, SourceError> {
        let infra = links::slashed(infra);
        if !path.exists() {
            return Err(SourceError::NoSuchRepository { path: path.to_owned() });
        }
        let kind = match GitRepository::open(path)? {
            Some(repository) => Kind::Git(Box::new(repository)),
            None if path.join(&infra).is_dir() => Kind::Folder(WorkTree::new(path, &infra)),
            None => {
                let enclosing = git::enclosing_repository(path);
                return Err(SourceError::NotASource { path: path.to_owned(), infra, enclosing });
            }
        };
        Ok(Self { infra, kind })
    }

    /// Where the source is.
    pub fn path(&self) -> &Path {
        match &self.kind {
            Kind::Git(repository) => repository.path(),
            Kind::Folder(folder) => folder.root(),
        }
    }

    /// The folder with the files to deploy, relative to the repository.
    pub fn infra(&self) -> &str {
        &self.infra
    }

    /// The commit that `revision` names: a branch, a tag, a reference, or a commit id of which the beginning is enough (four digits or
    /// more). Nothing named is `HEAD`. A branch goes before a remote's branch, and a name before an id, as in Git.
    ///
    /// A folder without history has one state, the present one, which is what nothing named means there.
    pub fn resolve(&self, revision: Option<&str>) -> Result<Commit, SourceError> {
        match (&self.kind, revision) {
            (Kind::Git(repository), revision) => repository.resolve(revision.unwrap_or("HEAD")),
            (Kind::Folder(folder), None) => Ok(folder.take()?.commit().clone()),
            (Kind::Folder(folder), Some(revision)) => {
                git::check_revision(revision)?;
                let now = folder.take()?.commit().clone();
                if now.as_str() == revision { Ok(now) } else { Err(folder.no_history(revision)) }
            }
        }
    }

    /// Whether a repository that has history has not got this commit, so far.
    pub fn lacks(&self, commit: &Commit) -> bool {
        matches!(self.kind, Kind::Git(_))
            && matches!(self.resolve(Some(commit.as_str())), Err(SourceError::UnknownRevision { .. }))
    }

    /// The state of the files as they lie there, committed or not, named by their content.
    pub fn resolve_work_tree(&self) -> Result<Commit, SourceError> {
        Ok(self.work_tree()?.take()?.commit().clone())
    }

    /// The files of `commit`. Of a folder only the present state can be had; it is read whole, so that later edits do not reach the run.
    pub fn tree(&self, commit: &Commit) -> Result<Tree, SourceError> {
        match &self.kind {
            Kind::Git(repository) if !is_work_tree(commit) => repository.tree(commit),
            _ => Ok(Tree::of_snapshot(self.work_tree()?.expect_now(commit)?)),
        }
    }

    /// What changed from `from` to `to`; without `from`, every file is new. The files of a commit that Git holds are all files of its
    /// tree; where a work tree is one of the two, only those under `infra` are compared. Renames are a deletion and an addition.
    pub fn changed_files(&self, from: Option<&Commit>, to: &Commit) -> Result<Vec<ChangedFile>, SourceError> {
        if let (Kind::Git(repository), false, false) =
            (&self.kind, from.is_some_and(is_work_tree), is_work_tree(to))
        {
            return repository.changed_files(from, to);
        }
        let before = from.map(|commit| self.contents(commit)).transpose()?.unwrap_or_default();
        Ok(changes::between(&before, &self.contents(to)?))
    }

    /// Whether `ancestor` is `descendant` or one of the commits before it.
    pub fn is_ancestor(&self, ancestor: &Commit, descendant: &Commit) -> Result<bool, SourceError> {
        match &self.kind {
            Kind::Git(repository) => repository.is_ancestor(ancestor, descendant),
            Kind::Folder(folder) if ancestor == descendant => folder.expect_now(ancestor).map(|_| true),
            Kind::Folder(folder) => Err(folder.no_history(ancestor.as_str())),
        }
    }

    /// Author and subject of a commit, for people.
    pub fn summary(&self, commit: &Commit) -> Result<CommitSummary, SourceError> {
        if is_work_tree(commit) {
            let subject = format!("files under `{}`, not committed", self.infra);
            return Ok(CommitSummary { author: None, subject, committed_at: None });
        }
        match &self.kind {
            Kind::Git(repository) => repository.summary(commit),
            Kind::Folder(folder) => Err(folder.no_history(commit.as_str())),
        }
    }

    fn work_tree(&self) -> Result<WorkTree, SourceError> {
        match &self.kind {
            Kind::Git(repository) => repository.work_tree(&self.infra),
            Kind::Folder(folder) => Ok(folder.clone()),
        }
    }

    /// The content id of every file under `infra`.
    fn contents(&self, commit: &Commit) -> Result<changes::Contents, SourceError> {
        match &self.kind {
            Kind::Git(repository) if !is_work_tree(commit) => repository.contents(commit, &self.infra),
            _ => self.work_tree()?.expect_now(commit)?.contents(),
        }
    }
}

fn is_work_tree(commit: &Commit) -> bool {
    commit.as_str().starts_with(WORK_TREE)
}

#[cfg(test)]
mod tests;
