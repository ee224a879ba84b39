//! Control records: the markers that end a transaction in each partition it wrote to.
//!
//! A marker is the one record of a batch with the control and transactional attributes:
//! ```text
//! key    version i16 = 0 | type i16: 0 abort, 1 commit
//! value  version i16 = 0 | coordinator epoch i32
//! ```
//! Readers take newer versions too, whose fields follow these. Types past 1 belong to Kafka's metadata log.
//!
//! # Source
//! KIP-98; `ControlRecordType`, `EndTransactionMarker` and `MemoryRecords.withEndTransactionMarker` in
//! Apache Kafka.

use super::batch::{BatchBuilder, Record};
use crate::types::{Epoch, ProducerEpoch, ProducerId, Sequence, TimestampMs};

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its records are to be skipped by consumers that read committed ones only.
    Abort,
    /// Its records stand.
    Commit,
}

/// The marker of a transaction's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// How it ended.
    pub outcome: Outcome,
    /// Leader epoch of the transaction coordinator's partition, which fences an older coordinator.
    pub coordinator_epoch: Epoch,
}

impl Marker {
    /// Reads a marker off a record of a control batch; `None` if it is another kind of control record, or
    /// too short for one.
    #[must_use]
    pub fn parse(record: &Record<'_>) -> Option<Marker> {
        let (key_version, kind) = record.key?.split_first_chunk()?;
        let outcome = match i16::from_be_bytes(*kind.first_chunk()?) {
            ABORT => Outcome::Abort,
            COMMIT => Outcome::Commit,
            _ => return None,
        };
        let (value_version, epoch) = record.value?.split_first_chunk()?;
        if i16::from_be_bytes(*key_version) < VERSION || i16::from_be_bytes(*value_version) < VERSION {
            return None;
        }
        Some(Marker { outcome, coordinator_epoch: Epoch(i32::from_be_bytes(*epoch.first_chunk()?)) })
    }

    /// The batch that ends the transaction of the producer `id` at `epoch`; offset and leader epoch are to
    /// be set by the log.
    #[must_use]
    pub fn to_batch(self, id: ProducerId, epoch: ProducerEpoch, now: TimestampMs) -> Vec<u8> {
        let kind = match self.outcome {
            Outcome::Abort => ABORT,
            Outcome::Commit => COMMIT,
        };
        let key = [VERSION.to_be_bytes(), kind.to_be_bytes()].concat();
        let value = [&VERSION.to_be_bytes()[..], &self.coordinator_epoch.0.to_be_bytes()].concat();
        let mut batch = BatchBuilder::new().producer(id, epoch, Sequence::NONE).transactional().control();
        batch.append(now, Some(&key), Some(&value), &[]);
        batch.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Batch;

    #[test]
    fn a_marker_is_read_as_it_was_built() {
        for outcome in [Outcome::Abort, Outcome::Commit] {
            let marker = Marker { outcome, coordinator_epoch: Epoch(12) };
            let bytes = marker.to_batch(ProducerId(5), ProducerEpoch(2), TimestampMs(77));
            // Kafka's own constant: an end marker's batch is 78 bytes.
            assert_eq!(bytes.len(), 78);
            let (batch, _) = Batch::parse(&bytes).unwrap();
            assert!(batch.is_control() && batch.is_transactional());
            assert_eq!(batch.verify_crc(), Ok(()));
            assert_eq!((batch.producer_id(), batch.producer_epoch()), (ProducerId(5), ProducerEpoch(2)));
            assert_eq!(batch.base_sequence(), Sequence::NONE);
            let record = batch.records().next().unwrap().unwrap();
            assert_eq!(Marker::parse(&record), Some(marker));
        }
    }

    #[test]
    fn newer_markers_are_read_and_others_are_not() {
        let cases: [(&[u8], &[u8], bool); 6] = [
            (&[0, 0, 0, 1], &[0, 0, 0, 0, 0, 9], true),
            (&[0, 1, 0, 1, 7], &[0, 1, 0, 0, 0, 9, 1, 2], true),
            (&[0, 0, 0, 2], &[0, 0, 0, 0, 0, 9], false),
            (&[0xff, 0xff, 0, 1], &[0, 0, 0, 0, 0, 9], false),
            (&[0, 0, 0], &[0, 0, 0, 0, 0, 9], false),
            (&[0, 0, 0, 0], &[0, 0, 0, 0, 0], false),
        ];
        for (key, value, read) in cases {
            let mut builder = BatchBuilder::new().control();
            let bytes = builder.append(TimestampMs(0), Some(key), Some(value), &[]).clone().build();
            let (batch, _) = Batch::parse(&bytes).unwrap();
            let record = batch.records().next().unwrap().unwrap();
            assert_eq!(Marker::parse(&record).is_some(), read, "{key:?} {value:?}");
        }
    }
}
