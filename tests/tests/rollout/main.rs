//! The whole runner on simulated nodes.

mod deploy;
mod failures;
mod events;
mod gates;
mod rollback;
mod shop;
