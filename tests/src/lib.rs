//! Conformance suites over the contracts and tests of the whole runner.
