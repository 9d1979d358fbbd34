//! Access to a cluster, tried on a real control plane with simulated nodes.

mod access;
mod apply;
mod definitions;
mod delete;
mod kinds;
mod marker;
mod pods;
mod space;
mod watch;
