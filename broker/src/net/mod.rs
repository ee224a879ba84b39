//! Sockets: who may connect, how frames become calls, and how answers go back in order.
//!
//! ```text
//! listener ── accept ──▶ connection: bytes ─▶ frames ─▶ handlers ─▶ answers, in request order ─▶ bytes
//! ```
//!
//! Knows nothing of topics or groups: a frame's key and version pick a row of
//! [`crate::handlers`], and the row does the rest.

mod connection;
mod frames;
mod listener;

pub use listener::BindError;
pub(crate) use listener::{Bound, bind};
