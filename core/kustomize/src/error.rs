//! What can go wrong in a build, and what to do about it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use crate::yaml::{self, Located};
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

    /// The 1-based column of that line, in characters, where the parser knows it.
    pub fn column(&self) -> Option<u32> {
        self.fault.line.and(self.fault.problem.column())
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
    /// `file:line:column: problem`, as compilers write places and editors read them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = self.file() {
            formatter.write_str(file)?;
            for number in [self.line(), self.column()].into_iter().flatten() {
                write!(formatter, ":{number}")?;
            }
            formatter.write_str(": ")?;
        }
        write!(formatter, "{}", self.fault.problem)
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
        /// The field that was probably meant.
        nearest: Option<&'static str>,
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
            Self::Yaml(problem) => problem.hint().to_owned(),
            Self::UnknownField { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::NoKustomization { directory } => {
                format!("create one with `cd {directory} && kustomize create --autodetect`")
            }
            Self::PatchTarget { matches: 0, .. } => {
                "a patch without `target` needs the apiVersion, kind, name and namespace of its resource; see them with `windlass render` of the base".to_owned()
            }
            Self::Unprintable { source: ValueProblem::Key { key }, .. } => format!("quote the key: `\"{key}\":`"),
            other => return other.plain_hint().map(str::to_owned),
        })
    }

    /// What to do about a problem, whatever it is about.
    fn plain_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Refused { instead, .. } => instead,
            Self::NotFound { .. } => {
                "correct the path, which is relative to the file that names it, or add what is missing with `git add`"
            }
            Self::NotADirectory { .. } | Self::NotAFile { .. } => {
                "`resources` takes files, and directories that hold a kustomization; patches and generators take files"
            }
            Self::OutsideRoot { .. } => {
                "move the file below the kustomization, or allow it with `--load-restrictor LoadRestrictionsNone`"
            }
            Self::OutsideTree { .. } => "move the file into the repository: nothing outside of it is read",
            Self::NotText => "save it as UTF-8",
            Self::SeveralKustomizations { .. } => "keep one of them",
            Self::Cycle { .. } => "take out one of the references that close the circle",
            Self::WrongType { expected: "a string", found: "a number" | "a boolean", .. } => {
                "put the value between quotes"
            }
            Self::EmptyKustomization => "name what it is made of under `resources:`",
            Self::NotAResource { .. } => "every document needs `apiVersion`, `kind` and `metadata.name`",
            Self::DuplicateResource { .. } => {
                "list the resource once, or tell them apart with `namePrefix` or `namespace` in their bases"
            }
            Self::PatchTarget { .. } => "narrow its `target` until it means one resource",
            _ => return None,
        })
    }

    fn column(&self) -> Option<u32> {
        match self {
            Self::Yaml(problem) => problem.column(),
            _ => None,
        }
    }

    /// The path as a kustomization writes it, where that is what is wrong.
    fn written_path(&self) -> Option<&str> {
        match self {
            Self::NotFound { path }
            | Self::NotADirectory { path }
            | Self::NotAFile { path }
            | Self::OutsideRoot { path, .. }
            | Self::OutsideTree { path } => Some(path),
            _ => None,
        }
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

/// Adds the kustomization file to an error that does not have one yet, and the line on which it writes the path that is wrong.
pub(crate) fn in_kustomization<T>(outcome: Result<T>, path: &str, text: &str) -> Result<T> {
    outcome.map_err(|mut fault| {
        if fault.file.is_none() {
            let written = fault.problem.written_path();
            fault.line = fault.line.or_else(|| written.and_then(|written| yaml::line_of(text, written)));
            fault.file = Some(path.to_owned());
        }
        fault
    })
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
