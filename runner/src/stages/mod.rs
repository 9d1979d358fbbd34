//! The stages, one file each. Each takes the value of the stage before it, so that a wrong order does not compile.

pub mod apply;
pub mod cluster;
pub mod gate;
pub mod render;
pub mod rollback;
pub mod secrets;
pub mod verify;
pub mod wait;
