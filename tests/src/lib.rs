//! Conformance suites over the contracts and tests of the whole runner.

pub mod conformance;
pub mod testbed;

#[cfg(test)]
mod edges;
