//! The only place that spawns: every task has a name, sees one stop signal, and is waited for.
//!
//! A task that outlives its broker would write to a log that another process may have opened, so
//! [`Tasks::shut_down`] waits for all of them (up to a limit) before the store is closed.

use std::future::Future;
use std::time::Duration;

use protocol::ErrorCode;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, warn};

/// A handle on every task of one broker. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// A new, empty set of tasks.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Starts `future` as the task `name`. It must end soon after [`Tasks::stopping`] fires.
    pub(crate) fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let span = tracing::debug_span!("task", name);
        drop(self.tracker.spawn(future.instrument(span)));
    }

    /// Runs `future` as the task `name` and waits for its result. It runs to its end even if the one who waits goes
    /// away; a broker that stops answers COORDINATOR_NOT_AVAILABLE.
    pub(crate) async fn finish<T, F>(&self, name: &'static str, future: F) -> Result<T, ErrorCode>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ErrorCode>> + Send + 'static,
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // Nobody there any more: the client has gone.
        self.spawn(name, async move { _ = sender.send(future.await) });
        receiver.await.unwrap_or(Err(ErrorCode::CoordinatorNotAvailable))
    }

    /// Runs `work`, which blocks on the disk, on a thread of its own that ends when `work` returns.
    pub(crate) fn spawn_thread<F>(&self, name: &'static str, work: F) -> std::io::Result<()>
    where
        F: FnOnce() + Send + 'static,
    {
        let token = self.tracker.token();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            work();
            drop(token);
        })?;
        Ok(())
    }

    /// Runs `work`, which blocks, off the runtime's workers and waits for its result.
    ///
    /// `None` if the work panicked or the runtime is going away.
    pub(crate) async fn blocking<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.tracker.spawn_blocking(work).await.ok()
    }

    /// The signal that asks every task to end.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Asks every task to end and waits for them, `patience` at most.
    ///
    /// Returns whether all ended in time.
    pub(crate) async fn shut_down(&self, patience: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        let ended = tokio::time::timeout(patience, self.tracker.wait()).await.is_ok();
        if ended {
            debug!("all tasks ended");
        } else {
            warn!(left = self.tracker.len(), "tasks still running after the stop signal");
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shut_down_waits_for_tasks_and_threads() {
        let tasks = Tasks::new();
        let (sent, received) = std::sync::mpsc::channel();
        let stop = tasks.stopping().clone();
        let from_task = sent.clone();
        tasks.spawn("waiter", async move {
            stop.cancelled().await;
            from_task.send("task").expect("the receiver lives");
        });
        tasks.spawn_thread("thread", move || sent.send("thread").expect("the receiver lives")).unwrap();
        assert!(tasks.shut_down(Duration::from_secs(5)).await);
        let mut ended: Vec<_> = received.iter().collect();
        ended.sort_unstable();
        assert_eq!(ended, ["task", "thread"]);
    }

    #[tokio::test]
    async fn shut_down_gives_up_on_a_task_that_ignores_the_signal() {
        let tasks = Tasks::new();
        tasks.spawn("deaf", std::future::pending());
        assert!(!tasks.shut_down(Duration::from_millis(20)).await);
    }
}
