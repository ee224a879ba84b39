//! Taking a failed log back into use without reopening it, once the disk is well again.
//!
//! After a sync that failed, the pages it was to write may count as clean without being on the disk: a second sync that
//! succeeds proves nothing. So what no sync has covered is *written again*, from what readers have been shown, and
//! synced then. Nothing is cut off that anyone may have mapped or read, and nothing that was acknowledged is in doubt.
//!
//! | step | why |
//! |---|---|
//! | set the active file's length to what was published | a write that failed may have left a part behind it |
//! | read every batch behind the last sync, check its checksum, write it in its place | makes the pages dirty again |
//! | sync those files, then the directory | only now they are known to be on the disk |
//! | write and sync indexes, snapshot and epochs again | they were begun and not finished |
//! | forget the failure | appends go on at the published end |
//!
//! Any of these may fail again: then the log stays failed, without a word, and is tried again at the next round of
//! upkeep. A batch that can no longer be read as it was leaves the log failed until a restart recovers it, and so does a
//! failure that lost what only memory knew.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;

use protocol::records::Batch;
use protocol::types::Offset;

use super::PartitionLog;
use crate::env::Open;
use crate::producers::snapshot;
use crate::segment::Segment;

impl PartitionLog {
    /// Tries to take a failed log back into use; whether it is usable now.
    pub(crate) fn heal(&self) -> bool {
        let _no_upkeep_is_running = self.upkeep.lock();
        let curable = self.failed.read().as_ref().map(|failure| failure.curable);
        if self.is_closed() || curable != Some(true) {
            return curable.is_none();
        }
        match self.write_again() {
            Ok(()) => {
                *self.failed.write() = None;
                self.full.store(false, Ordering::Relaxed);
                tracing::info!(log = self.name(), end_offset = self.marks().end().0, "log healed");
                true
            }
            Err(error) => {
                tracing::debug!(log = self.name(), reason = %error, "log not healed yet");
                false
            }
        }
    }

    fn write_again(&self) -> io::Result<()> {
        let _no_sync_is_running = self.syncing.lock();
        // An append that was under way when the log failed has ended once this was held; others are refused.
        let (end, producers, snapshots) = {
            let appender = self.appender.lock();
            (self.marks().end(), snapshot::encode(&appender.producers), appender.snapshots.clone())
        };
        self.active().cut_off()?;
        let synced = self.synced();
        let segments = self.segments();
        for segment in segments.iter().filter(|segment| segment.next_offset() > synced) {
            self.rewrite(segment, synced)?;
        }
        self.env.disk.sync_dir(&self.dir)?;
        {
            let mut unsynced = self.unsynced.lock();
            unsynced.logs_synced();
            let behind = segments.iter().filter(|segment| segment.next_offset() > self.recovery_point());
            unsynced.again(behind.cloned().collect(), snapshots);
        }
        self.epochs.write().set_changed();
        self.synced.fetch_max(end.0, Ordering::AcqRel);
        self.write_checkpoint(end, end, &producers).map_err(|(_, error)| error)
    }

    /// Writes the batches of a segment from the one that holds `from` on in their places, and syncs the file.
    fn rewrite(&self, segment: &Segment, from: Offset) -> io::Result<()> {
        let file = self.env.disk.open(&segment.paths().log, Open::Write)?;
        let mut scan = segment.scan_from(from).map_err(|_| io::ErrorKind::InvalidData)?;
        while let Some(found) = scan.next_head().map_err(|_| io::ErrorKind::InvalidData)? {
            // A copy: the bytes are those of the very pages that are written.
            let bytes = scan.batch(&found).map_err(|_| io::ErrorKind::InvalidData)?.to_vec();
            let (batch, _) = Batch::parse(&bytes).map_err(|_| io::ErrorKind::InvalidData)?;
            batch.verify_crc().map_err(|_| io::ErrorKind::InvalidData)?;
            file.write_all_at(&mut [IoSlice::new(&bytes)], found.position)?;
        }
        file.sync()
    }
}
