//! The runner is killed, and the next start finishes what it began.

mod deploy;
mod processes;
mod rollback;
mod shop;
