//! Clusters through the program: made, used, listed, removed; and killed everywhere on the way.

mod commands;
mod crash;
mod yard;
