//! Clusters at an emulated Hetzner: made, kept, changed and taken away, whatever goes wrong on the way.

#![expect(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

mod change;
mod conformance;
mod create;
mod foreign;
mod remove;
mod world;
