//! Renders what `kustomize build` 5.8.1 renders, byte for byte, in process.
//!
//! A build reads a [`FileTree`], a directory or a tree in memory, and gives [`Object`]s with the files that made
//! them. It starts no process, opens no connection and writes nothing.
//!
//! What would need one of those is refused by name: remote bases and files, Helm charts, and plugins that run as
//! processes or containers.

#![warn(missing_docs)]

mod accumulate;
mod build;
mod config;
mod crds;
mod error;
mod facts;
mod field_spec;
mod generate;
mod id;
mod kustomization;
mod loader;
mod plugins;
mod resource;
mod resources;
mod schema;
mod selector;
mod transform;
mod tree;
mod yaml;

pub use build::{Build, LoadRestrictor, Object, Options, Reorder, build};
pub use error::{Error, Problem, ValueProblem, YamlProblem};
pub use tree::{Directory, EntryKind, FileTree, MemoryTree, Place};
