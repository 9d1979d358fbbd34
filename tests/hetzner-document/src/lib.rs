//! Nothing: this package is only a place to name a dependency.
