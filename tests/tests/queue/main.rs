//! The queue: one contract for every backend, and RabbitMQ at its worst.

mod broker;
mod contract;
mod fleet;
mod full;
mod outage;
mod program;
mod refusals;
