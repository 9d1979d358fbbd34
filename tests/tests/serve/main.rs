//! `windlass serve` as a process: what it takes, what it refuses, what it says, and how it ends. No cluster is needed: where a run must meet one,
//! a socket stands in its place that is closed, or that never answers.

mod abuse;
mod ending;
mod github;
mod server;
mod starting;
mod store;
mod story;
