//! Other settings while the broker runs, or a state that another version of the models learnt: the log is learnt anew on a
//! thread beside, while what was learnt before goes on learning, answering and writing. Then the new takes its place, whole.
//!
//! ```text
//! settings change ─▶ beside: the log up to the first step kept, then the steps, until it is as far as the feed
//!                    feed:   everything committed ─▶ the last steps ─▶ exchanged ─▶ every list is written anew
//! ```
//! The newcomer follows the journal, so it comes to the very offsets that results stand at: no event counts twice or is
//! missed, and nothing that was written because of one is written again. Lists are: each says what the new settings make
//! of it. Meanwhile both are in memory, and the journal is not shortened.

use std::sync::Arc;

use parking_lot::RwLock;
use protocol::types::Offset;
use recommender::{Config, MODEL_VERSION, Processor};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Worker;
use super::commit::Committed;
use super::learner::{Course, Learner, Unfinished};
use super::step::{InputId, Step};
use crate::handlers::Cx;

/// So few steps may be left for the feed, which waits for them.
const STEPS_LEFT: u64 = 2;

/// A processor that is being made.
pub(super) struct Rebuild {
    config: Config,
    began: Instant,
    done: oneshot::Receiver<Result<(Learner, Committed), Unfinished>>,
    /// Ends it when it is dropped.
    stop: CancellationToken,
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Worker {
    /// Begins to learn the log anew if the settings are not those that were learnt under, and takes over what is done.
    pub(super) async fn rebuild_if_due(&mut self, steps: &mpsc::Sender<Step>) {
        let finished = match &mut self.rebuild {
            Some(rebuild) => rebuild.done.try_recv(),
            None => Err(oneshot::error::TryRecvError::Empty),
        };
        match finished {
            Ok(Ok((learner, last))) => self.take_over(learner, last, steps).await,
            Ok(Err(error)) => {
                warn!(%error, "not learnt anew");
                self.rebuild = None;
            }
            Err(oneshot::error::TryRecvError::Closed) => self.rebuild = None,
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
    }

    /// Compares settings in force and models with those that were learnt under, or are being learnt under.
    pub(super) fn notice_settings(&mut self) {
        let in_force = self.cx.catalog.config();
        let in_force = in_force.recommender();
        if self.rebuild.as_ref().is_some_and(|rebuild| rebuild.config == *in_force) {
            return;
        }
        let other_models = self.learner.model_version != MODEL_VERSION;
        if !other_models && self.learner.model.read().recommender().config() == in_force {
            // Changed back while the other was being made.
            self.rebuild = None;
            return;
        }
        let changed = if other_models { "models" } else { "settings" };
        info!("the recommender's {changed} changed: the log is learnt anew beside what was learnt");
        let (stop, (done, receiver)) = (self.feed.stop.child_token(), oneshot::channel());
        self.rebuild = Some(Rebuild {
            config: in_force.clone(),
            began: Instant::now(),
            done: receiver,
            stop: stop.clone(),
        });
        let (cx, config, stands) = (Arc::clone(&self.cx), in_force.clone(), self.learner.stands.clone());
        let spawned = self.cx.tasks.spawn_thread("kindred-rebuild", move || {
            let made = make(&cx, config, &stands, &stop);
            // The feed may have no more use for it.
            drop(done.send(made));
        });
        if let Err(error) = spawned {
            warn!(%error, "not learnt anew");
        }
    }

    /// Brings the newcomer to where the results stand, and puts it in place.
    async fn take_over(&mut self, mut learner: Learner, last: Committed, steps: &mpsc::Sender<Step>) {
        self.await_committed().await;
        self.hand_over(steps);
        self.await_committed().await;
        let Some(rebuild) = self.rebuild.take() else { return };
        if self.is_committing() || !self.step.is_empty() {
            return;
        }
        let followed = learner.follow(last, &self.feed.stop);
        if followed.is_err() || !self.is_where_results_stand(&learner) {
            warn!("what was learnt anew does not stand where the results do: it is made again");
            return;
        }
        let asked = Arc::clone(&self.feed.processor);
        learner.model.write().queue_everything(&asked.read());
        std::mem::swap(&mut *asked.write(), &mut *learner.model.write());
        learner.model = asked;
        self.learner = learner;
        self.refresh();
        (self.untaken, self.take_due) = (true, Instant::now());
        self.snapshots.take_soon();
        let elapsed_ms = rebuild.began.elapsed().as_millis() as u64;
        info!(elapsed_ms, "the recommender serves what was learnt anew");
    }

    /// Whether a learner has read what the results come from, of what it reads at all.
    fn is_where_results_stand(&self, learner: &Learner) -> bool {
        learner
            .stands
            .iter()
            .all(|(input, next)| self.learner.stands_at(input).is_none_or(|stands| stands == *next))
    }
}

/// Learns the log under other settings up to about where results stand.
fn make(
    cx: &Arc<Cx>,
    config: Config,
    stands: &[(InputId, Offset)],
    stop: &CancellationToken,
) -> Result<(Learner, Committed), Unfinished> {
    let mut learner = Learner::new(Arc::clone(cx), Arc::new(RwLock::new(Processor::new(config))));
    learner.refresh();
    let course = Course::behind(Committed::default(), cx)?;
    let stood = |input: &InputId| stands.iter().find(|(known, _)| known == input).map(|(_, next)| *next);
    let end = |input: &InputId| course.of(input).map(|span| Offset(span.from)).or_else(|| stood(input));
    learner.catch_up(end, stop, |_| {})?;
    let mut last = Committed::default();
    loop {
        let before = last.sequence;
        last = learner.follow(last, stop)?;
        if last.sequence - before <= STEPS_LEFT {
            return Ok((learner, last));
        }
    }
}
