//! broker

pub mod coordinator;
