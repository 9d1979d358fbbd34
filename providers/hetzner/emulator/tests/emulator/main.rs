//! The emulator as its clients see it: what it does, how it is served, and that it is as the official document and others' models say.
#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "tests say what is wrong by panicking, and bodies are written in place"
)]

mod behaviour;
mod bench;
mod client;
mod furnished;
mod machines;
mod served;
mod strict_models;
mod tour;
