//! Consumer groups: who is in them, who reads what, and how far.
//!
//! Pure and synchronous: time, randomness and the log are the caller's (`runtime`). A
//! request goes into [`GroupShard`], which answers with a [`Step`]: records to append, and answers to send
//! once they are durable. Appended records come back through [`GroupShard::replay`], and only there does
//! what the log holds of a group change, at start-up and live alike.
//!
//! ```text
//!   request, time ──▶ classic, offsets ──▶ Step { records, answers }
//!                         ▲                        │ appended
//!                         └──── replay ◀───────────┘           (start-up: the whole log through replay)
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `state` | the classic group: states, transitions, invariants |
//! | `member` | one member: what the log keeps of it, and what it does not |
//! | `classic` | JoinGroup, SyncGroup, Heartbeat, LeaveGroup, timers |
//! | `consumer` | the consumer group of KIP-848, and migration between the two |
//! | `topics` | the cluster's topics, to subscribe to and to assign |
//! | `offsets` | commits, look-ups, expiry, pending transactions |
//! | `records` | the formats of `__consumer_offsets` |
//! | `shard` | all groups of one partition of it; describe, list, delete |
//!
//! Left out so far: the groups of KIP-932 and KIP-1071. Their keys in the log are passed over.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::types::TimestampMs;

#[cfg(test)]
mod answers;
mod classic;
mod consumer;
#[cfg(test)]
mod consumer_model;
#[cfg(test)]
pub(super) mod harness;
mod member;
#[cfg(test)]
mod model;
mod offsets;
pub mod records;
pub mod requests;
#[cfg(test)]
mod scripts;
mod shard;
mod state;
pub mod topics;

pub use consumer::{Assignor, MigrationPolicy};
use records::GroupRecord;
use requests::{JoinResponse, SyncResponse};
pub use shard::GroupShard;
pub use state::{GroupState, GroupType};

/// The settings of groups, under Kafka's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`: how long the first member of an empty group waits for others.
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// `group.max.size`.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`, which Kafka counts in UTF-16 units.
    pub offset_metadata_max_chars: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// Of consumer groups.
    pub consumer: ConsumerGroupConfig,
}

/// The settings of consumer groups (KIP-848), under Kafka's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupConfig {
    /// Whether `group.coordinator.rebalance.protocols` has `consumer`.
    pub enabled: bool,
    /// `group.consumer.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `group.consumer.max.size`.
    pub max_size: usize,
    /// `group.consumer.assignors`, the default first.
    pub assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub migration: MigrationPolicy,
}

impl Default for ConsumerGroupConfig {
    /// Apache Kafka's defaults.
    fn default() -> Self {
        Self {
            enabled: true,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(5),
            max_size: i32::MAX as usize,
            assignors: Assignor::ALL.to_vec(),
            migration: MigrationPolicy { upgrade: true, downgrade: true },
        }
    }
}

impl Default for GroupConfig {
    /// Apache Kafka's defaults, but no initial delay: a lone consumer starts at once.
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::ZERO,
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            max_size: i32::MAX as usize,
            offset_metadata_max_chars: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            offsets_retention_check_interval: Duration::from_secs(10 * 60),
            consumer: ConsumerGroupConfig::default(),
        }
    }
}

/// The moment of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since the coordinator began; never goes back. Deadlines are on this clock.
    pub monotonic: Duration,
    /// The wall clock, for what goes into records.
    pub wall: TimestampMs,
}

/// Names a request that may be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The answer to a request that may be parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To JoinGroup.
    Join(JoinResponse),
    /// To SyncGroup.
    Sync(SyncResponse),
}

impl Answer {
    /// The same answer gone wrong: what it says could not be stored.
    #[must_use]
    pub fn failed(self, error: ErrorCode) -> Self {
        match self {
            Self::Join(join) if join.error.is_ok() => {
                Self::Join(JoinResponse::refused(join.member_id, error))
            }
            Self::Sync(sync) if sync.error.is_ok() => Self::Sync(SyncResponse::refused(error)),
            refused => refused,
        }
    }
}

/// What follows from a request or from time: records to append, then answers to send.
#[must_use]
#[derive(Debug, Default)]
pub struct Step {
    /// To append, in this order. The answers hold only if that succeeds.
    pub records: Vec<GroupRecord>,
    /// To this request or to parked ones.
    pub answers: Vec<(Ticket, Answer)>,
}

impl Step {
    /// Records, and no answers.
    fn of(records: Vec<GroupRecord>) -> Self {
        Self { records, answers: Vec::new() }
    }
}

/// A timeout of the wire, where negative means none at all.
fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
