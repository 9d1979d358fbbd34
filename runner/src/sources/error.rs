//! What can go wrong between a repository and a run.

use std::io;
use std::path::PathBuf;

use windlass_core::failure::FailureClass;

/// Why a source cannot give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing stands at the configured place.
    #[error("there is no repository at `{path}`")]
    NoSuchRepository {
        /// The configured place.
        path: PathBuf,
    },
    /// Something stands there, but neither a Git repository nor a folder to deploy from.
    #[error("`{path}` is neither a Git repository nor a folder that holds `{infra}`")]
    NotASource {
        /// The configured place.
        path: PathBuf,
        /// The folder that was looked for.
        infra: String,
        /// The Git repository that the place is a part of, if it is one.
        enclosing: Option<PathBuf>,
    },
    /// It is a Git repository that cannot be read.
    #[error("the Git repository `{path}` cannot be opened")]
    Unreadable {
        /// The repository.
        path: PathBuf,
        /// What Git's format says against it.
        source: Box<gix::Error>,
    },
    /// The text cannot be a revision; it never reaches the repository.
    #[error("`{revision}` cannot be a revision: {reason}")]
    IllegalRevision {
        /// The text with everything unprintable escaped.
        revision: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No branch, tag, reference or commit has this name.
    #[error("`{revision}` names no commit of `{repository}`")]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
    },
    /// Several objects begin with this.
    #[error("`{revision}` is the beginning of more than one object id of `{repository}`")]
    AmbiguousRevision {
        /// What was asked for.
        revision: String,
        /// Where it was looked for.
        repository: PathBuf,
    },
    /// The repository is new.
    #[error("`{repository}` has no commit yet")]
    NoCommit {
        /// The repository.
        repository: PathBuf,
    },
    /// History was asked of a place that keeps none.
    #[error("`{repository}` is a folder without history: it knows no `{revision}`")]
    NoHistory {
        /// What was asked for.
        revision: String,
        /// The folder.
        repository: PathBuf,
    },
    /// The history that is here ends before the question is answered.
    #[error("`{repository}` is a shallow clone, whose history ends before `{commit}` could be found")]
    ShallowHistory {
        /// What was looked for.
        commit: String,
        /// The clone.
        repository: PathBuf,
    },
    /// A work tree was asked of a bare repository.
    #[error("`{repository}` is a bare repository: it has no work tree")]
    NoWorkTree {
        /// The repository.
        repository: PathBuf,
    },
    /// A work tree keeps only its present; the state that a commit named is gone.
    #[error("the files under `{folder}` are no longer those of `{commit}`")]
    WorkTreeChanged {
        /// The folder of which the state was taken.
        folder: PathBuf,
        /// The state that was asked for.
        commit: String,
    },
    /// The folder to deploy is not in this state of the repository.
    #[error("there is no folder `{path}` at `{commit}`")]
    NoSuchFolder {
        /// The path inside of the repository.
        path: String,
        /// The state that was asked.
        commit: String,
    },
    /// The path leads into a submodule.
    #[error("`{path}` is a submodule: its files are not part of this repository")]
    Submodule {
        /// Where the submodule stands.
        path: String,
    },
    /// A symbolic link has a target that no file of the repository can be.
    #[error("the symbolic link `{path}` leads out of the repository, to `{target}`")]
    LinkLeavesRepository {
        /// Where the link stands.
        path: String,
        /// What it says.
        target: String,
    },
    /// Links lead to links without end.
    #[error("symbolic links lead in a circle at `{path}`")]
    LinkCircle {
        /// The path that was asked for.
        path: String,
    },
    /// An object of the repository is missing or damaged.
    #[error("`{what}` cannot be read from `{repository}`")]
    Object {
        /// The object, by id or by path.
        what: String,
        /// The repository.
        repository: PathBuf,
        /// What the object database says.
        source: Box<gix::Error>,
    },
    /// A file of the work tree cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The folder holds more than configuration does.
    #[error("the files under `{folder}` are more than {limit_mib} MiB: that is not configuration")]
    TooLarge {
        /// The folder.
        folder: PathBuf,
        /// The limit.
        limit_mib: usize,
    },
}

impl SourceError {
    /// Whether trying again can help. Nothing here is temporary: a repository is local, and what it lacks a person must bring.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::NoSuchRepository { .. }
            | Self::NotASource { .. }
            | Self::Unreadable { .. }
            | Self::ShallowHistory { .. }
            | Self::NoWorkTree { .. }
            | Self::Object { .. }
            | Self::File { .. } => FailureClass::Permanent,
            Self::IllegalRevision { .. }
            | Self::UnknownRevision { .. }
            | Self::AmbiguousRevision { .. }
            | Self::NoCommit { .. }
            | Self::NoHistory { .. }
            | Self::WorkTreeChanged { .. }
            | Self::NoSuchFolder { .. }
            | Self::Submodule { .. }
            | Self::LinkLeavesRepository { .. }
            | Self::LinkCircle { .. }
            | Self::TooLarge { .. } => FailureClass::User,
        }
    }

    /// What a person can do about it, with a command where there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoSuchRepository { .. } => {
                "set `repository` in `windlass.toml`, or run windlass in the repository".to_owned()
            }
            Self::NotASource { enclosing: Some(root), .. } => {
                format!("it is part of the Git repository `{0}`: `cd {0}`", root.display())
            }
            Self::NotASource { infra, .. } => {
                format!("make it a repository with `git init`, or put the files to deploy under `{infra}`")
            }
            Self::UnknownRevision { repository, .. } => {
                format!(
                    "see what there is with `git -C {0} log --all --oneline`, or `git -C {0} fetch`",
                    repository.display()
                )
            }
            Self::AmbiguousRevision { revision, repository } => {
                format!(
                    "give more digits: `git -C {} rev-parse --disambiguate={revision}`",
                    repository.display()
                )
            }
            Self::NoCommit { repository } => {
                format!(
                    "make one with `git -C {} commit`, or deploy the files as they are with `--worktree`",
                    repository.display()
                )
            }
            Self::ShallowHistory { repository, .. } => {
                format!("`git -C {} fetch --unshallow`", repository.display())
            }
            Self::NoWorkTree { .. } => "name a commit or a branch".to_owned(),
            Self::WorkTreeChanged { .. } => {
                "commit the files: a commit can be deployed again, a work tree cannot".to_owned()
            }
            Self::NoSuchFolder { .. } => {
                "set `infra` in `windlass.toml` to the folder that holds the files to deploy".to_owned()
            }
            Self::Submodule { .. } => "move the files into this repository".to_owned(),
            Self::LinkLeavesRepository { .. } => "replace the link by the file that it leads to".to_owned(),
            Self::Object { repository, .. } => format!("`git -C {} fsck`", repository.display()),
            Self::NoHistory { .. } => "make the folder a repository with `git init`".to_owned(),
            Self::Unreadable { .. }
            | Self::IllegalRevision { .. }
            | Self::LinkCircle { .. }
            | Self::File { .. }
            | Self::TooLarge { .. } => return None,
        };
        Some(hint)
    }
}
