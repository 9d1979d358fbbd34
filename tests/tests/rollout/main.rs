//! The whole runner on simulated nodes.

mod canary;
mod deploy;
mod failures;
mod events;
mod gates;
mod rollback;
mod shop;
