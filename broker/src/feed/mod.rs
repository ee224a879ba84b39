//! The feed: committed records into the recommender, changed lists into the output topics, exactly once.
//!
//! ```text
//!            learn (write lock)          take, render (read lock)             commit, beside
//! inputs ────────────────────▶ state ────────────────────────────▶ step ─────────────────────▶ one transaction:
//!                                │                                                             results, journal,
//!                                └──▶ snapshot, every minute                                   input offsets
//! ```
//! | file | holds |
//! |---|---|
//! | `input` | what is read, and in which order |
//! | `learner` | batches into the processor, live or again |
//! | `learn` | the live part of it |
//! | `answer` | questions of `kindred.requests`, and their replies |
//! | `render` | the JSON of lists |
//! | `step` | what one transaction holds |
//! | `outgoing` | a record to be written |
//! | `output` | records into batches |
//! | `fit` | records too large for their topic: dead letters, cut if need be |
//! | `commit` | steps into transactions |
//! | `judged` | what answers were worth, as metrics |
//! | `journal` | steps as they are written down, to be followed after a restart |
//! | `snapshot`, `keep` | everything learnt, in a file; when |
//! | `resume` | start-up: snapshot, journal, log |
//! | `rebuild` | the log learnt anew under other settings, beside what serves |
//! | `webhook`, `post` | alerts to a URL |
//! | `member` | the place in the consumer group |
//!
//! What the lists say follows from the inputs' records, the order in which partitions were read, and where between two
//! records changed keys were taken off their queue. Keys are taken after every [`TAKE_EVERY`] records, and when
//! everything there is has been learnt, every `recommender.emit.interval.ms`. Order and takes are written down in the
//! transaction that holds the lists, so a restart comes back to the very state, and goes on as if nothing had happened.
//! Over inputs that are all there when it begins, the clock has no part in it.
//!
//! Runs on a thread of its own, so that learning never holds up a request.

mod answer;
mod commit;
mod fit;
mod input;
mod journal;
mod judged;
mod keep;
mod learn;
mod learner;
mod member;
mod metrics;
mod outgoing;
mod output;
mod post;
mod rebuild;
mod render;
mod resume;
mod snapshot;
mod step;
pub(crate) mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use protocol::types::Offset;
use recommender::processor::topics;
use recommender::{Processor, Recommender};
use storage::SideFiles;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handlers::Cx;
use crate::partitions::DataWaiter;
use commit::{Committed, Committer};
use keep::Snapshots;
use learner::{Due, Learner};
use member::{Member, Reading};
use metrics::FeedMetrics;
use outgoing::Outgoing;
use rebuild::Rebuild;
use step::{Step, Taken};

/// The consumer group whose offsets say up to where results stand.
pub(crate) const GROUP: &str = "kindred-recommender";
/// Records learnt under one hold of the write lock: a reader waits at most that long.
const LEARN_AT_ONCE: usize = 32;
/// How long is learnt before anything else is looked at, if there is that much to learn.
const LEARN_SLICE: Duration = Duration::from_millis(20);
/// Keys are taken after so many records, in whole batches, while there are more.
const TAKE_EVERY: usize = 4096;
/// Users taken at once at most, and as many items: some milliseconds of rendering, for which learning waits.
const TAKE_AT_ONCE: usize = 64;
/// Hot lists are written after so many records, in whole batches, while there are more.
const HOT_EVERY: usize = 16_384;
/// A step that has grown to this is committed at once.
const STEP_BYTES: usize = 4 << 20;
/// A step that has grown to this waits for the one before it, and learning waits with it.
const STEP_BYTES_MAX: usize = 16 << 20;
/// The same in runs of input, which the journal has to hold.
const STEP_RUNS_MAX: usize = 50_000;
/// How often new topics are looked for.
const REFRESH_INTERVAL: Duration = Duration::from_millis(100);
/// How long a stop waits for the last step to be committed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The recommender as the rest of the broker sees it.
pub(crate) struct Feed {
    processor: Arc<RwLock<Processor>>,
    rebuilt: AtomicBool,
    lag: AtomicI64,
    settled: AtomicBool,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Feed {
    /// The processor, to be asked. Hold the guard for one question, never across an await.
    pub(crate) fn read(&self) -> parking_lot::RwLockReadGuard<'_, Processor> {
        self.processor.read()
    }

    /// Ends the feed once it has committed what it learnt. The coordinators must still be there.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }

    /// The same, for those that keep it.
    pub(crate) fn shared(&self) -> Arc<RwLock<Processor>> {
        Arc::clone(&self.processor)
    }

    /// Whether everything learnt before the last restart has been learnt again.
    pub(crate) fn is_rebuilt(&self) -> bool {
        self.rebuilt.load(Ordering::Acquire)
    }

    /// Records that wait to be learnt, as of the last round.
    pub(crate) fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Whether everything read was learnt and every changed list committed, as of the last round.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }
}

/// Starts the feed's thread.
pub(crate) fn start(cx: &Arc<Cx>) -> std::io::Result<Arc<Feed>> {
    let feed = Arc::new(Feed {
        processor: Arc::new(RwLock::new(Processor::new(cx.catalog.config().recommender().clone()))),
        rebuilt: AtomicBool::new(false),
        lag: AtomicI64::new(0),
        settled: AtomicBool::new(false),
        stop: CancellationToken::new(),
        stopped: CancellationToken::new(),
    });
    judged::watch(&cx.metrics, &feed.processor);
    let files = SideFiles::new(Arc::clone(&cx.env.disk), cx.config.data_dir(), snapshot::PREFIX);
    let now = Instant::now();
    let worker = Worker {
        learner: Learner::new(Arc::clone(cx), Arc::clone(&feed.processor)),
        rebuild: None,
        metrics: FeedMetrics::new(&cx.metrics, Arc::clone(&cx.env.clock)),
        refresh_due: now,
        reading: watch::Sender::new(Reading::new()),
        untaken: true,
        take_due: now,
        step: Step::default(),
        commit_due: now,
        sequence: 0,
        committed: watch::Sender::new(Committed::default()).subscribe(),
        snapshots: Snapshots::new(files, cx.catalog.config().recommender_snapshot_interval),
        urgent: false,
        cx: Arc::clone(cx),
        feed: Arc::clone(&feed),
    };
    let runtime = tokio::runtime::Handle::current();
    cx.tasks.spawn_thread("kindred-feed", move || runtime.block_on(worker.run()))?;
    Ok(feed)
}

/// The feed's thread.
struct Worker {
    cx: Arc<Cx>,
    feed: Arc<Feed>,
    /// The processor that is asked, and how far it has read.
    learner: Learner,
    /// Another that is being made in its place.
    rebuild: Option<Rebuild>,
    metrics: FeedMetrics,
    refresh_due: Instant,
    /// What the member of the group reads.
    reading: watch::Sender<Reading>,
    /// Something was learnt, and not every key that it changed has been taken.
    untaken: bool,
    take_due: Instant,
    /// What was learnt and taken since the last commit began.
    step: Step,
    commit_due: Instant,
    /// The last step that was handed over.
    sequence: u64,
    committed: watch::Receiver<Committed>,
    snapshots: Snapshots,
    /// Somebody waits for what is in the step.
    urgent: bool,
}

impl Worker {
    async fn run(mut self) {
        let feed = Arc::clone(&self.feed);
        // However this ends, whoever waits for the end is told.
        let _stopped = feed.stopped.clone().drop_guard();
        self.refresh();
        let (leave, give_up) = (CancellationToken::new(), CancellationToken::new());
        let (identity, joined) = watch::channel(None);
        let member = Member {
            cx: Arc::clone(&self.cx),
            reading: self.reading.subscribe(),
            identity,
            stop: leave.clone(),
        };
        let member = tokio::spawn(member.run());
        let mut committer = Committer::new(Arc::clone(&self.cx), joined, give_up.clone());
        let begun = tokio::select! {
            begun = committer.begin() => begun,
            () = feed.stop.cancelled() => false,
        };
        if begun && let Some(last) = self.resume().await {
            self.sequence = last.sequence;
            committer.resume(last);
            feed.rebuilt.store(true, Ordering::Release);
            let (steps, taken) = mpsc::channel(1);
            let (done, committed) = watch::channel(last);
            self.committed = committed;
            let committing = tokio::spawn(committer.run(taken, done));
            self.serve(&steps).await;
            self.finish(&steps, &give_up).await;
            drop(steps);
            // It ends with the steps.
            drop(committing.await);
        } else {
            feed.stop.cancelled().await;
        }
        leave.cancel();
        drop(member.await);
    }

    /// Learns, takes and commits until stopped.
    async fn serve(&mut self, steps: &mpsc::Sender<Step>) {
        let stop = self.feed.stop.clone();
        self.notice_settings();
        while !stop.is_cancelled() {
            if Instant::now() >= self.refresh_due {
                self.refresh();
                self.notice_settings();
            }
            self.rebuild_if_due(steps).await;
            let exhausted = self.learn();
            if self.urgent {
                self.hand_over(steps);
            }
            self.take_if_due(exhausted);
            self.hand_over_if_due(steps);
            self.note_progress(exhausted);
            self.snapshot_if_due(steps).await;
            if self.step.size_bytes >= STEP_BYTES_MAX || self.step.runs >= STEP_RUNS_MAX {
                self.await_committed().await;
            } else if exhausted {
                self.wait().await;
            }
        }
    }

    /// Commits what was learnt and takes a last snapshot; gives up on a disk that takes nothing.
    async fn finish(&mut self, steps: &mpsc::Sender<Step>, give_up: &CancellationToken) {
        let settled = tokio::time::timeout(STOP_PATIENCE, async {
            self.all_committed().await;
            self.hand_over(steps);
            self.all_committed().await;
        });
        let settled = settled.await;
        give_up.cancel();
        if settled.is_ok() && !self.is_committing() {
            self.snapshot_at_stop().await;
        }
    }

    fn emit_interval(&self) -> Duration {
        self.cx.catalog.config().recommender_emit_interval
    }

    fn refresh(&mut self) {
        self.refresh_due = Instant::now() + REFRESH_INTERVAL;
        if self.learner.refresh() {
            self.reading.send_replace(self.learner.inputs.reading());
        }
    }

    /// Takes changed keys if enough was learnt, or, with everything learnt, enough time has passed.
    fn take_if_due(&mut self, exhausted: bool) {
        if self.learner.has_its_fill() {
            self.take(false);
        } else if exhausted && self.untaken && Instant::now() >= self.take_due {
            self.take(true);
        }
    }

    /// Takes changed keys and puts their lists into the step.
    fn take(&mut self, exhausted: bool) {
        let nothing_read = self.learner.since_take == 0;
        let hot_due = exhausted || self.learner.since_hot >= HOT_EVERY;
        let Due { changes, features, summaries } = self.learner.take(TAKE_AT_ONCE, hot_due);
        let hot = summaries.is_some();
        self.untaken = !exhausted || changes.more;
        let interval = if changes.more { Duration::ZERO } else { self.emit_interval() };
        self.take_due = Instant::now() + interval;
        let nothing = changes.users.is_empty() && changes.items.is_empty() && features.is_empty() && !hot;
        if nothing && nothing_read {
            return;
        }
        self.step.take(Taken { limit: TAKE_AT_ONCE, hot });
        let lists = changes.users.len() + changes.items.len();
        let tenant = changes.tenant.as_deref();
        self.render(topics::SIMILAR_ITEMS, tenant, changes.items, render::similar);
        self.render(topics::RECOMMENDATIONS, tenant, changes.users, render::recommendations);
        features.into_iter().filter_map(Outgoing::summary).for_each(|record| self.step.write(record));
        if let Some(summaries) = summaries {
            self.render_hot();
            summaries.into_iter().filter_map(Outgoing::summary).for_each(|record| self.step.write(record));
        }
        self.metrics.emitted(lists);
    }

    fn render(
        &mut self,
        topic: &'static str,
        tenant: Option<&str>,
        ids: Vec<String>,
        render: impl Fn(&Recommender, Option<&str>, &str) -> Option<Vec<u8>>,
    ) {
        for id in ids {
            // One hold of the lock a list, so that nobody who asks waits for all of them.
            let processor = self.learner.model.read();
            let Some(recommender) = processor.recommender().tenant(tenant) else { continue };
            let (value, newest_ms) = (render(recommender, tenant, &id), recommender.newest_ms());
            drop(processor);
            self.step.write(Outgoing::list(topic, newest_ms, render::key(tenant, &id), value));
        }
    }

    fn render_hot(&mut self) {
        let processor = self.learner.model.read();
        let recommender = processor.recommender();
        let (lists, newest_ms) = (render::hot(recommender), recommender.newest_of_all_ms());
        drop(processor);
        for (key, value) in lists {
            self.step.write(Outgoing::list(topics::HOT, newest_ms, key, Some(value)));
        }
    }

    fn is_committing(&self) -> bool {
        self.committed.borrow().sequence < self.sequence
    }

    fn hand_over_if_due(&mut self, steps: &mpsc::Sender<Step>) {
        if Instant::now() >= self.commit_due || self.step.size_bytes >= STEP_BYTES {
            self.hand_over(steps);
        }
    }

    /// Hands the step to the committer, unless that has one already.
    fn hand_over(&mut self, steps: &mpsc::Sender<Step>) {
        if self.step.is_empty() || self.is_committing() {
            return;
        }
        self.urgent = false;
        let mut step = std::mem::take(&mut self.step);
        step.entry.sequence = self.sequence + 1;
        for (input, span) in step.inputs.iter().zip(&step.entry.inputs) {
            self.learner.note_stands(input.clone(), Offset(span.to));
        }
        self.sequence += 1;
        self.commit_due = Instant::now() + self.emit_interval();
        self.metrics.stepped();
        // The one before is committed, so there is room; without a committer the stop is under way.
        drop(steps.try_send(step));
    }

    /// Waits until every step handed over is committed, or the committer has given up.
    async fn all_committed(&mut self) {
        let sequence = self.sequence;
        drop(self.committed.wait_for(|committed| committed.sequence >= sequence).await);
    }

    /// The same, or until a stop.
    async fn await_committed(&mut self) {
        let stop = self.feed.stop.clone();
        tokio::select! {
            () = self.all_committed() => {}
            () = stop.cancelled() => {}
        }
    }

    fn note_progress(&self, exhausted: bool) {
        self.feed.lag.store(self.learner.inputs.lag(), Ordering::Relaxed);
        let idle = exhausted && !self.untaken && self.step.is_empty() && !self.is_committing();
        let settled = idle && self.rebuild.is_none();
        self.feed.settled.store(settled, Ordering::Release);
    }

    /// Waits for new records, for what is due, or for new topics.
    async fn wait(&mut self) {
        let waiter = DataWaiter::new();
        self.learner.inputs.register(&waiter);
        if self.learner.inputs.have_more() {
            return;
        }
        let mut until = self.refresh_due;
        if self.untaken {
            until = until.min(self.take_due);
        }
        let committing = self.is_committing();
        if !self.step.is_empty() && !committing {
            until = until.min(self.commit_due);
        }
        let stop = self.feed.stop.clone();
        tokio::select! {
            () = waiter.woken() => {}
            () = tokio::time::sleep_until(until) => {}
            _ = self.committed.changed(), if committing => {}
            () = stop.cancelled() => {}
        }
    }
}
