//! Whether a cluster can take work, and how a node leaves it.

pub(crate) mod kubernetes;
pub(crate) mod lack;
pub(crate) mod leave;
