//! What is private here, for the fuzz targets in `fuzz/`, and only for them.

pub use crate::discovery::fuzzing::{Announcement, Announcements};
pub use crate::rendezvous::{Event, EventReader, TooLong};
pub use crate::server::fuzzing::{FROM_ORIGIN, SESSION, Talk, talk};
