//! An HTTP/1.1 origin that misbehaves on demand.
//!
//! It writes its own bytes on the wire, because what the tests need (a wrong `Content-Range`, a chunk that never ends, a
//! reset after 700 bytes) is what HTTP libraries are made to prevent. The content is a function of seed and offset, so
//! that any range of any length can be made and checked without keeping the file.
//!
//! ```
//! use manyhands_faultserver::{Behaviour, FaultServer, Ranges, content};
//!
//! let server = FaultServer::start(Behaviour { ranges: Ranges::Ignore, ..Behaviour::default() });
//! println!("{}", server.url("/file.bin"));
//! assert_eq!(content(0, 3..5), content(0, 0..5)[3..]);
//! ```

mod answer;
mod authority;
mod behaviour;
mod connection;
mod content;
mod rate;
mod request;
mod server;

pub use authority::{Authority, Fault};
pub use behaviour::{Behaviour, Framing, Ranges, Reply};
pub use content::{content, fill};
pub use request::Request;
pub use server::FaultServer;
