//! The stages of runs about clusters, one file each: plan, ensure, verify and publish make one, plan and remove take it away.
//!
//! A provider's work can be resumed and writes nothing where nothing is missing, so nothing here is rolled back: a run that fails leaves what
//! was made, and the next one goes on from there.

pub mod ensure;
pub mod plan;
pub mod publish;
pub mod remove;
pub mod verify;
pub mod work;
