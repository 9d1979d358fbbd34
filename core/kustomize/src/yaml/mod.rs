//! YAML as go-yaml reads and writes it: the tree, the two dialects, the emitter.
//!
//! Kustomize reads resources with go-yaml v3 and its own files with v2, and prints everything by way of JSON
//! with v2. What a scalar means therefore depends on who reads it, and the output never keeps the layout of the
//! input. The tree keeps what decides the meaning (text, tag, whether it was quoted) and nothing else.

mod emit;
mod node;
mod number;
mod order;
mod parse;
mod path;
mod resolve;
mod styled;
mod timestamp;
mod value;

#[cfg(test)]
mod properties;

pub(crate) use emit::{emit, emit_in_order};
pub(crate) use node::{Entry, Map, Node, Scalar, Style, Tag, Text};
pub(crate) use number::{go_format, json_format};
pub use parse::YamlProblem;
pub(crate) use parse::{Duplicates, Limits, Located, line_of, parse_document, parse_documents};
pub(crate) use path::{split_path, split_selecting_path};
pub(crate) use resolve::{Dialect, Implicit, resolve};
pub(crate) use styled::{Layout, emit_styled};
pub(crate) use value::Value;
pub use value::ValueProblem;
