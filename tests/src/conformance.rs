//! One suite per contract of `windlass-core`, open to everybody who implements it: plain async functions, one behaviour each.

pub mod provider;
pub mod queue;
