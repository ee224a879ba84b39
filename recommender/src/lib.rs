//! A streaming recommender: behaviour events in, ranked items out.
//!
//! Pure: no I/O, no clock, no threads, no randomness. Time comes from the events, and the same events give the
//! same state and the same bytes. It knows no Kafka: whoever owns one feeds it messages and asks it questions.
//!
//! ```text
//!            ingest(Incoming)                                  recommend, similar, hot
//! messages ──▶ ingest: parse, clean ──▶ state: rings, counts ──▶ models ──▶ ranking ──▶ Answer
//!                   │ Rejection             rows, decayed sums        one walk   fused online
//!                   ▼                          │      ▲
//!              dead letters              save ─┴─▶ bytes ─▶ load
//! ```
//!
//! # Sharing
//! Learning takes `&mut self`, every question `&self`: keep a [`Recommender`] behind a read-write lock. One
//! event holds the write lock for some microseconds, a question the read lock for tens; a batch of a few
//! dozen events per lock keeps readers waiting for some hundred microseconds, and an event is visible to the first
//! question after its lock is released. No copy of the state is ever made.
//!
//! # Changes
//! What learning changed is queued, each key once, and handed out by [`Recommender::take_changes`]: the owner
//! publishes those keys when it sees fit. The queue is part of a snapshot.

mod clicks;
pub mod config;
pub mod cooccurrence;
pub mod evaluation;
pub mod hot;
pub mod ids;
pub mod ingest;
pub mod judging;
mod math;
mod models;
pub mod online;
pub mod processor;
mod ranking;
mod recommender;
mod segment;
pub mod serving;
pub mod state;
pub mod trending;
pub mod windows;

pub use clicks::ClickReport;
pub use config::{Config, ConfigError, ConfigRow, TopicRole};
pub use cooccurrence::Metric;
pub use hot::HotWindow;
pub use ingest::{Event, Position, Rejection};
pub use judging::experiment::Assignment;
pub use processor::{Body, Emission, Processor};
pub use ranking::filter::{Filter, FilterError};
pub use recommender::{
    Applied, Changes, Counters, Forgotten, Incoming, Recommender, Report, Seen, Taken, tenant_key,
};
pub use serving::{
    Answer, AnswerKind, Ask, AskError, Evidence, Form, HeavyHitter, HeavyHitters, History, HotItem, HotList,
    Kind, Near, Parameter, Parameters, Reason, RecId, Recommended, Reply, Request, Scope, Similar,
};
pub use state::snapshot::{MODEL_VERSION, SnapshotError};
