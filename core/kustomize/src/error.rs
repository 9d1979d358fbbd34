//! What can go wrong in a build, and what to do about it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use crate::yaml::Located;
pub use crate::yaml::{ValueProblem, YamlProblem};

/// Why a build failed, where, and which files it had read by then.
#[derive(Debug)]
pub struct Error {
    fault: Box<Fault>,
    files: BTreeSet<String>,
}

impl Error {
    pub(crate) fn new(fault: Fault, files: BTreeSet<String>) -> Self {
        Self { fault: Box::new(fault), files }
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.fault.problem
    }

    /// The file it is wrong in, as a path in the tree.
    pub fn file(&self) -> Option<&str> {
        self.fault.file.as_deref()
    }

    /// The 1-based line of that file.
    pub fn line(&self) -> Option<u32> {
        self.fault.line
    }

    /// Every file the build had looked at, so that a change to one of them can be seen as a reason to try again.
    pub fn files(&self) -> &BTreeSet<String> {
        &self.files
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.fault.problem.hint()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault.file, self.fault.line) {
            (Some(file), Some(line)) => write!(formatter, "`{file}` line {line}: {}", self.fault.problem),
            (Some(file), None) => write!(formatter, "`{file}`: {}", self.fault.problem),
            (None, _) => write!(formatter, "{}", self.fault.problem),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.fault.problem)
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing at a path.
    #[error("`{path}` does not exist")]
    NotFound {
        /// The path as written.
        path: String,
    },
    /// A directory was expected.
    #[error("`{path}` is not a directory")]
    NotADirectory {
        /// The path as written.
        path: String,
    },
    /// A file was expected.
    #[error("`{path}` is not a file")]
    NotAFile {
        /// The path as written.
        path: String,
    },
    /// The load restrictor forbids a file outside of its kustomization's directory.
    #[error("`{path}` is outside of `{root}`, where a kustomization may read files")]
    OutsideRoot {
        /// The path as written.
        path: String,
        /// Directory of the kustomization.
        root: String,
    },
    /// A path that leaves the tree of files.
    #[error("`{path}` leads outside of the tree of files")]
    OutsideTree {
        /// The path as written.
        path: String,
    },
    /// Reading failed.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// The path as written.
        path: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Not UTF-8.
    #[error("the file is not valid UTF-8")]
    NotText,
    /// No kustomization file in a directory.
    #[error(
        "no kustomization file (`kustomization.yaml`, `kustomization.yml` or `Kustomization`) in `{directory}`"
    )]
    NoKustomization {
        /// The directory.
        directory: String,
    },
    /// More than one.
    #[error("more than one kustomization file in `{directory}`")]
    SeveralKustomizations {
        /// The directory.
        directory: String,
    },
    /// A kustomization that refers to itself or to a directory above it.
    #[error("cycle: `{directory}` contains or is `{from}`, which refers to it")]
    Cycle {
        /// The directory referred to.
        directory: String,
        /// The directory of the kustomization.
        from: String,
    },
    /// Not a document.
    #[error(transparent)]
    Yaml(#[from] YamlProblem),
    /// Not representable in the output.
    #[error("{object} cannot be printed")]
    Unprintable {
        /// The object.
        object: String,
        /// The reason.
        #[source]
        source: ValueProblem,
    },
    /// A field that does not exist.
    #[error("field `{field}` is unknown")]
    UnknownField {
        /// Its path.
        field: String,
    },
    /// A field of the wrong type.
    #[error("field `{field}` must be {expected}, found {found}")]
    WrongType {
        /// Its path.
        field: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A field whose value makes no sense.
    #[error("field `{field}` {reason}")]
    InvalidField {
        /// Its path.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A kustomization without content.
    #[error("the kustomization is empty")]
    EmptyKustomization,
    /// Something this renderer does not do.
    #[error("{what} is not supported")]
    Refused {
        /// What was asked for, by its name.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A resource that is none.
    #[error("the document is not a resource: {reason}")]
    NotAResource {
        /// Why.
        reason: String,
    },
    /// Two resources with the same id.
    #[error("{object} is there twice")]
    DuplicateResource {
        /// The object.
        object: String,
    },
    /// A generator with `merge` or `replace` finds nothing to change, or one with `create` finds something.
    #[error("{object} {reason}")]
    Behavior {
        /// The object.
        object: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A patch that does not name its target clearly.
    #[error("the patch for {target} matches {matches} resources")]
    PatchTarget {
        /// The target.
        target: String,
        /// How many were found.
        matches: usize,
    },
    /// A patch that cannot be applied or read.
    #[error("the patch {patch} {reason}")]
    Patch {
        /// The patch: its file, or `inline`.
        patch: String,
        /// What is wrong.
        reason: String,
    },
    /// A replacement that cannot be made.
    #[error("the replacement {reason}")]
    Replacement {
        /// What is wrong.
        reason: String,
    },
    /// A var that cannot be resolved.
    #[error("the var `{name}` {reason}")]
    Var {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A generator's source that cannot be read.
    #[error("the source `{source_text}` {reason}")]
    GeneratorSource {
        /// The source as written.
        source_text: String,
        /// What is wrong.
        reason: String,
    },
    /// A selector that is not valid.
    #[error("the selector `{selector}` {reason}")]
    Selector {
        /// The selector as written.
        selector: String,
        /// What is wrong.
        reason: String,
    },
    /// A transformation that meets something it cannot change.
    #[error("{object}: {reason}")]
    Transformation {
        /// The object.
        object: String,
        /// What is wrong.
        reason: String,
    },
    /// A name that may refer to several objects.
    #[error("the reference to `{name}` in {object} may mean any of {candidates}")]
    AmbiguousReference {
        /// The name.
        name: String,
        /// The object that holds the reference.
        object: String,
        /// What it may mean.
        candidates: String,
    },
}

impl Problem {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Refused { instead, .. } => (*instead).to_owned(),
            Self::OutsideRoot { .. } => {
                "move the file below the kustomization, or allow it with `--load-restrictor LoadRestrictionsNone`".to_owned()
            }
            Self::NoKustomization { directory } => {
                format!("create one with `cd {directory} && kustomize create --autodetect`")
            }
            Self::DuplicateResource { .. } => {
                "list the resource once, or tell them apart with `namePrefix` or `namespace` in their bases".to_owned()
            }
            Self::PatchTarget { matches: 0, .. } => {
                "a patch without `target` needs the apiVersion, kind, name and namespace of its resource; see them with `kustomize build` of the base".to_owned()
            }
            Self::Unprintable { source: ValueProblem::Key { key }, .. } => format!("quote the key: `\"{key}\":`"),
            _ => return None,
        })
    }
}

/// A problem with its place, on its way up.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) problem: Problem,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

/// What the functions of this crate return.
pub(crate) type Result<T, E = Box<Fault>> = std::result::Result<T, E>;

impl From<Problem> for Box<Fault> {
    fn from(problem: Problem) -> Self {
        Self::new(Fault { problem, file: None, line: None })
    }
}

impl From<Located> for Box<Fault> {
    fn from(located: Located) -> Self {
        Self::new(Fault { problem: located.problem.into(), file: None, line: Some(located.line) })
    }
}

impl Problem {
    /// An error at a line of the file that is being read; 0 is no line.
    pub(crate) fn at_line<T>(self, line: u32) -> Result<T> {
        Err(Box::new(Fault { problem: self, file: None, line: Some(line).filter(|&line| line > 0) }))
    }

    pub(crate) fn fail<T>(self) -> Result<T> {
        Err(self.into())
    }
}

/// Adds the file to an error that does not have one yet.
pub(crate) trait InFile<T> {
    fn in_file(self, path: &str) -> Result<T>;
}

impl<T, E: Into<Box<Fault>>> InFile<T> for Result<T, E> {
    fn in_file(self, path: &str) -> Result<T> {
        self.map_err(|fault| {
            let mut fault = fault.into();
            fault.file.get_or_insert_with(|| path.to_owned());
            fault
        })
    }
}
