//! Why a rollout does not become ready, from the first report that tells.

mod cause;

pub use cause::{Cause, UnknownCause};
