//! What has to be done for a cluster to be as its file says.
//!
//! [`Facts`] are read, `decide` compares them with the [`Blueprint`], and what comes out is a list of steps in the order in which they are
//! carried out. The decision is a pure function: the same facts give the same plan, and a plan for what is as wanted is empty.

pub mod blueprint;
pub(crate) mod cost;
pub(crate) mod decide;
pub mod facts;
pub(crate) mod refusal;
pub mod step;

pub use blueprint::Blueprint;
pub use decide::{Drift, Plan, decide};
pub use facts::Facts;
pub use refusal::Refusal;
pub use step::Step;
