//! From a fresh server to a node.
//!
//! A worker is given all it needs in its user data and joins by itself. That is readable on the server for every process that reaches the metadata
//! service, so that it holds no more than the token by which workers join. A master prepares itself in the same way, and gets what makes it a
//! master (the token of masters, Hetzner's token) over SSH, from whoever knows the host key that its user data gave it.
//!
//! Everything here is a pure function from settings to text; [`crate::machines`] carries the texts.

pub(crate) mod cloud_init;
pub(crate) mod kubeconfig;
pub(crate) mod master;
pub(crate) mod node;
pub(crate) mod script;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
pub(crate) mod versions;
