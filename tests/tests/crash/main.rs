//! The runner is killed, and the next start finishes what it began.

mod deploy;
mod points;
mod processes;
mod rollback;
mod shop;
