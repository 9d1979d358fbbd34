//! What `windlass demo` plays with: a folder with a repository, a configuration and values for its secrets, all gone when it is dropped; and the
//! story that is told on it.
//!
//! Nothing else is particular about a demo. Its events take the way that every event takes.

mod folder;
mod repository;
mod story;

pub use self::folder::DemoFolder;
pub use self::story::{APPROVER, Scene, Telling, Told, push};
