//! Conformance suites over the contracts and tests of the whole runner.

pub mod conformance;
pub mod hetzner;
pub mod line;
pub mod machines;
pub mod points;
pub mod suites;
pub mod testbed;
pub mod world;

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod edges;
