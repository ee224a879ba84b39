//! Kafka's wire protocol: bytes to messages and back.
//!
//! A frame that came from a socket is read in place: [`frame`] takes its header off, [`messages`] has a
//! table for every request and response in every version, [`codec`] is the form those tables are
//! written in, and [`records`] walks the record batches that some messages carry.
//! [`consumer`] is what the members of a group tell each other.
//! [`types`] and [`error_code`] are the vocabulary that the rest of the workspace shares.
//!
//! What this crate must not know: sockets, files, clocks, and which versions a broker chooses to serve.

pub mod codec;
pub mod consumer;
pub mod error_code;
pub mod frame;
pub mod messages;
pub mod records;
pub mod types;

pub use error_code::ErrorCode;
