//! The runner is killed, and the next start finishes what it began.
