//! windlass: an event-driven deployment runner for Kubernetes.
//!
//! One event travels one way: event → queue → inbox → run → stages → outcome. [`worker`] takes events over and carries runs, [`pipeline`]
//! is the way of one run, [`stages`] has a file for each stage. ARCHITECTURE.md leads to the rest.

pub mod affected;
pub mod broker;
pub mod builder;
pub mod cli;
pub mod clusters;
pub mod config;
mod credential;
pub mod decide;
pub mod demo;
pub mod doctor;
pub mod engine;
pub mod exit;
pub mod explain;
pub mod github;
pub mod http;
pub mod intake;
pub mod journal;
pub mod lints;
pub mod metrics;
pub mod outage;
pub mod paint;
mod pause;
pub mod pipeline;
pub mod planner;
pub mod plugins;
pub mod preview;
pub mod printer;
pub mod prune;
#[cfg(test)]
mod reference;
pub mod rollout;
pub mod run;
pub mod secrets;
pub mod skeleton;
pub mod sources;
pub mod stages;
pub mod stop;
pub mod supervisor;
pub mod telemetry;
pub mod usual;
pub mod variables;
pub mod view;
pub mod worker;
pub mod wrap;

pub use builder::Windlass;
