//! One fetch session: what a client fetches, and what it was last told of each partition.
//!
//! ```text
//! request ──▶ update: added, changed, forgotten ──▶ ready ──▶ looked at, in turn ──▶ told, if there is news
//! append  ──▶ the session's waiter ─────────────────▲                                  │
//!                                                   └── has data or an error ◀─────────┘
//! ```
//!
//! A partition that has nothing new is not looked at: it is registered with the partition's waiters and comes back
//! when something happens to it. A request costs what it names and what has changed, not what the session holds.
//!
//! # Invariants
//! - A partition is ready, or registered, or both.
//! - Ready ones are looked at in the order of their turns; who gets data goes to the end, so that a small
//!   `max_bytes` starves nobody.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic};
use protocol::types::{PartitionIndex, TopicId};

use crate::catalog::{Catalog, Topic};
use crate::partitions::{DataWaiter, Partition};

/// The epoch of a session's first incremental request.
const FIRST_EPOCH: i32 = 1;
/// Stands for a high watermark that the client does not know.
const UNKNOWN: i64 = -1;

/// How a session names a topic: by id from version 13 on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    /// By name; a topic made again under it is the same to the session.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

impl TopicKey {
    fn new(by_id: bool, name: &str, id: TopicId) -> Self {
        if by_id { Self::Id(id) } else { Self::Name(Arc::from(name)) }
    }
}

/// A partition in a session.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its topic.
    pub(crate) topic: TopicKey,
    /// What the client asked for last.
    pub(crate) asked: FetchPartition,
    /// The topic's name when its id was last known.
    name: Option<Arc<str>>,
    /// Its place in the order of looking.
    turn: u64,
    /// The high watermark the client was told.
    high: i64,
    /// The log start the client was told.
    start: i64,
    /// The partition whose waiters know this session.
    registered: Option<Arc<Partition>>,
}

/// What one look at a partition saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) error: ErrorCode,
    pub(crate) high: i64,
    pub(crate) start: i64,
    /// Bytes of records found; `None` if there may be records that there was no room for.
    pub(crate) bytes: Option<usize>,
    /// What the client read is not in the log: it is told so until it asks for something else.
    pub(crate) diverges: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    epoch: i32,
    by_id: bool,
    /// Ids of entries by topic and partition.
    ids: HashMap<TopicKey, HashMap<i32, u64>>,
    entries: HashMap<u64, Entry>,
    /// Turns and ids of the entries to look at.
    ready: BTreeSet<(u64, u64)>,
    /// The next id or turn.
    next: u64,
    waiter: Arc<DataWaiter>,
}

impl Session {
    /// A session of these topics, none of which the client was told anything of.
    pub(crate) fn new(by_id: bool, topics: &[FetchTopic<'_>]) -> Self {
        let mut session = Self {
            epoch: FIRST_EPOCH,
            by_id,
            ids: HashMap::new(),
            entries: HashMap::new(),
            ready: BTreeSet::new(),
            next: 0,
            waiter: DataWaiter::new(),
        };
        session.update(topics, &[]);
        session
    }

    /// The epoch that the next request must have.
    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Whether it names topics by id.
    pub(crate) fn is_by_id(&self) -> bool {
        self.by_id
    }

    /// Moves on to the next epoch and returns it. Counting begins again at 1: 0 opens a session.
    pub(crate) fn advance(&mut self) -> i32 {
        self.epoch = self.epoch.checked_add(1).unwrap_or(FIRST_EPOCH);
        self.epoch
    }

    /// How many partitions it has.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What is woken when one of its partitions changes.
    pub(crate) fn waiter(&self) -> &Arc<DataWaiter> {
        &self.waiter
    }

    /// Takes in what a request adds, changes and forgets.
    pub(crate) fn update(&mut self, topics: &[FetchTopic<'_>], forgotten: &[ForgottenTopic<'_>]) {
        for topic in topics {
            let key = TopicKey::new(self.by_id, &topic.topic, topic.topic_id);
            for asked in &topic.partitions {
                self.ask(&key, asked);
            }
        }
        for topic in forgotten {
            let key = TopicKey::new(self.by_id, &topic.topic, topic.topic_id);
            for index in &topic.partitions {
                self.forget(&key, *index);
            }
        }
    }

    fn ask(&mut self, topic: &TopicKey, asked: &FetchPartition) {
        let known = self.ids.get(topic).and_then(|ids| ids.get(&asked.partition));
        if let Some((id, entry)) = known.and_then(|id| Some((*id, self.entries.get_mut(id)?))) {
            entry.asked = asked.clone();
            self.ready.insert((entry.turn, id));
            return;
        }
        let id = self.next_number();
        let entry = Entry {
            topic: topic.clone(),
            asked: asked.clone(),
            name: None,
            turn: id,
            high: UNKNOWN,
            start: UNKNOWN,
            registered: None,
        };
        self.ids.entry(topic.clone()).or_default().insert(asked.partition, id);
        self.entries.insert(id, entry);
        self.ready.insert((id, id));
    }

    fn forget(&mut self, topic: &TopicKey, index: i32) {
        let Some(ids) = self.ids.get_mut(topic) else { return };
        let id = ids.remove(&index);
        if ids.is_empty() {
            self.ids.remove(topic);
        }
        let Some((id, entry)) = id.and_then(|id| Some((id, self.entries.remove(&id)?))) else { return };
        self.ready.remove(&(entry.turn, id));
        if let Some(partition) = entry.registered {
            partition.unregister(&self.waiter, id);
        }
    }

    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The id of a partition, if it is in the session.
    pub(crate) fn id_of(&self, topic: &FetchTopic<'_>, index: i32) -> Option<u64> {
        self.ids.get(&TopicKey::new(self.by_id, &topic.topic, topic.topic_id))?.get(&index).copied()
    }

    /// Makes every partition one to look at.
    pub(crate) fn look_at_all(&mut self) {
        self.ready.extend(self.entries.iter().map(|(id, entry)| (entry.turn, *id)));
    }

    /// Ids of the partitions to look at, in turn.
    pub(crate) fn ready_ids(&mut self) -> Vec<u64> {
        for id in self.waiter.take_changed() {
            // Forgotten ones may have been woken before they were unregistered.
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.registered = None;
                self.ready.insert((entry.turn, id));
            }
        }
        self.ready.iter().map(|(_, id)| *id).collect()
    }

    /// The entry with this id, which must come from [`Self::ready_ids`] of the same borrow of the session.
    pub(crate) fn entry(&self, id: u64) -> &Entry {
        &self.entries[&id]
    }

    /// Sees that the session hears of what happens to `partition` from now on, and remembers the topic's name.
    pub(crate) fn watch(&mut self, id: u64, partition: &Arc<Partition>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match &entry.registered {
            Some(known) if Arc::ptr_eq(known, partition) => return,
            // A topic made again: its old partition has woken all, or is about to.
            Some(old) => old.unregister(&self.waiter, id),
            None => {}
        }
        partition.register_marked(&self.waiter, id);
        entry.registered = Some(Arc::clone(partition));
        entry.name = Some(Arc::clone(&partition.topic));
    }

    /// Notes what a look saw, before it is known whether there will be an answer now: what is as the client knows
    /// it need not be looked at again until it changes.
    pub(crate) fn note(&mut self, id: u64, seen: &Seen) {
        let Some(entry) = self.entries.get(&id) else { return };
        if seen.bytes == Some(0) && !entry.has_news(seen) {
            self.ready.remove(&(entry.turn, id));
        }
    }

    /// Notes that an answer goes out, in which this was seen; returns whether the partition must be in it.
    pub(crate) fn tell(&mut self, id: u64, seen: &Seen) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let news = entry.has_news(seen);
        let failed = seen.error != ErrorCode::None;
        // Once the error is gone the client must hear of it, whatever the marks are.
        entry.high = if failed { UNKNOWN } else { seen.high };
        entry.start = seen.start;
        let turn = entry.turn;
        if seen.bytes.is_some_and(|bytes| bytes > 0) {
            let later = self.next_number();
            self.ready.remove(&(turn, id));
            self.ready.insert((later, id));
            self.entries.entry(id).and_modify(|entry| entry.turn = later);
        } else if seen.bytes.is_some() && !failed {
            self.ready.remove(&(turn, id));
        }
        news
    }
}

impl Entry {
    /// Whether the client must be told: records, errors, departures, and marks other than those it knows.
    fn has_news(&self, seen: &Seen) -> bool {
        seen.bytes.is_some_and(|bytes| bytes > 0)
            || seen.error != ErrorCode::None
            || seen.diverges
            || seen.high != self.high
            || seen.start != self.start
    }

    /// The partition as it is now; `last` is the topic that was looked up before this one.
    pub(crate) fn resolve(
        &self,
        catalog: &Catalog,
        last: &mut Option<(TopicKey, Option<Arc<Topic>>)>,
    ) -> Result<Arc<Partition>, ErrorCode> {
        if last.as_ref().is_none_or(|(key, _)| *key != self.topic) {
            let topic = match &self.topic {
                TopicKey::Name(name) => catalog.topic(name),
                TopicKey::Id(id) => catalog.topic_by_id(*id),
            };
            *last = Some((self.topic.clone(), topic));
        }
        let topic = last.as_ref().and_then(|(_, topic)| topic.as_ref());
        let topic = topic.ok_or_else(|| self.unknown(catalog))?;
        let partition = topic.partition(PartitionIndex(self.asked.partition));
        partition.cloned().ok_or(ErrorCode::UnknownTopicOrPartition)
    }

    /// Why the topic is not there: its name may have gone to another topic.
    fn unknown(&self, catalog: &Catalog) -> ErrorCode {
        match (&self.topic, &self.name) {
            (TopicKey::Name(_), _) => ErrorCode::UnknownTopicOrPartition,
            (TopicKey::Id(_), Some(name)) if catalog.topic(name).is_some() => ErrorCode::InconsistentTopicId,
            (TopicKey::Id(_), _) => ErrorCode::UnknownTopicId,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, partitions: &[i32]) -> FetchTopic<'static> {
        let asked = |partition: &i32| FetchPartition { partition: *partition, ..Default::default() };
        FetchTopic {
            topic: name.to_owned().into(),
            partitions: partitions.iter().map(asked).collect(),
            ..Default::default()
        }
    }

    const QUIET: Seen = Seen { error: ErrorCode::None, high: 5, start: 0, bytes: Some(0), diverges: false };

    fn order(session: &mut Session) -> Vec<i32> {
        session.ready_ids().into_iter().map(|id| session.entry(id).asked.partition).collect()
    }

    #[test]
    fn epochs_go_round_past_the_greatest_to_1() {
        let mut session = Session::new(false, &[]);
        session.epoch = i32::MAX - 1;
        assert_eq!((session.advance(), session.advance(), session.advance()), (i32::MAX, 1, 2));
    }

    #[test]
    fn news_are_records_errors_and_other_marks() {
        let error = Seen { error: ErrorCode::OffsetOutOfRange, bytes: None, ..QUIET };
        let mut session = Session::new(false, &[topic("t", &[0])]);
        let id = session.ready_ids()[0];
        for (seen, news, why) in [
            (QUIET, true, "nothing was told yet"),
            (QUIET, false, "the same again"),
            (Seen { bytes: None, ..QUIET }, false, "no room to look"),
            (Seen { bytes: None, diverges: true, ..QUIET }, true, "it departs from what the client read"),
            (Seen { bytes: None, diverges: true, ..QUIET }, true, "and is told so again"),
            (Seen { bytes: Some(9), ..QUIET }, true, "records"),
            (Seen { bytes: Some(9), ..QUIET }, true, "records that the client did not step over"),
            (Seen { high: 6, ..QUIET }, true, "the high watermark moved"),
            (Seen { high: 6, start: 2, ..QUIET }, true, "the start moved"),
            (error, true, "an error"),
            (error, true, "an error again"),
            (Seen { high: error.high, ..QUIET }, true, "no error any more"),
        ] {
            session.note(id, &seen);
            assert_eq!(session.tell(id, &seen), news, "{why}");
        }
        assert!(order(&mut session).is_empty(), "all was told");
    }

    #[test]
    fn what_must_yet_be_told_stays_ready_until_it_is() {
        let mut session = Session::new(false, &[topic("t", &[0, 1, 2, 3])]);
        let ids = session.ready_ids();
        ids.iter().for_each(|id| assert!(session.tell(*id, &QUIET)));
        assert!(order(&mut session).is_empty());
        session.look_at_all();
        session.note(ids[0], &QUIET);
        session.note(ids[1], &Seen { high: 9, ..QUIET });
        session.note(ids[2], &Seen { bytes: None, ..QUIET });
        session.note(ids[3], &Seen { bytes: Some(1), ..QUIET });
        assert_eq!(order(&mut session), [1, 2, 3], "only the first is as the client knows it");
    }

    #[test]
    fn who_got_records_goes_to_the_end() {
        let mut session = Session::new(false, &[topic("t", &[0, 1, 2])]);
        let full = Seen { bytes: Some(100), ..QUIET };
        let no_room = Seen { bytes: None, ..QUIET };
        for expected in [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]] {
            assert_eq!(order(&mut session), expected);
            let ids = session.ready_ids();
            session.tell(ids[0], &full);
            ids[1..].iter().for_each(|id| {
                session.tell(*id, &no_room);
            });
        }
    }

    #[test]
    fn asking_again_changes_a_partition_and_forgetting_removes_it() {
        let mut session = Session::new(false, &[topic("a", &[0, 1]), topic("b", &[0])]);
        let mut again = topic("a", &[1, 1, 7]);
        again.partitions[1].fetch_offset = 42;
        session.update(&[again], &[]);
        assert_eq!(session.len(), 4);
        let id = session.id_of(&topic("a", &[]), 1).expect("it is there");
        assert_eq!(session.entry(id).asked.fetch_offset, 42);
        let forgotten = |name: &'static str, partitions: &[i32]| ForgottenTopic {
            topic: name.into(),
            partitions: partitions.to_vec(),
            ..Default::default()
        };
        session.update(&[], &[forgotten("a", &[0, 1, 2, 7]), forgotten("c", &[0])]);
        assert_eq!((session.len(), session.ids.len()), (1, 1));
        assert_eq!(order(&mut session), [0]);
    }
}
