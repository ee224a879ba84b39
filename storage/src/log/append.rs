//! Appending: batches get their offsets and go to the active segment in one vectored write.
//!
//! ```text
//!  client's bytes:  [header|body........][header|body..]
//!                              │ checked before any lock (validate.rs)
//!  stack/scratch:   [patched header]      [patched header]      offset, epoch (and time, checksum)
//!  pwritev:         [patched header][body][patched header][body]
//! ```
//! Bodies are never copied. Nothing of an append is visible, remembered or answered unless all of it was written.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::records::batch::{Batch, Batches, HEADER_SIZE};
use protocol::records::control::{Marker, Outcome};
use protocol::types::{Epoch, Offset, ProducerId, TimestampMs};

use super::validate::{self, Correction};
use super::{Marks, PartitionLog, is_full, segment_limits};
use crate::config::{LogConfig, TimestampSource};
use crate::error::{AppendError, LogFailed};
use crate::producers::{EndMarker, Origin, ProducerBatch, Producers, Update};
use crate::segment::head::{Head, PatchedHeader};
use crate::segment::{Paths, Segment};

/// Where the offsets of appended records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSource {
    /// The log gives them, from its end on.
    Assign,
    /// The batches bring them (and their leader epochs); they must not lie before the log's end.
    Keep,
}

/// How to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendOptions {
    /// Who made the batches.
    pub origin: Origin,
    /// Where their offsets come from.
    pub offsets: OffsetSource,
    /// The broker's time.
    pub now: TimestampMs,
    /// For transaction markers: the feature level `transaction.version` of the transaction they end.
    pub transaction_version: i16,
}

impl AppendOptions {
    /// For batches of a client.
    pub fn client(now: TimestampMs) -> Self {
        Self { origin: Origin::Client, offsets: OffsetSource::Assign, now, transaction_version: 0 }
    }

    /// For batches that a coordinator of this broker made.
    pub fn internal(now: TimestampMs) -> Self {
        Self { origin: Origin::Internal, ..Self::client(now) }
    }

    /// For batches of another log, which keep their offsets.
    pub fn replicated(now: TimestampMs) -> Self {
        Self { origin: Origin::Replicated, offsets: OffsetSource::Keep, ..Self::client(now) }
    }
}

/// Batches that may be appended to the log that checked them, by its settings at that time.
#[derive(Debug)]
pub struct Checked<'a> {
    batches: &'a [u8],
    options: AppendOptions,
    config: Arc<LogConfig>,
    /// What is wrong in headers.
    corrections: Vec<Correction>,
}

impl Checked<'_> {
    /// The time given to the records, if the topic uses the broker's.
    fn append_time(&self) -> Option<TimestampMs> {
        match self.config.message_timestamp_type {
            TimestampSource::LogAppendTime if self.options.origin != Origin::Replicated => {
                Some(self.options.now)
            }
            _ => None,
        }
    }
}

/// Where appended batches landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the first record.
    pub base_offset: Offset,
    /// The offset of the last.
    pub last_offset: Offset,
    /// The time given to the records, if the topic uses the broker's.
    pub log_append_time: Option<TimestampMs>,
    /// The first offset the log keeps.
    pub start_offset: Offset,
    /// The batch was in the log before: nothing was written, and the offsets are those of the first time.
    pub duplicate: bool,
    /// Bytes written.
    pub bytes: u64,
}

/// What only the one who appends may touch.
pub(super) struct Appender {
    pub(super) producers: Producers,
    /// When the active segment's first batch says it was made, once known.
    pub(super) first_timestamp: Option<TimestampMs>,
    /// Taken off `segment.ms` for the active segment.
    pub(super) roll_jitter_ms: i64,
    /// Offsets of the producer snapshots on disk.
    pub(super) snapshots: Vec<Offset>,
    /// The last of them that was synced.
    pub(super) synced_snapshot: Option<Offset>,
    /// Scratch, kept to save allocations.
    update: Update,
    headers: Vec<PatchedHeader>,
    heads: Vec<Head>,
}

impl Appender {
    pub(super) fn new(producers: Producers, roll_jitter_ms: i64, snapshots: Vec<Offset>) -> Self {
        Self {
            producers,
            first_timestamp: None,
            roll_jitter_ms,
            snapshots,
            synced_snapshot: None,
            update: Update::default(),
            headers: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// The batch of an earlier append that these batches repeat, if a client sends them again.
    fn find_duplicate(&self, checked: &Checked<'_>, start_offset: Offset) -> Option<Appended> {
        if checked.options.origin != Origin::Client {
            return None;
        }
        Batches::new(checked.batches).filter_map(Result::ok).filter(has_producer).find_map(|batch| {
            let found = self.producers.duplicate_of(
                batch.producer_id(),
                batch.producer_epoch(),
                batch.base_sequence(),
                batch.last_sequence(),
            )?;
            Some(Appended {
                base_offset: found.first_offset(),
                last_offset: found.last_offset,
                log_append_time: checked.append_time(),
                start_offset,
                duplicate: true,
                bytes: 0,
            })
        })
    }

    /// Whether the producer of each batch has a transaction open, in the batch's epoch.
    fn have_open(&self, checked: &Checked<'_>) -> bool {
        Batches::new(checked.batches)
            .filter_map(Result::ok)
            .all(|batch| self.producers.has_open(batch.producer_id(), batch.producer_epoch()))
    }

    /// Gives every batch its place and checks it against what is known of its producer. Fills the scratch.
    fn place(&mut self, checked: &Checked<'_>, end: Offset, leader_epoch: Epoch) -> Result<(), AppendError> {
        let Checked { batches, options, corrections, .. } = checked;
        let append_time = checked.append_time();
        self.update.clear();
        self.headers.clear();
        self.heads.clear();
        let mut next = end;
        for (number, batch) in Batches::new(batches).enumerate() {
            let batch = batch.map_err(validate::corrupt)?;
            let mut header = PatchedHeader::copy_of(batch.as_bytes());
            match options.offsets {
                OffsetSource::Assign => header.set_place(next, leader_epoch),
                OffsetSource::Keep if batch.base_offset() < next => {
                    return Err(AppendError::OffsetsOutOfOrder { end: next, got: batch.base_offset() });
                }
                OffsetSource::Keep => {}
            }
            if let Some(now) = append_time {
                header.set_log_append_time(now, batch.body());
            } else if let Some(found) = corrections.iter().find(|found| found.batch == number) {
                header.set_max_timestamp(found.max_timestamp, batch.body());
            }
            let mut head = Head::parse(&header.0).map_err(validate::corrupt)?;
            head.size_bytes = batch.size_bytes() as u64;
            if has_producer(&batch) {
                self.producers.check(
                    &mut self.update,
                    &producer_batch(&batch, &head),
                    options.origin,
                    options.transaction_version,
                    options.now,
                )?;
            }
            next = head.last_offset.next();
            self.headers.push(header);
            self.heads.push(head);
        }
        Ok(())
    }
}

/// Whether a batch is of an idempotent or transactional producer.
fn has_producer(batch: &Batch<'_>) -> bool {
    batch.producer_id() != ProducerId::NONE
}

/// What producers' state needs to know of a batch at its place.
pub(super) fn producer_batch(batch: &Batch<'_>, head: &Head) -> ProducerBatch {
    ProducerBatch {
        producer_id: batch.producer_id(),
        epoch: batch.producer_epoch(),
        first_sequence: batch.base_sequence(),
        last_sequence: batch.last_sequence(),
        first_offset: head.base_offset,
        last_offset: head.last_offset,
        timestamp: head.max_timestamp,
        transactional: batch.is_transactional(),
        control: batch.is_control().then(|| end_marker(batch)),
    }
}

/// The end of a transaction that a control batch holds; `None` if it is another kind, or compaction removed it.
fn end_marker(batch: &Batch<'_>) -> Option<EndMarker> {
    let marker = Marker::parse(&batch.records().next()?.ok()?)?;
    Some(EndMarker {
        commit: marker.outcome == Outcome::Commit,
        coordinator_epoch: marker.coordinator_epoch.0,
    })
}

impl PartitionLog {
    /// Appends whole v2 batches and returns where they landed.
    ///
    /// This is the one door: sizes, magic, checksum, counts, and the rules of the topic are checked here, once.
    /// The records are readable when it returns; they are durable once [`Self::sync`] covers `last_offset`.
    ///
    /// # Shapes and units
    /// `batches`: one or more v2 batches back to back, each at most `max.message.bytes` as they are, all together at
    /// most `segment.bytes`. `leader_epoch`: written into each batch, unless they keep their offsets.
    ///
    /// # Errors
    /// Nothing is written and nothing remembered after an error; see [`AppendError`].
    pub fn append(
        &self,
        batches: &[u8],
        leader_epoch: Epoch,
        options: &AppendOptions,
    ) -> Result<Appended, AppendError> {
        self.append_checked(&self.check(batches, options)?, leader_epoch)
    }

    /// The first half of [`Self::append`]: all that can be said of the batches without a look at the log.
    /// Unpacks compressed ones, so this is where the time goes; takes no lock.
    ///
    /// # Errors
    /// What is wrong with the batches.
    pub fn check<'a>(&self, batches: &'a [u8], options: &AppendOptions) -> Result<Checked<'a>, AppendError> {
        let config = self.config();
        let corrections = validate::validate(batches, &config, options)?;
        Ok(Checked { batches, options: *options, config, corrections })
    }

    /// The second half of [`Self::append`], for batches that [`Self::check`] of this log let pass.
    ///
    /// # Errors
    /// The batches do not fit to what the log knows of their producers, or the disk does not take them.
    pub fn append_checked(
        &self,
        checked: &Checked<'_>,
        leader_epoch: Epoch,
    ) -> Result<Appended, AppendError> {
        let appender = &mut *self.appender.lock();
        self.check_usable()?;
        match appender.find_duplicate(checked, self.marks().start()) {
            Some(duplicate) => Ok(duplicate),
            None => self.append_new(appender, checked, leader_epoch),
        }
    }

    /// As [`Self::append_checked`], but only if the producer of each batch has a transaction open in this log, in the
    /// batch's epoch; else `None`, and nothing has happened.
    ///
    /// # Errors
    /// As [`Self::append_checked`].
    pub fn append_to_open_transaction(
        &self,
        checked: &Checked<'_>,
        leader_epoch: Epoch,
    ) -> Result<Option<Appended>, AppendError> {
        let appender = &mut *self.appender.lock();
        self.check_usable()?;
        match appender.find_duplicate(checked, self.marks().start()) {
            Some(duplicate) => Ok(Some(duplicate)),
            None if !appender.have_open(checked) => Ok(None),
            None => self.append_new(appender, checked, leader_epoch).map(Some),
        }
    }

    /// Places, writes and publishes batches.
    fn append_new(
        &self,
        appender: &mut Appender,
        checked: &Checked<'_>,
        leader_epoch: Epoch,
    ) -> Result<Appended, AppendError> {
        let Checked { batches, options, config, .. } = checked;
        appender.place(checked, self.marks().end(), leader_epoch)?;
        let segment = self.segment_for(appender, config, batches.len() as u64, options.now)?;
        self.write(&segment, batches, &appender.headers)?;
        Ok(self.publish(appender, &segment, checked, leader_epoch))
    }

    /// The active segment, after rolling if the placed batches do not belong into the present one.
    fn segment_for(
        &self,
        appender: &mut Appender,
        config: &LogConfig,
        bytes: u64,
        now: TimestampMs,
    ) -> Result<Arc<Segment>, AppendError> {
        let active = self.active();
        let (Some(first), Some(last)) = (appender.heads.first(), appender.heads.last()) else {
            return Ok(active);
        };
        let last_offset = last.last_offset;
        // A segment begins where the last one ended, even if batches bring later offsets of their own, unless
        // those would be out of its reach.
        let end = self.marks().end();
        let base = if last_offset - end < i64::from(i32::MAX) { end } else { first.base_offset };
        let batches = appender.heads.len() as u64;
        let has_room = active.has_room(batches, bytes, last_offset, config.segment_bytes);
        if has_room && !self.is_due(appender, &active, config, now) {
            return Ok(active);
        }
        if active.size_bytes() == 0 && active.base() == base && active.has_room(0, 0, last_offset, u64::MAX) {
            return Ok(active);
        }
        self.roll(appender, base, config, now).map_err(|error| self.write_error(&active, error))
    }

    /// Whether the active segment is older than `segment.ms`, by the time of the placed batches or, if those carry
    /// none, by the clock.
    fn is_due(
        &self,
        appender: &mut Appender,
        active: &Segment,
        config: &LogConfig,
        now: TimestampMs,
    ) -> bool {
        if active.size_bytes() == 0 {
            return false;
        }
        if appender.first_timestamp.is_none() {
            appender.first_timestamp = active.first_timestamp().ok().flatten();
        }
        let youngest = appender.heads.iter().map(|head| head.max_timestamp).max();
        let waited_ms = match (appender.first_timestamp, youngest) {
            (Some(first), Some(youngest)) if first.0 >= 0 => youngest.0.saturating_sub(first.0),
            _ => now.0.saturating_sub(active.created().0),
        };
        let limit_ms = match config.cleanup_policy.compact {
            // Only sealed segments are compacted.
            true => config.segment_ms.min(config.max_compaction_lag_ms),
            false => config.segment_ms,
        };
        waited_ms > limit_ms.saturating_sub(appender.roll_jitter_ms)
    }

    /// Seals the active segment and begins a new one at `base`.
    pub(super) fn roll(
        &self,
        appender: &mut Appender,
        base: Offset,
        config: &LogConfig,
        now: TimestampMs,
    ) -> io::Result<Arc<Segment>> {
        let old = self.active();
        let old_file = old.file()?;
        old.seal()?;
        self.write_snapshot(appender)?;
        let paths = Paths::new(&self.dir, base, "");
        let new = Arc::new(Segment::create(self.env.disk.clone(), paths, base, segment_limits(config), now)?);
        let replaced = old.size_bytes() == 0;
        self.unsynced.lock().rolled(old.clone(), old_file);
        {
            let mut segments = self.segments.write();
            let mut list = Vec::clone(&segments);
            if replaced {
                list.pop();
            }
            list.push(new.clone());
            *segments = Arc::new(list);
        }
        old.retire();
        if replaced {
            self.discard(&[old]);
        }
        appender.first_timestamp = None;
        appender.roll_jitter_ms = self.roll_jitter_ms(config);
        tracing::debug!(log = self.name(), base_offset = base.0, "rolled");
        Ok(new)
    }

    /// Writes the placed batches behind the end of `segment`, all or nothing.
    fn write(&self, segment: &Segment, batches: &[u8], headers: &[PatchedHeader]) -> Result<(), AppendError> {
        let written = match headers {
            [header] => segment.write(&mut [IoSlice::new(&header.0), IoSlice::new(&batches[HEADER_SIZE..])]),
            headers => {
                let mut parts = Vec::with_capacity(2 * headers.len());
                for (batch, header) in Batches::new(batches).filter_map(Result::ok).zip(headers) {
                    parts.push(IoSlice::new(&header.0));
                    parts.push(IoSlice::new(&batch.as_bytes()[HEADER_SIZE..]));
                }
                segment.write(&mut parts)
            }
        };
        written.map_err(|error| self.write_error(segment, error))?;
        if self.full.load(Ordering::Relaxed) && self.full.swap(false, Ordering::Relaxed) {
            tracing::info!(log = self.name(), "there is room again");
        }
        Ok(())
    }

    /// After a failed write: undoes it if the disk is merely full, ends the log otherwise.
    fn write_error(&self, segment: &Segment, error: io::Error) -> AppendError {
        let path = &segment.paths().log;
        match is_full(&error).then(|| segment.roll_back()) {
            Some(Ok(())) => {
                // Once, not for every append that is refused.
                if !self.full.swap(true, Ordering::Relaxed) {
                    tracing::error!(log = self.name(), file = %path.display(), reason = %error, "cannot append");
                }
                AppendError::DiskFull { path: path.clone() }
            }
            Some(Err(error)) => AppendError::Failed(self.fail_until_healed(path, &error)),
            None => AppendError::Failed(self.fail_until_healed(path, &error)),
        }
    }

    /// Makes written batches visible, and their producers, epochs and transactions known.
    fn publish(
        &self,
        appender: &mut Appender,
        segment: &Segment,
        checked: &Checked<'_>,
        leader_epoch: Epoch,
    ) -> Appended {
        let (first, last) = match (appender.heads.first(), appender.heads.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => unreachable!("validation refuses an append without batches"),
        };
        if appender.first_timestamp.is_none() && segment.size_bytes() == 0 {
            appender.first_timestamp = Some(first.max_timestamp);
        }
        segment.publish(&appender.heads);
        match checked.options.offsets {
            OffsetSource::Assign => self.note_epoch(leader_epoch, first.base_offset),
            OffsetSource::Keep => {
                for (header, head) in appender.headers.iter().zip(&appender.heads) {
                    self.note_epoch(header.leader_epoch(), head.base_offset);
                }
            }
        }
        if !appender.update.is_empty() {
            for transaction in appender.producers.apply(&mut appender.update) {
                if let Err(error) = segment.aborted().push(transaction) {
                    self.fail(&segment.paths().txn_index, &error);
                }
            }
        }
        let mut marks = self.marks.write();
        *marks =
            Marks::of_single_node(marks.start(), appender.producers.first_open(), last.last_offset.next());
        Appended {
            base_offset: first.base_offset,
            last_offset: last.last_offset,
            log_append_time: checked.append_time(),
            start_offset: marks.start(),
            duplicate: false,
            bytes: appender.heads.iter().map(|head| head.size_bytes).sum(),
        }
    }

    fn note_epoch(&self, epoch: Epoch, start: Offset) {
        if self.epochs.read().latest().is_none_or(|latest| latest.epoch < epoch) {
            self.epochs.write().assign(epoch, start);
        }
    }

    /// A random share of `segment.jitter.ms`.
    pub(super) fn roll_jitter_ms(&self, config: &LogConfig) -> i64 {
        if config.segment_jitter_ms <= 0 {
            return 0;
        }
        let mut random = [0; 8];
        self.env.random.fill(&mut random);
        let bound = config.segment_jitter_ms.min(config.segment_ms).max(1);
        (u64::from_be_bytes(random) % bound.unsigned_abs()) as i64
    }

    /// Ends the log's life for appends; what was written stays.
    pub(super) fn failure(&self) -> Result<(), LogFailed> {
        self.failed().map_or(Ok(()), Err)
    }
}
