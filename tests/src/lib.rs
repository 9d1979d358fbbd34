//! Conformance suites over the contracts and tests of the whole runner.

#[cfg(test)]
mod edges;
