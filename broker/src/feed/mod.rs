//! The feed: committed records into the recommender, changed lists into the output topics.
//!
//! ```text
//! inputs ─▶ learn (write lock, a batch at a time) ─▶ changes ─▶ render (read lock) ─▶ outputs
//!    └─ positions ───────────── committed once every list they changed is written ──────▲
//! ```
//!
//! The recommender lives in memory and is rebuilt from the log at start-up: records up to the offsets
//! committed for the group `kindred-recommender` are learnt again silently, since their lists stand in
//! the output topics already; what follows is learnt and emitted. A crash between writing lists and
//! committing makes those lists be written again, with the same content: the topics are compacted, so
//! a reader sees no difference.
//!
//! Runs on a thread of its own, so that learning never holds up a request.

mod input;
mod metrics;
mod output;
mod render;
pub(crate) mod topics;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use protocol::records::{Header, Record};
use protocol::types::{Epoch, Offset, PartitionIndex};
use recommender::{Changes, Incoming, Position, Recommender, Rejection};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::coordinator::group::requests::{
    CommitPartition, CommitRequest, CommitTopic, FetchOffsetsRequest, NO_GENERATION,
};
use crate::handlers::Cx;
use crate::partitions::DataWaiter;
use input::{InputBatch, Inputs, ReadUpTo};
use metrics::FeedMetrics;
use output::{Output, OutputError};

/// The consumer group whose offsets say what was learnt and emitted.
pub(crate) const GROUP: &str = "kindred-recommender";
/// Records learnt under one hold of the write lock: a reader waits at most that long.
const LEARN_AT_ONCE: usize = 256;
/// How long is learnt before lists are written, if there is that much to learn.
const LEARN_SLICE: Duration = Duration::from_millis(20);
/// How long lists are written before new events are looked at.
const EMIT_SLICE: Duration = Duration::from_millis(10);
/// Lists written to the log at once.
const EMIT_AT_ONCE: usize = 32;
/// How often offsets are committed at most.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How often new topics are looked for.
const REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// The recommender as the rest of the broker sees it.
pub(crate) struct Feed {
    recommender: Arc<RwLock<Recommender>>,
    rebuilt: AtomicBool,
    lag: AtomicI64,
    settled: AtomicBool,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Feed {
    /// The recommender, to be asked. Hold the guard for one question, never across an await.
    pub(crate) fn read(&self) -> parking_lot::RwLockReadGuard<'_, Recommender> {
        self.recommender.read()
    }

    /// Ends the feed once it has committed what it wrote. The coordinator must still be there.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }

    /// The recommender's lock, for those that keep it.
    pub(crate) fn shared(&self) -> Arc<RwLock<Recommender>> {
        Arc::clone(&self.recommender)
    }

    /// Whether everything learnt before the last restart has been learnt again.
    pub(crate) fn is_rebuilt(&self) -> bool {
        self.rebuilt.load(Ordering::Acquire)
    }

    /// Records that wait to be learnt, as of the last round.
    pub(crate) fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Whether everything read was learnt and every changed list written, as of the last round.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }
}

/// Starts the feed's thread.
pub(crate) fn start(cx: &Arc<Cx>) -> std::io::Result<Arc<Feed>> {
    let feed = Arc::new(Feed {
        recommender: Arc::new(RwLock::new(Recommender::new(cx.config.recommender().clone()))),
        rebuilt: AtomicBool::new(false),
        lag: AtomicI64::new(0),
        settled: AtomicBool::new(false),
        stop: CancellationToken::new(),
        stopped: CancellationToken::new(),
    });
    let worker = Worker {
        cx: Arc::clone(cx),
        feed: Arc::clone(&feed),
        metrics: FeedMetrics::new(&cx.metrics),
        inputs: Inputs::default(),
        refresh_due: Instant::now(),
        committed: HashMap::new(),
        round: Round::default(),
        round_due: Instant::now(),
        uncommitted: None,
        commit_due: Instant::now(),
        scratch: Vec::new(),
    };
    let runtime = tokio::runtime::Handle::current();
    cx.tasks.spawn_thread("kindred-feed", move || runtime.block_on(worker.run()))?;
    Ok(feed)
}

/// Lists that are being written, and the positions that may be committed when they are.
#[derive(Default)]
struct Round {
    users: VecDeque<String>,
    items: VecDeque<String>,
    hot: bool,
    /// Present while a round is under way.
    positions: Option<Vec<ReadUpTo>>,
}

impl Round {
    /// Whether every list of the round stands in its topic.
    fn is_written(&self) -> bool {
        !self.hot && self.items.is_empty() && self.users.is_empty()
    }
}

/// The feed's thread.
struct Worker {
    cx: Arc<Cx>,
    feed: Arc<Feed>,
    metrics: FeedMetrics,
    inputs: Inputs,
    refresh_due: Instant,
    /// What is committed.
    committed: HashMap<(String, i32), Offset>,
    round: Round,
    round_due: Instant,
    uncommitted: Option<Vec<ReadUpTo>>,
    commit_due: Instant,
    scratch: Vec<u8>,
}

/// A message that could not be used.
struct DeadLetter {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    offset: Offset,
    rejection: Rejection,
}

impl Worker {
    async fn run(mut self) {
        self.committed = self.fetch_committed().await;
        let began = Instant::now();
        let feed = Arc::clone(&self.feed);
        // However this ends, whoever waits for the end is told.
        let _stopped = feed.stopped.clone().drop_guard();
        while !feed.stop.is_cancelled() {
            self.refresh();
            let learnt = self.learn();
            self.note_progress(began);
            if let Err(error) = self.emit() {
                warn!(%error, "lists not written, trying again");
                tokio::time::sleep(REFRESH_INTERVAL).await;
            }
            self.commit().await;
            if !learnt && self.round.positions.is_none() {
                self.wait().await;
            }
        }
        self.commit_due = Instant::now();
        self.commit().await;
    }

    async fn fetch_committed(&self) -> HashMap<(String, i32), Offset> {
        let request = FetchOffsetsRequest { group_id: GROUP.to_owned(), ..FetchOffsetsRequest::default() };
        let fetched = self.cx.groups.fetch_offsets(request).await;
        let mut committed = HashMap::new();
        for topic in fetched.topics {
            for offset in topic.partitions {
                committed.insert((topic.topic.clone(), offset.partition.0), offset.offset);
            }
        }
        committed
    }

    fn refresh(&mut self) {
        if Instant::now() < self.refresh_due {
            return;
        }
        self.refresh_due = Instant::now() + REFRESH_INTERVAL;
        let config = self.cx.config.recommender();
        let committed = &self.committed;
        let of = |topic: &str, index: PartitionIndex| committed.get(&(topic.to_owned(), index.0)).copied();
        self.inputs.refresh(&self.cx.catalog, |topic| config.role(topic).is_some(), of);
    }

    /// Learns for a while of what is there. Returns whether there was anything.
    fn learn(&mut self) -> bool {
        let until = Instant::now() + LEARN_SLICE;
        let mut any = false;
        while let Some(batch) = self.inputs.next() {
            self.learn_batch(&batch);
            any = true;
            if Instant::now() >= until {
                break;
            }
        }
        any
    }

    fn learn_batch(&mut self, batch: &InputBatch) {
        let is_replay = self.inputs.is_replay(batch.input, batch.end);
        let topic = Arc::clone(self.inputs.topic(batch.input));
        let source = self.inputs.name(batch.input).to_owned();
        let mut dead = Vec::new();
        let mut records = 0;
        let feed = Arc::clone(&self.feed);
        let mut recommender = feed.recommender.write();
        let visited = batch.visit(&mut self.scratch, |record| {
            records += 1;
            if records % LEARN_AT_ONCE == 0 {
                parking_lot::RwLockWriteGuard::bump(&mut recommender);
            }
            let message = Incoming {
                topic: &topic,
                position: Position { source: &source, offset: record.offset.0 },
                key: record.key,
                value: record.value,
                time_ms: time_of(record, &recommender),
            };
            if let Err(rejection) = recommender.ingest(&message) {
                dead.push(DeadLetter::of(record, rejection));
            }
        });
        drop(recommender);
        if let Err(error) = visited {
            warn!(input = source, end = %batch.end, %error, "rest of a batch not learnt");
        }
        self.metrics.learnt(records, dead.len());
        if !is_replay && !dead.is_empty() {
            self.bury(&topic, &source, &dead);
        }
    }

    /// Writes messages that could not be used to the dead-letter topic, as received and with the reason.
    fn bury(&self, topic: &str, source: &str, dead: &[DeadLetter]) {
        let partition = source.rsplit('-').next().unwrap_or_default();
        let buried = Output::to(&self.cx, topics::DEAD_LETTER).and_then(|mut output| {
            for letter in dead {
                letter.write(&mut output, topic, partition)?;
            }
            output.finish()
        });
        if let Err(error) = buried {
            warn!(%error, letters = dead.len(), "dead letters not written");
        }
    }

    fn note_progress(&mut self, began: Instant) {
        self.feed.lag.store(self.inputs.lag(), Ordering::Relaxed);
        if !self.feed.is_rebuilt() && self.inputs.is_caught_up() {
            // What the replay changed was emitted before the restart.
            let mut recommender = self.feed.recommender.write();
            drop(recommender.take_changes(usize::MAX));
            let events = recommender.counters().events;
            drop(recommender);
            self.feed.rebuilt.store(true, Ordering::Release);
            if events > 0 {
                let elapsed_ms = began.elapsed().as_millis() as u64;
                info!(events, elapsed_ms, "recommender rebuilt from the log");
            }
        }
    }

    /// Writes some of the lists that changed, starting a round every `recommender.emit.interval.ms`.
    fn emit(&mut self) -> Result<(), OutputError> {
        if !self.feed.is_rebuilt() {
            return Ok(());
        }
        if self.round.positions.is_none() && Instant::now() >= self.round_due {
            self.begin_round();
        }
        if self.round.positions.is_none() {
            return Ok(());
        }
        self.emit_hot()?;
        let until = Instant::now() + EMIT_SLICE;
        while !self.round.is_written() && Instant::now() < until {
            let (cx, feed, round) = (&self.cx, &self.feed, &mut self.round);
            let items = emit_some(cx, feed, topics::SIMILAR_ITEMS, &mut round.items, render::similar)?;
            let users =
                emit_some(cx, feed, topics::RECOMMENDATIONS, &mut round.users, render::recommendations)?;
            self.metrics.emitted(items + users);
        }
        if self.round.is_written() {
            self.uncommitted = self.round.positions.take();
        }
        Ok(())
    }

    /// Takes everything that changed so far, and the positions that it came from.
    fn begin_round(&mut self) {
        self.round_due = Instant::now() + self.cx.config.recommender_emit_interval;
        let Changes { users, items, hot, .. } = self.feed.recommender.write().take_changes(usize::MAX);
        let is_settled = users.is_empty() && items.is_empty() && !hot && self.inputs.lag() == 0;
        self.feed.settled.store(is_settled, Ordering::Release);
        let positions = Some(self.inputs.positions());
        self.round = Round { users: users.into(), items: items.into(), hot, positions };
    }

    fn emit_hot(&mut self) -> Result<(), OutputError> {
        if !self.round.hot {
            return Ok(());
        }
        let lists = render::hot(&self.feed.read());
        let mut output = Output::to(&self.cx, topics::HOT)?;
        for (key, value) in lists {
            output.write(Some(key.as_bytes()), Some(&value), &[])?;
        }
        output.finish()?;
        self.round.hot = false;
        Ok(())
    }

    /// Commits the positions whose lists are written.
    async fn commit(&mut self) {
        if Instant::now() < self.commit_due {
            return;
        }
        let Some(positions) = self.uncommitted.take() else { return };
        self.commit_due = Instant::now() + COMMIT_INTERVAL;
        let changed: Vec<_> = positions.iter().filter(|position| self.is_news(position)).cloned().collect();
        if changed.is_empty() {
            return;
        }
        let response = self.cx.groups.commit_offsets(commit_request(&changed)).await;
        let refused =
            response.topics.iter().flat_map(|topic| &topic.partitions).find(|(_, error)| !error.is_ok());
        match refused {
            Some((_, error)) => {
                warn!(error = error.name(), "offsets not committed, trying again");
                self.uncommitted = Some(positions);
            }
            None => self.committed.extend(changed.into_iter().map(ReadUpTo::into_entry)),
        }
    }

    fn is_news(&self, position: &ReadUpTo) -> bool {
        let key = (position.topic.to_string(), position.partition.0);
        self.committed.get(&key) != Some(&position.next)
    }

    /// Waits for new records, the next round, or new topics.
    async fn wait(&self) {
        let waiter = DataWaiter::new();
        self.inputs.register(&waiter);
        if self.inputs.lag() > 0 {
            return;
        }
        let round = self.round_due.max(Instant::now() + Duration::from_millis(1));
        let until = round.min(Instant::now() + REFRESH_INTERVAL);
        tokio::select! {
            () = waiter.woken() => {}
            () = tokio::time::sleep_until(until) => {}
            () = self.feed.stop.cancelled() => {}
        }
    }
}

/// A record's time. Messages of the oldest format have none: they count as being as new as the newest.
fn time_of(record: &Record<'_>, recommender: &Recommender) -> i64 {
    if record.timestamp.0 < 0 { recommender.newest_ms() } else { record.timestamp.0 }
}

/// Writes the lists of the first keys of `queue`, and returns how many; keys leave it once their lists
/// are written.
fn emit_some(
    cx: &Cx,
    feed: &Feed,
    topic: &str,
    queue: &mut VecDeque<String>,
    render: impl Fn(&Recommender, &str) -> Option<Vec<u8>>,
) -> Result<usize, OutputError> {
    if queue.is_empty() {
        return Ok(0);
    }
    let some = queue.len().min(EMIT_AT_ONCE);
    let mut output = Output::to(cx, topic)?;
    for key in queue.iter().take(some) {
        // One hold of the lock per list, so that learning gets in between.
        let value = render(&feed.read(), key);
        output.write(Some(key.as_bytes()), value.as_deref(), &[])?;
    }
    output.finish()?;
    queue.drain(..some);
    Ok(some)
}

fn commit_request(positions: &[ReadUpTo]) -> CommitRequest {
    let mut topics: Vec<CommitTopic> = Vec::new();
    for position in positions {
        let partition = CommitPartition {
            partition: position.partition,
            offset: position.next,
            leader_epoch: Epoch::NONE,
            metadata: None,
            committed_at: None,
        };
        match topics.last_mut().filter(|topic| topic.topic == *position.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                topics.push(CommitTopic { topic: position.topic.to_string(), partitions: vec![partition] })
            }
        }
    }
    CommitRequest {
        group_id: GROUP.to_owned(),
        generation: NO_GENERATION,
        topics,
        ..CommitRequest::default()
    }
}

impl ReadUpTo {
    fn into_entry(self) -> ((String, i32), Offset) {
        ((self.topic.to_string(), self.partition.0), self.next)
    }
}

impl DeadLetter {
    fn of(record: &Record<'_>, rejection: Rejection) -> Self {
        let headers = record.headers().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
        Self {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: headers.collect(),
            offset: record.offset,
            rejection,
        }
    }

    fn write(&self, output: &mut Output<'_>, topic: &str, partition: &str) -> Result<(), OutputError> {
        let (offset, message) = (self.offset.to_string(), self.rejection.to_string());
        let told = [
            ("kindred.topic", topic),
            ("kindred.partition", partition),
            ("kindred.offset", &offset),
            ("kindred.reason", self.rejection.code()),
            ("kindred.message", &message),
        ];
        let kept = self.headers.iter().map(|(name, value)| (&name[..], value.as_deref()));
        let told = told.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        let headers: Vec<Header<'_>> = kept.chain(told).collect();
        output.write(self.key.as_deref(), self.value.as_deref(), &headers)
    }
}
