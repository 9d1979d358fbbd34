//! The whole runner on simulated nodes.

mod canary;
mod deploy;
mod doctor;
mod events;
mod failures;
mod gates;
mod look;
mod outage;
mod progress;
mod rollback;
mod shop;
