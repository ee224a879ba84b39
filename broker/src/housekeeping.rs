//! What a broker does by the clock: sync what is dirty, retire old data, keep group sessions.

use std::sync::Arc;
use std::time::Duration;

use storage::Store;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::handlers::Cx;

/// How often compaction looks for work; retention has its own setting.
const COMPACTION_INTERVAL: Duration = Duration::from_secs(15);

/// Starts the periodic tasks.
pub(crate) fn start(cx: &Arc<Cx>, store: &Arc<Store>) {
    let timers = Arc::clone(&cx.groups);
    let stop = cx.tasks.stopping().clone();
    cx.tasks.spawn("group-timers", async move { timers.run_timers(stop.cancelled()).await });

    let transactions = Arc::clone(&cx.transactions);
    // What a crash left decided and not told is told at once.
    cx.tasks.spawn("transactions-left", async move { transactions.sweep().await });
    let transactions = Arc::clone(&cx.transactions);
    every(cx, "transactions", cx.config.transaction_abort_interval, move || {
        let transactions = Arc::clone(&transactions);
        async move { transactions.sweep().await }
    });
    let transactions = Arc::clone(&cx.transactions);
    every(cx, "transactional-ids", cx.config.transaction_expiry_interval, move || {
        transactions.expire();
        async {}
    });

    let flusher = Arc::clone(cx);
    let stop = cx.tasks.stopping().clone();
    cx.tasks.spawn("flush", async move {
        loop {
            // Read anew each round: it may change while the broker runs.
            let interval = flusher.catalog.config().log_flush_interval;
            tokio::select! {
                () = tokio::time::sleep(interval) => sync_dirty(&flusher),
                () = stop.cancelled() => return,
            }
        }
    });

    let (checkpointer, keeper) = (Arc::clone(cx), Arc::clone(store));
    every(cx, "checkpoint", cx.config.log_flush_offset_checkpoint_interval, move || {
        let (cx, store) = (Arc::clone(&checkpointer), Arc::clone(&keeper));
        async move {
            if let Some(Err(error)) = cx.tasks.blocking(move || store.flush_checkpoints()).await {
                warn!(%error, "checkpoints not written");
            }
        }
    });

    let (maintainer, keeper) = (Arc::clone(cx), Arc::clone(store));
    let interval = cx.config.log_retention_check_interval.min(COMPACTION_INTERVAL);
    every(cx, "maintain", interval, move || {
        let (cx, store) = (Arc::clone(&maintainer), Arc::clone(&keeper));
        async move {
            let now = cx.env.clock.now();
            match cx.tasks.blocking(move || store.maintain(now)).await {
                Some(_) => note_healed(&cx),
                None => warn!("retention and compaction were interrupted"),
            }
            // Fetch sessions tell their clients where logs begin.
            for topic in cx.catalog.topics() {
                topic.partitions().iter().for_each(|partition| partition.wake_if_start_moved());
            }
        }
    });
}

/// Asks for a sync of every partition with unsynced records: what bounds the loss of acks=1.
fn sync_dirty(cx: &Cx) {
    for topic in cx.catalog.topics() {
        for partition in topic.partitions().iter().filter(|partition| partition.is_dirty()) {
            cx.syncer.request(partition);
        }
    }
}

/// Answers producers again whose partitions had failed.
fn note_healed(cx: &Cx) {
    for topic in cx.catalog.topics() {
        topic.partitions().iter().for_each(|partition| partition.note_healed());
    }
}

/// Runs `work` every `interval` until the broker stops; a late round is not made up for.
fn every<F, W>(cx: &Arc<Cx>, name: &'static str, interval: Duration, mut work: W)
where
    F: Future<Output = ()> + Send,
    W: FnMut() -> F + Send + 'static,
{
    let stop = cx.tasks.stopping().clone();
    cx.tasks.spawn(name, async move {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => work().await,
                () = stop.cancelled() => return,
            }
        }
    });
}
