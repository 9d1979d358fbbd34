//! deploy-control.yaml: when a run may go ahead, and how.
//!
//! [`control`] reads the file, [`cluster`] the switch in a cluster's configuration, [`window`] says when an environment is open, [`gate`] judges a run. All three are pure: the file's text, the
//! time and what people decided are arguments, so every answer can be computed again from what was recorded.

pub mod cluster;
pub mod control;
pub mod gate;
pub mod problem;
pub mod window;
