//! How much memory unpacked records may take at once, in the whole process.
//!
//! ```text
//!  work within 4 MiB ──────────────▶ done: the usual case, free of charge
//!      │ too large
//!  work within 16 MiB, reserved ───▶ done, given back
//!      │ too large, given back
//!  work within 64 MiB, … and so on, up to the caller's limit
//! ```
//! A few hundred bytes can unpack to hundreds of megabytes, and any number of clients can send them at once. Who finds
//! the budget spent waits in line, as a blocked thread: those before it are unpacking on threads of their own and wait
//! for nobody, so the line moves. Work must therefore neither wait for anything nor call [`within`] itself.
//!
//! What is not free takes long, whether it waits or not: [`run_large_work_by`] says how such work is done, so that a
//! runtime's workers need not do it.
//!
//! Left out: what is done one at a time anyway (replay, compaction).

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::batch::BatchError;
use super::compression::CompressionError;
use super::convert::ConvertError;
use super::message_set::MessageError;

/// What anyone may take without asking, and a thread keeps for the next time.
const FREE_BYTES: usize = 4 << 20;
/// Each limit is so many times the last.
const STEP: usize = 4;
/// How often unpacked bytes are held: the buffer grows by a copy into one twice as large, then something is built of it.
const COPIES: usize = 3;
/// What all together may have reserved. Whoever wants more gets all of it.
const BUDGET_BYTES: usize = 256 << 20;

static BUDGET: Budget = Budget::new(BUDGET_BYTES);
static RUN_LARGE_WORK: OnceLock<RunWork> = OnceLock::new();

/// A way to run something to its end, at once and on the calling thread.
pub type RunWork = fn(&mut dyn FnMut());

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// From now on work that may wait or take long is run by `run`; the first to say so is heard.
pub fn run_large_work_by(run: RunWork) {
    // A second start in one process (a test) says the same.
    let _ = RUN_LARGE_WORK.set(run);
}

/// Errors that say whether a larger limit might help.
pub trait TooLarge {
    /// Whether the limit was what failed.
    fn is_too_large(&self) -> bool;
}

impl TooLarge for CompressionError {
    fn is_too_large(&self) -> bool {
        matches!(self, CompressionError::TooLarge { .. })
    }
}

impl TooLarge for BatchError {
    fn is_too_large(&self) -> bool {
        matches!(self, BatchError::Compression(error) if error.is_too_large())
    }
}

impl TooLarge for MessageError {
    fn is_too_large(&self) -> bool {
        matches!(self, MessageError::Compression(error) if error.is_too_large())
    }
}

impl TooLarge for ConvertError {
    fn is_too_large(&self) -> bool {
        match self {
            ConvertError::Corrupt(error) => error.is_too_large(),
            ConvertError::CorruptBatch(error) => error.is_too_large(),
            ConvertError::UnsupportedCompression(_) | ConvertError::Invalid(_) => false,
        }
    }
}

/// Calls `work` with a limit and a buffer to unpack into, again with more of both as long as the limit was too low,
/// up to `limit_bytes`.
///
/// # Errors
/// Those of `work`.
pub fn within<T, E: TooLarge>(
    limit_bytes: usize,
    work: impl FnMut(usize, &mut Vec<u8>) -> Result<T, E>,
) -> Result<T, E> {
    within_budget(&BUDGET, limit_bytes, work)
}

fn within_budget<T, E: TooLarge>(
    budget: &Budget,
    limit_bytes: usize,
    mut work: impl FnMut(usize, &mut Vec<u8>) -> Result<T, E>,
) -> Result<T, E> {
    let mut limit = limit_bytes.min(FREE_BYTES);
    let mut scratch = SCRATCH.take();
    let mut done = work(limit, &mut scratch);
    if scratch.capacity() <= 2 * FREE_BYTES {
        SCRATCH.set(scratch);
    } else {
        drop(scratch);
    }
    while limit < limit_bytes && done.as_ref().is_err_and(TooLarge::is_too_large) {
        limit = limit.saturating_mul(STEP).min(limit_bytes);
        let mut again = || {
            let reserved = budget.reserve(limit.saturating_mul(COPIES));
            done = work(limit, &mut Vec::new());
            drop(reserved);
        };
        match RUN_LARGE_WORK.get() {
            Some(run) => run(&mut again),
            None => again(),
        }
    }
    done
}

/// Bytes that are handed out in the order in which they were asked for.
struct Budget {
    total_bytes: usize,
    state: Mutex<Line>,
    moved: Condvar,
}

/// Who is next, and what is out.
struct Line {
    taken_bytes: usize,
    next_ticket: u64,
    called_ticket: u64,
}

impl Budget {
    const fn new(total_bytes: usize) -> Self {
        let line = Line { taken_bytes: 0, next_ticket: 0, called_ticket: 0 };
        Self { total_bytes, state: Mutex::new(line), moved: Condvar::new() }
    }

    /// Waits until `bytes` are free, and takes them until the result is dropped.
    fn reserve(&self, bytes: usize) -> Reserved<'_> {
        let bytes = bytes.min(self.total_bytes);
        let mut line = self.line();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        while line.called_ticket != ticket || line.taken_bytes + bytes > self.total_bytes {
            line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        line.called_ticket += 1;
        line.taken_bytes += bytes;
        drop(line);
        // The next in line may fit beside this one.
        self.moved.notify_all();
        Reserved { budget: self, bytes }
    }

    /// Nothing panics while it holds the lock.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of the budget, given back when dropped.
struct Reserved<'b> {
    budget: &'b Budget,
    bytes: usize,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.budget.line().taken_bytes -= self.bytes;
        self.budget.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::records::Compression;

    const MIB: usize = 1 << 20;

    /// What unpacks to `bytes`, and the limits it was tried with.
    fn tried(bytes: usize, limit_bytes: usize) -> (bool, Vec<usize>) {
        let mut limits = Vec::new();
        let done = within(limit_bytes, |limit, _| {
            limits.push(limit / MIB);
            let error = CompressionError::TooLarge { codec: Compression::Zstd, limit_bytes: limit };
            if bytes > limit { Err(error) } else { Ok(()) }
        });
        (done.is_ok(), limits)
    }

    #[test]
    fn limits_rise_as_far_as_they_must() {
        for (bytes, limit, done, limits) in [
            (1, 256, true, vec![4]),
            (4, 256, true, vec![4]),
            (5, 256, true, vec![4, 16]),
            (65, 256, true, vec![4, 16, 64, 256]),
            (257, 256, false, vec![4, 16, 64, 256]),
            (20, 12, false, vec![4, 12]),
            (20, 20, true, vec![4, 16, 20]),
            (3, 2, false, vec![2]),
        ] {
            assert_eq!(tried(bytes * MIB, limit * MIB), (done, limits), "{bytes} MiB, at most {limit}");
        }
        let mut calls = 0;
        let corrupt: Result<(), _> = within(256 * MIB, |_, _| {
            calls += 1;
            Err(CompressionError::Corrupt(Compression::Gzip))
        });
        assert!(corrupt.is_err() && calls == 1, "nothing is tried again that a larger limit does not mend");
    }

    #[test]
    fn a_small_buffer_is_kept_and_a_large_one_given_back() {
        let capacity = |wanted: usize| {
            let seen = within(256 * MIB, |limit, scratch: &mut Vec<u8>| {
                let before = scratch.capacity();
                if wanted > limit {
                    scratch.reserve_exact(limit);
                    return Err(CompressionError::TooLarge { codec: Compression::Gzip, limit_bytes: limit });
                }
                scratch.reserve_exact(wanted);
                Ok(before)
            });
            seen.unwrap()
        };
        assert_eq!(capacity(MIB), 0);
        assert_eq!(capacity(100 * MIB), 0, "the second attempt has a buffer of its own");
        assert!((MIB..=8 * MIB).contains(&capacity(MIB)));
    }

    #[test]
    fn all_together_stay_within_the_budget_and_all_get_their_turn() {
        let budget = Budget::new(100);
        let (taken, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for number in 0..16 {
                let (budget, taken, most) = (&budget, &taken, &most);
                scope.spawn(move || {
                    for round in 0..50 {
                        // The largest wants more than there is.
                        let bytes = [10, 40, 100, 1_000][(number + round) % 4];
                        let _reserved = budget.reserve(bytes);
                        let now = taken.fetch_add(bytes.min(100), Ordering::SeqCst) + bytes.min(100);
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        taken.fetch_sub(bytes.min(100), Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 100);
        assert_eq!(budget.line().taken_bytes, 0);
    }
}
