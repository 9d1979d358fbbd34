//! The whole runner on simulated nodes.

mod deploy;
