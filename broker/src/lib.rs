//! The broker: sockets, Kafka's APIs, coordinators, HTTP, the command line.
//!
//! ```text
//!  cli ─▶ Broker::start ─▶ store, catalogue, coordinators ─▶ listener, feed, HTTP ─▶ Handle
//! ```
//!
//! [`Broker::start`] is the one door: the program and the tests go through it. What happens to a
//! produce or a fetch on its way through here is told in `docs/architecture.md`.

mod admin;
mod catalog;
pub mod cli;
mod client;
pub mod config;
pub mod coordinator;
mod coordinator_log;
mod event_log;
mod features;
mod feed;
mod fetch_sessions;
mod group_topics;
mod handlers;
mod housekeeping;
mod log_levels;
mod metrics;
mod net;
mod partitioner;
mod partitions;
mod producer_id_store;
mod server;
mod tasks;
mod transaction_partitions;

pub use admin::HttpBindError;
pub use net::BindError;
pub use server::{Broker, Handle, StartError};
