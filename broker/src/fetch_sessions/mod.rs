//! Fetch sessions (KIP-227): clients that fetch the same partitions again and again say so once.
//!
//! A full request opens a session, whose id comes back with the answer. Incremental requests then name only
//! partitions that are new, changed or to be forgotten, and answers bring only those that have news.
//!
//! # Bounds
//! At most `max.incremental.fetch.session.cache.slots` sessions and [`PARTITIONS_MAX`] partitions in them. With no
//! slot free, a new session takes the place of one unused for [`EVICTION_AGE`], else of one older than that which
//! is worth less: of a client rather than a follower, or of fewer partitions. If there is none, the client gets
//! session id 0 and goes on with full requests.
//!
//! # What it leaves out
//! The cache is one map under one lock, held for a line or two per request; Apache Kafka splits its own into several.

mod session;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::error_code::ErrorCode;
use protocol::messages::fetch::FetchRequest;
use storage::Env;
use tokio::time::Instant;

use crate::metrics::{Counter, Gauge, Metrics};
pub(crate) use session::{Seen, Session, TopicKey};

/// A session unused for longer gives way to any other, and one younger to none.
const EVICTION_AGE: Duration = Duration::from_secs(120);
/// Partitions in all sessions together: some 300 bytes each, so 300 MB at the worst.
const PARTITIONS_MAX: usize = 1_000_000;
/// In place of a session id: no session.
const NO_SESSION: i32 = 0;

/// The sessions of all clients.
pub(crate) struct FetchSessions {
    slots_max: usize,
    env: Env,
    cache: Mutex<Cache>,
    metrics: SessionMetrics,
}

#[derive(Default)]
struct Cache {
    slots: HashMap<i32, Slot>,
    /// Partitions in all of them.
    partitions: usize,
}

struct Slot {
    session: Arc<Mutex<Session>>,
    opened: Instant,
    used: Instant,
    partitions: usize,
    /// Whether it belongs to a follower.
    privileged: bool,
}

struct SessionMetrics {
    sessions: Gauge,
    partitions: Gauge,
    evictions: Counter,
}

/// A session that an incremental request goes on with.
pub(crate) struct Continued {
    pub(crate) session: Arc<Mutex<Session>>,
    /// The session's epoch from this request on; another one means that a later request came.
    pub(crate) epoch: i32,
}

impl FetchSessions {
    /// No sessions yet, and at most `slots_max` later.
    pub(crate) fn new(slots_max: usize, env: Env, metrics: &Metrics) -> Self {
        let metrics = SessionMetrics {
            sessions: metrics.gauge("kindred_fetch_sessions", "Fetch sessions that are open.", &[]),
            partitions: metrics.gauge(
                "kindred_fetch_session_partitions",
                "Partitions in fetch sessions.",
                &[],
            ),
            evictions: metrics.counter(
                "kindred_fetch_session_evictions_total",
                "Fetch sessions that gave way to others.",
                &[],
            ),
        };
        Self { slots_max, env, cache: Mutex::default(), metrics }
    }

    /// Keeps `session` if there is room for it; returns its id, or 0.
    pub(crate) fn open(&self, session: Session, privileged: bool, now: Instant) -> i32 {
        let partitions = session.len();
        let slot =
            Slot { session: Arc::new(Mutex::new(session)), opened: now, used: now, partitions, privileged };
        let mut cache = self.cache.lock();
        if cache.partitions + partitions > PARTITIONS_MAX || !self.make_room(&mut cache, &slot) {
            return NO_SESSION;
        }
        let id = self.free_id(&cache);
        cache.partitions += partitions;
        cache.slots.insert(id, slot);
        self.measure(&cache);
        id
    }

    /// Ends a session; nothing happens if there is none of this id.
    pub(crate) fn close(&self, id: i32) {
        let mut cache = self.cache.lock();
        cache.remove(id);
        self.measure(&cache);
    }

    /// Lets an incremental request into its session. `None`: the session has become empty and is closed.
    ///
    /// # Errors
    /// The code to answer with: the session is unknown (the client opens another), the request is not the next one,
    /// or names topics in another way than those before it.
    pub(crate) fn go_on(
        &self,
        request: &FetchRequest<'_>,
        by_id: bool,
        now: Instant,
    ) -> Result<Option<Continued>, ErrorCode> {
        let id = request.session_id;
        let session = self.cache.lock().slots.get(&id).map(|slot| Arc::clone(&slot.session));
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let (partitions, epoch) = {
            let mut session = session.lock();
            if session.epoch() != request.session_epoch {
                return Err(ErrorCode::InvalidFetchSessionEpoch);
            }
            if session.is_by_id() != by_id {
                return Err(ErrorCode::FetchSessionTopicIdError);
            }
            session.update(&request.topics, &request.forgotten_topics_data);
            (session.len(), session.advance())
        };
        let mut cache = self.cache.lock();
        let kept = partitions > 0 && cache.touch(id, partitions, now);
        if !kept {
            cache.remove(id);
        }
        self.measure(&cache);
        match kept {
            true => Ok(Some(Continued { session, epoch })),
            false if partitions == 0 => Ok(None),
            // It outgrew the bound: without a session the client sends full requests.
            false => Err(ErrorCode::FetchSessionIdNotFound),
        }
    }

    /// Sees that one more session fits, which may cost another one its place.
    fn make_room(&self, cache: &mut Cache, newcomer: &Slot) -> bool {
        if cache.slots.len() < self.slots_max {
            return true;
        }
        let Some(evicted) = cache.evictable(newcomer) else { return false };
        cache.remove(evicted);
        self.metrics.evictions.inc();
        true
    }

    /// An id that nobody can guess and no session has.
    fn free_id(&self, cache: &Cache) -> i32 {
        loop {
            let mut bytes = [0; 4];
            self.env.random.fill(&mut bytes);
            let id = i32::from_be_bytes(bytes) & i32::MAX;
            if id != NO_SESSION && !cache.slots.contains_key(&id) {
                return id;
            }
        }
    }

    fn measure(&self, cache: &Cache) {
        self.metrics.sessions.set(i64::try_from(cache.slots.len()).unwrap_or(i64::MAX));
        self.metrics.partitions.set(i64::try_from(cache.partitions).unwrap_or(i64::MAX));
    }
}

impl Cache {
    fn remove(&mut self, id: i32) {
        if let Some(slot) = self.slots.remove(&id) {
            self.partitions -= slot.partitions;
        }
    }

    /// Notes a use; `false` if the session is gone, or its partitions are too many by now.
    fn touch(&mut self, id: i32, partitions: usize, now: Instant) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        let others = self.partitions - slot.partitions;
        if others + partitions > PARTITIONS_MAX {
            return false;
        }
        slot.used = now;
        slot.partitions = partitions;
        self.partitions = others + partitions;
        true
    }

    /// The session that gives way to `newcomer`, if any does. Looks at all of them, which a client with a session
    /// asks for once.
    fn evictable(&self, newcomer: &Slot) -> Option<i32> {
        let now = newcomer.opened;
        let is_old = |since: Instant| now.saturating_duration_since(since) > EVICTION_AGE;
        let (stale, slot) = self.slots.iter().min_by_key(|(_, slot)| slot.used)?;
        if is_old(slot.used) {
            return Some(*stale);
        }
        let worth = |slot: &Slot| (slot.privileged, slot.partitions);
        let gives_way = |slot: &Slot| is_old(slot.opened) || (newcomer.privileged && !slot.privileged);
        let candidates = self.slots.iter().filter(|(_, slot)| gives_way(slot));
        let (least, slot) = candidates.min_by_key(|(id, slot)| (worth(slot), **id))?;
        (worth(newcomer) >= worth(slot)).then_some(*least)
    }
}

#[cfg(test)]
mod tests {
    use protocol::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic};
    use protocol::types::TimestampMs;

    use super::*;

    fn sessions(slots_max: usize) -> FetchSessions {
        let (env, _, _) = Env::simulated(1, TimestampMs(0));
        FetchSessions::new(slots_max, env, &Metrics::default())
    }

    fn topic(partitions: i32) -> FetchTopic<'static> {
        let partitions = (0..partitions).map(|partition| FetchPartition { partition, ..Default::default() });
        FetchTopic { topic: "t".into(), partitions: partitions.collect(), ..Default::default() }
    }

    fn of(partitions: i32) -> Session {
        Session::new(false, &[topic(partitions)])
    }

    fn request(session_id: i32, session_epoch: i32) -> FetchRequest<'static> {
        FetchRequest { session_id, session_epoch, ..Default::default() }
    }

    fn next(
        sessions: &FetchSessions,
        request: &FetchRequest<'_>,
        by_id: bool,
    ) -> Result<Option<i32>, ErrorCode> {
        let continued = sessions.go_on(request, by_id, Instant::now())?;
        Ok(continued.map(|continued| continued.epoch))
    }

    #[test]
    fn requests_come_one_after_the_other_and_name_topics_alike() {
        let sessions = sessions(2);
        let id = sessions.open(of(3), false, Instant::now());
        assert!(id > 0);
        for (asked, by_id, answer) in [
            (request(id.wrapping_add(1) & i32::MAX, 1), false, Err(ErrorCode::FetchSessionIdNotFound)),
            (request(0, 1), false, Err(ErrorCode::FetchSessionIdNotFound)),
            (request(id, 2), false, Err(ErrorCode::InvalidFetchSessionEpoch)),
            (request(id, -2), false, Err(ErrorCode::InvalidFetchSessionEpoch)),
            (request(id, 1), true, Err(ErrorCode::FetchSessionTopicIdError)),
            (request(id, 1), false, Ok(Some(2))),
            (request(id, 1), false, Err(ErrorCode::InvalidFetchSessionEpoch)),
            (request(id, 2), false, Ok(Some(3))),
        ] {
            assert_eq!(next(&sessions, &asked, by_id), answer, "{asked:?}");
        }
    }

    #[test]
    fn a_session_that_forgot_everything_is_closed() {
        let sessions = sessions(2);
        let id = sessions.open(of(2), false, Instant::now());
        assert_eq!((sessions.metrics.sessions.get(), sessions.metrics.partitions.get()), (1, 2));
        let forgotten = ForgottenTopic { topic: "t".into(), partitions: vec![0, 1, 7], ..Default::default() };
        let asked = FetchRequest { forgotten_topics_data: vec![forgotten], ..request(id, 1) };
        assert_eq!(next(&sessions, &asked, false), Ok(None));
        assert_eq!((sessions.metrics.sessions.get(), sessions.metrics.partitions.get()), (0, 0));
        assert_eq!(next(&sessions, &request(id, 2), false), Err(ErrorCode::FetchSessionIdNotFound));
    }

    #[test]
    fn partitions_are_counted_as_they_come_and_go() {
        let sessions = sessions(2);
        let id = sessions.open(of(2), false, Instant::now());
        let asked = FetchRequest { topics: vec![topic(10)], ..request(id, 1) };
        assert_eq!(next(&sessions, &asked, false), Ok(Some(2)));
        assert_eq!(sessions.metrics.partitions.get(), 10);
        sessions.close(id);
        sessions.close(id);
        assert_eq!(sessions.metrics.partitions.get(), 0);
    }

    #[test]
    fn the_bound_on_partitions_refuses_new_sessions_and_ends_growing_ones() {
        let sessions = sessions(10);
        let now = Instant::now();
        let id = sessions.open(of(2), false, now);
        sessions.cache.lock().partitions += PARTITIONS_MAX - 3;
        assert_eq!(sessions.open(of(2), false, now), NO_SESSION);
        assert_ne!(sessions.open(of(1), false, now), NO_SESSION);
        let asked = FetchRequest { topics: vec![topic(3)], ..request(id, 1) };
        assert_eq!(next(&sessions, &asked, false), Err(ErrorCode::FetchSessionIdNotFound));
        assert_eq!(next(&sessions, &request(id, 2), false), Err(ErrorCode::FetchSessionIdNotFound));
    }

    #[test]
    fn who_gives_way_to_whom() {
        // Sessions are there for `opened` seconds and unused for `used`; the newcomer has five partitions.
        struct Case {
            there: (i32, bool),
            opened: u64,
            used: u64,
            newcomer_privileged: bool,
            gives_way: bool,
        }
        let case = |there, opened, used, newcomer_privileged, gives_way| Case {
            there,
            opened,
            used,
            newcomer_privileged,
            gives_way,
        };
        for (i, case) in [
            case((1, false), 0, 0, false, false),     // too young
            case((1, false), 120, 120, false, false), // not older than two minutes
            case((9, true), 121, 121, false, true),   // stale, whatever it is
            case((4, false), 121, 0, false, true),    // smaller
            case((5, false), 121, 0, false, true),    // as large
            case((6, false), 121, 0, false, false),   // larger
            case((1, true), 121, 0, false, false),    // a follower's
            case((9, false), 0, 0, true, true),       // a client's, to a follower
            case((4, true), 0, 0, true, false),       // a young follower's
            case((4, true), 121, 0, true, true),      // an old, smaller follower's
        ]
        .into_iter()
        .enumerate()
        {
            let sessions = sessions(1);
            let start = Instant::now();
            let now = start + Duration::from_secs(1000);
            let ago = |seconds| now - Duration::from_secs(seconds);
            let (partitions, privileged) = case.there;
            let old = sessions.open(of(partitions), privileged, ago(case.opened));
            sessions.cache.lock().slots.entry(old).and_modify(|slot| slot.used = ago(case.used));
            let new = sessions.open(of(5), case.newcomer_privileged, now);
            assert_eq!(new != NO_SESSION, case.gives_way, "case {i}");
            assert_eq!(sessions.metrics.evictions.get(), u64::from(case.gives_way), "case {i}");
            assert_eq!(sessions.cache.lock().slots.len(), 1, "case {i}");
            assert_eq!(sessions.cache.lock().slots.contains_key(&old), !case.gives_way, "case {i}");
        }
    }
}
