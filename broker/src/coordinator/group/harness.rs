//! A shard with a log of its own, for tests: appends, replays and restarts like the runtime, in pretended
//! time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::types::{Offset, TimestampMs, TopicId};

use super::records::{EncodedRecord, GroupRecord};
use super::requests::JoinRequest;
use super::topics::{Topic, Topics, TopicsImage};
use super::{Answer, GroupConfig, GroupShard, Now, Step, Ticket};

/// The wall clock when the monotonic one is at zero.
pub(super) const EPOCH: TimestampMs = TimestampMs(1_000_000);

/// Topics that a test makes as it likes.
#[derive(Debug, Default)]
pub(in crate::coordinator) struct FixedTopics {
    made: Mutex<(u64, BTreeMap<String, Topic>)>,
}

impl FixedTopics {
    /// Makes a topic, or deletes it if it is to have no partitions. A topic's id is its place in the
    /// history of topics.
    pub(super) fn set(&self, name: &str, partitions: i32) {
        let mut made = self.made.lock();
        made.0 += 1;
        let id = TopicId(u128::from(made.0).to_be_bytes());
        if partitions == 0 {
            made.1.remove(name);
        } else {
            made.1.entry(name.to_owned()).or_insert(Topic { id, partitions }).partitions = partitions;
        }
    }
}

impl Topics for FixedTopics {
    fn image(&self) -> Arc<TopicsImage> {
        let made = self.made.lock();
        Arc::new(TopicsImage::new(made.0, made.1.clone()))
    }
}

pub(super) struct Harness {
    pub(super) topics: Arc<FixedTopics>,
    pub(super) config: GroupConfig,
    pub(super) shard: GroupShard,
    /// Keys and values as they would be on the disk.
    pub(super) log: Vec<EncodedRecord>,
    pub(super) elapsed: Duration,
    /// Appends fail.
    pub(super) broken: bool,
    tickets: u64,
    ids: u128,
}

impl Harness {
    pub(super) fn new(config: GroupConfig) -> Self {
        let topics = Arc::<FixedTopics>::default();
        let shard = GroupShard::new(config.clone(), Arc::<FixedTopics>::clone(&topics));
        Self {
            topics,
            config,
            shard,
            log: Vec::new(),
            elapsed: Duration::ZERO,
            broken: false,
            tickets: 0,
            ids: 0,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { monotonic: self.elapsed, wall: TimestampMs(EPOCH.0 + self.elapsed.as_millis() as i64) }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// JoinGroup; ids end in 1, 2, 3, … in the order in which they are needed.
    pub(super) fn join(&mut self, request: &JoinRequest) -> (Ticket, Step) {
        let ticket = self.ticket();
        self.ids += u128::from(request.member_id.is_empty());
        let now = self.now();
        (ticket, self.shard.join(request, self.ids, ticket, now))
    }

    /// What the runtime does with a step. Returns the answers, and whether its records are in the log.
    pub(super) fn finish(&mut self, group_id: &str, step: Step) -> (Vec<(Ticket, Answer)>, bool) {
        let Step { records, mut answers } = step;
        let failed = self.broken && !records.is_empty();
        if failed {
            let refuse = |(ticket, answer): (Ticket, Answer)| {
                (ticket, answer.failed(ErrorCode::CoordinatorNotAvailable))
            };
            answers = answers.into_iter().map(refuse).collect();
            let step = self.shard.append_failed(group_id, self.now());
            assert!(step.records.is_empty(), "a failed append is answered by no other");
            answers.extend(step.answers);
        } else {
            for record in records {
                self.log.push(record.encode().unwrap());
                self.shard.replay(Offset(self.log.len() as i64 - 1), None, record);
            }
        }
        let now = self.now();
        self.shard.settle(group_id, now);
        (answers, !failed)
    }

    /// Moves time on, doing what falls due, each at its moment.
    pub(super) fn tick(&mut self, by: Duration) -> Vec<(Ticket, Answer)> {
        let until = self.elapsed + by;
        let mut answers = Vec::new();
        while let Some(due) = self.shard.next_due().filter(|due| *due <= until) {
            self.elapsed = self.elapsed.max(due);
            while let Some((group_id, step)) = self.shard.on_time(self.now()) {
                answers.extend(self.finish(&group_id, step).0);
            }
        }
        self.elapsed = until;
        answers
    }

    /// The periodic clean-up.
    pub(super) fn sweep(&mut self) {
        for group_id in self.shard.group_ids() {
            let step = self.shard.sweep(&group_id, self.now());
            let (answers, _) = self.finish(&group_id, step);
            assert!(answers.is_empty());
        }
    }

    /// A shard that knows only the log.
    pub(super) fn reloaded(&self) -> GroupShard {
        let mut shard = GroupShard::new(self.config.clone(), Arc::<FixedTopics>::clone(&self.topics));
        for (position, (key, value)) in self.log.iter().enumerate() {
            let record = GroupRecord::decode(key, value.as_deref()).unwrap().unwrap();
            shard.replay(Offset(position as i64), None, record);
        }
        shard.loaded(self.now());
        shard
    }

    /// Loses everything but the log.
    pub(super) fn restart(&mut self) {
        self.shard = self.reloaded();
    }
}
