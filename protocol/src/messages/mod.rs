//! One file an API: a table for its request, one for its response, every version from Kafka 3.9's lowest
//! to 4.4's highest.
//!
//! Fields are Kafka's, in snake case, as raw as on the wire; whoever handles a request wraps what it needs
//! in [`types`](crate::types). What each version added stands at the head of each file.
//!
//! # Adding an API
//! A file with its table (see `codec/table.rs` for the form), its `mod` line here, and a row in
//! `api_key.rs`. Tests against other implementations and against damaged bytes go over the rows and need
//! nothing.

mod api_key;
mod request;

pub mod api_versions;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_fetch;
pub mod produce;
pub mod sync_group;

pub use api_key::{Api, ApiKey};
pub use request::{Request, Response};
