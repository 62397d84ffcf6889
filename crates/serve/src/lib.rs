//! What every server of ours does alike, whoever asks: messages as JSON within bounds, refusals as problem documents, and no connection on
//! which somebody takes nothing.
//!
//! Who may come in, and how many, each server decides for itself.

mod deadline;
mod message;
mod refusal;

pub use deadline::WriteDeadline;
pub use message::{json, json_bytes, query_value, read_json};
pub use refusal::{Answer, IsProblem, Refusal};
