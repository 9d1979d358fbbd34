//! The Hetzner Cloud API in this process, for trying and testing what speaks to it.
//!
//! [`Emulator::start`] serves the API on loopback; any client finds it by its [`endpoint`](Emulator::endpoint) and its
//! [`token`](Emulator::token). What a project holds is in memory and gone with the emulator. It is the API of November 2026: no data centres, no
//! list of all actions, addresses that are free are `unassigned`.
//!
//! Actions take time, by [`Latencies`] and a [`Clock`] that may be simulated. What goes wrong is said by [`Fault`] and [`Shortage`]. What was called is
//! kept ([`Call`]). Something real can stand behind servers ([`Machines`]).

mod actions;
mod address;
mod admin;
mod bucket;
mod calls;
mod catalogue;
mod clock;
mod emulator;
mod faults;
mod form;
mod kind;
mod labels;
mod limits;
mod machines;
mod problem;
mod project;
mod query;
mod route;
mod selector;
mod service;
mod stock;
mod time;
mod x509;

pub use actions::Latencies;
pub use calls::Call;
pub use clock::{Clock, SimulatedClock};
pub use emulator::{Builder, Emulator, ListenError};
pub use faults::{Effect, Fault};
pub use limits::Limits;
pub use machines::{Machine, MachineEvent, Machines, NoMachines, PrivateInterface};
pub use stock::Shortage;
