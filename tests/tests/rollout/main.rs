//! The whole runner on simulated nodes.

mod deploy;
mod events;
mod gates;
mod rollback;
mod shop;
