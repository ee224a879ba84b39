//! What a batch must be to be appended: the one place where it is checked.
//!
//! ```text
//!  every append   sizes, magic, checksum, counts
//!  a client's     + no control batch, a sequence with each producer id, the producer's own time
//!                 + every record: lengths that add up, offsets 0, 1, 2, …, nothing behind the last;
//!                   a key if the topic is compacted; a CreateTime within the topic's limits
//! ```
//! Records are walked where they lie. Compressed ones are unpacked, at most to [`UNPACKED_BYTES_MAX`] and within what
//! [`unpacking`] allows the process. Nothing is allocated for a record unless it is refused.
//!
//! # Source
//! `LogValidator` in Apache Kafka 4.x. It lets records of an uncompressed batch have any offsets, and renumbers those
//! of a compressed one; here both are refused.

use protocol::records::TimestampType;
use protocol::records::batch::{Batch, BatchError, Batches, RecordsSummary};
use protocol::records::unpacking::{self, TooLarge};
use protocol::types::{ProducerId, TimestampMs};

use super::append::AppendOptions;
use crate::config::{LogConfig, TimestampSource};
use crate::error::{AppendError, RecordFault, RejectedRecord};
use crate::producers::Origin;

/// The most that a client's batch may decompress to. Larger ones are refused rather than believed.
const UNPACKED_BYTES_MAX: usize = 256 << 20;
/// So many of the records at fault are named in an answer.
const REJECTED_RECORDS_MAX: usize = 1_000;
/// The timestamp of a record without one; as in Apache Kafka, no batch's largest is below it.
const NO_TIMESTAMP: TimestampMs = TimestampMs(-1);

/// A header whose largest timestamp is not that of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Correction {
    /// The batch's number among those appended together.
    pub(super) batch: usize,
    /// The largest timestamp of its records.
    pub(super) max_timestamp: TimestampMs,
}

/// Checks `batches` against the format and the topic's rules. Returns what must be corrected in headers: nothing, for
/// a client that does what it should.
pub(super) fn validate(
    batches: &[u8],
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<Vec<Correction>, AppendError> {
    let limit_bytes = usize::try_from(config.segment_bytes).unwrap_or(usize::MAX);
    if batches.is_empty() {
        return Err(invalid("no batch"));
    }
    let mut corrections = Vec::new();
    for (number, batch) in Batches::new(batches).enumerate() {
        let batch = batch.map_err(corrupt)?;
        check_batch(&batch, config, options)?;
        // After the size of the batch itself, as in Kafka: a client can make its batches smaller.
        if batches.len() > limit_bytes {
            return Err(AppendError::SetTooLarge { size_bytes: batches.len(), limit_bytes });
        }
        if options.origin == Origin::Client {
            let max_timestamp = check_client_batch(&batch, config, options.now)?;
            if max_timestamp != batch.max_timestamp() {
                corrections.push(Correction { batch: number, max_timestamp });
            }
        }
    }
    Ok(corrections)
}

/// A structural error as an error of the append.
pub(super) fn corrupt(error: impl ToString) -> AppendError {
    AppendError::Corrupt { reason: error.to_string() }
}

fn invalid(reason: &'static str) -> AppendError {
    AppendError::InvalidRecord { reason }
}

fn refused(error: BatchError) -> AppendError {
    match error {
        BatchError::Invalid(reason) => invalid(reason),
        error if error.is_too_large() => invalid("the records decompress to more than 256 MiB"),
        other => corrupt(other),
    }
}

fn check_batch(batch: &Batch<'_>, config: &LogConfig, options: &AppendOptions) -> Result<(), AppendError> {
    if options.origin != Origin::Replicated && batch.size_bytes() > config.max_message_bytes {
        return Err(AppendError::TooLarge {
            size_bytes: batch.size_bytes(),
            limit_bytes: config.max_message_bytes,
        });
    }
    batch.verify_crc().map_err(corrupt)?;
    // Markers and offsets committed in a transaction have a producer but no sequence.
    let fits = batch.record_count() > 0 && batch.last_offset_delta() == batch.record_count() - 1;
    if options.origin == Origin::Internal && !fits {
        return Err(invalid("the counts in the header do not fit together"));
    }
    Ok(())
}

/// Checks header and records of a client's batch; returns the largest timestamp of the records.
fn check_client_batch(
    batch: &Batch<'_>,
    config: &LogConfig,
    now: TimestampMs,
) -> Result<TimestampMs, AppendError> {
    batch.validate().map_err(refused)?;
    if batch.is_control() {
        return Err(invalid("clients may not write control batches"));
    }
    if batch.producer_id() != ProducerId::NONE && batch.producer_epoch().0 < 0 {
        return Err(invalid("a producer id without an epoch"));
    }
    let rules = Rules::new(batch, config, now);
    let checked = unpacking::within(UNPACKED_BYTES_MAX, |limit_bytes, unpacked| {
        rules.check(batch, limit_bytes, unpacked)
    });
    checked.map_err(refused)?.map_err(|rejected| AppendError::RejectedRecords { rejected })
}

/// What a topic asks of each record.
struct Rules {
    keys: bool,
    /// The earliest and the latest CreateTime taken; `None` if the broker's time counts.
    times: Option<(TimestampMs, TimestampMs)>,
    /// The batch claims that a broker gave it its time.
    broker_time: bool,
}

impl Rules {
    fn new(batch: &Batch<'_>, config: &LogConfig, now: TimestampMs) -> Self {
        let earliest = now.0.saturating_sub(config.message_timestamp_before_max_ms);
        let latest = now.0.saturating_add(config.message_timestamp_after_max_ms);
        let create_time = config.message_timestamp_type == TimestampSource::CreateTime;
        Self {
            keys: config.cleanup_policy.compact,
            times: create_time.then_some((TimestampMs(earliest), TimestampMs(latest))),
            broker_time: batch.timestamp_type() == TimestampType::LogAppendTime,
        }
    }

    /// The largest timestamp of the records, or those that break a rule.
    fn check(
        &self,
        batch: &Batch<'_>,
        limit_bytes: usize,
        unpacked: &mut Vec<u8>,
    ) -> Result<Result<TimestampMs, Vec<RejectedRecord>>, BatchError> {
        let summary = batch.check_records(limit_bytes, unpacked)?;
        let rejected = match self.hold_for(&summary) {
            true => Vec::new(),
            false => self.rejected(batch, limit_bytes, unpacked)?,
        };
        Ok(if rejected.is_empty() { Ok(summary.max_timestamp.max(NO_TIMESTAMP)) } else { Err(rejected) })
    }

    /// Whether no record can break a rule; if not, one may.
    fn hold_for(&self, summary: &RecordsSummary) -> bool {
        let in_time = self.times.is_none_or(|(earliest, latest)| {
            summary.min_timestamp >= earliest && summary.max_timestamp <= latest
        });
        in_time && !self.broker_time && !(self.keys && summary.keyless.is_some())
    }

    fn fault(&self, has_key: bool, timestamp: TimestampMs) -> Option<RecordFault> {
        if self.keys && !has_key {
            return Some(RecordFault::NoKey);
        }
        if self.broker_time {
            return Some(RecordFault::BrokerTime);
        }
        let (earliest, latest) = self.times?;
        let in_time = timestamp == NO_TIMESTAMP || (earliest..=latest).contains(&timestamp);
        (!in_time).then_some(RecordFault::Timestamp { timestamp, earliest, latest })
    }

    /// The records that break a rule, the first [`REJECTED_RECORDS_MAX`] of them.
    fn rejected(
        &self,
        batch: &Batch<'_>,
        limit_bytes: usize,
        unpacked: &mut Vec<u8>,
    ) -> Result<Vec<RejectedRecord>, BatchError> {
        let mut rejected = Vec::new();
        for (index, record) in (0..).zip(batch.decompressed(limit_bytes, unpacked)?) {
            let record = record?;
            let fault = self.fault(record.key.is_some(), record.timestamp);
            rejected.extend(fault.map(|fault| RejectedRecord { index, fault }));
            if rejected.len() == REJECTED_RECORDS_MAX {
                break;
            }
        }
        Ok(rejected)
    }
}

#[cfg(test)]
mod tests {
    use protocol::records::{BatchBuilder, Compression};
    use protocol::types::{ProducerEpoch, Sequence};

    use super::*;
    use crate::config::CleanupPolicy;

    const NOW: TimestampMs = TimestampMs(1_700_000_000_000);
    const HOUR_MS: i64 = 3_600_000;

    /// A record: its time, from [`NOW`] on, and its key.
    type Sent<'a> = (i64, Option<&'a [u8]>);
    /// What is tried, on which topic, with which records, and which of them are rejected.
    type Case<'a> = (&'a str, &'a LogConfig, &'a [Sent<'a>], Vec<RejectedRecord>);

    fn builder(codec: Compression, records: &[Sent<'_>]) -> BatchBuilder {
        let mut builder = BatchBuilder::new().compression(codec);
        for (delta, key) in records {
            builder.append(TimestampMs(NOW.0 + delta), *key, Some(b"value"), &[(b"h", Some(b"x"))]);
        }
        builder
    }

    fn three(codec: Compression) -> Vec<u8> {
        builder(codec, &[(0, Some(b"a")), (1, Some(b"b")), (2, Some(b"c"))]).build()
    }

    /// A batch whose records are `body`, compressed, with a header and a checksum that fit.
    fn with_body(codec: Compression, count: i32, body: &[u8]) -> Vec<u8> {
        let mut bytes = three(Compression::None);
        bytes.truncate(61);
        protocol::records::compression::compress(codec, body, &mut bytes);
        bytes[22] = codec.id() as u8;
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
        seal(&mut bytes);
        bytes
    }

    fn seal(bytes: &mut [u8]) {
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc_fast::crc32_iscsi(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }

    fn body_of_three() -> Vec<u8> {
        three(Compression::None)[61..].to_vec()
    }

    fn check(bytes: &[u8], config: &LogConfig) -> Result<Vec<Correction>, AppendError> {
        validate(bytes, config, &AppendOptions::client(NOW))
    }

    #[test]
    fn sound_batches_pass_with_every_codec() {
        for codec in Compression::ALL {
            assert_eq!(check(&three(codec), &LogConfig::default()).unwrap(), []);
            assert_eq!(check(&with_body(codec, 3, &body_of_three()), &LogConfig::default()).unwrap(), []);
        }
    }

    /// The checksum is right and the records are not: such a batch would stop every consumer.
    #[test]
    fn records_that_do_not_add_up_are_refused_with_every_codec() {
        let good = body_of_three();
        let size = good.len() / 3;
        let changed = |at: usize, byte: u8| {
            let mut body = good.clone();
            body[at] = byte;
            body
        };
        let bodies: [(&str, i32, Vec<u8>); 11] = [
            ("one record fewer", 4, good.clone()),
            ("one record more", 2, good.clone()),
            ("no record", 1, Vec::new()),
            ("cut", 3, good[..good.len() - 1].to_vec()),
            ("a byte behind", 3, [&good[..], &[0]].concat()),
            ("an offset twice", 3, changed(size + 3, 0)),
            ("an offset left out", 3, changed(2 * size + 3, 6)),
            ("an endless varint", 3, vec![0xff; good.len()]),
            ("a negative length", 3, changed(0, 1)),
            ("a key beyond its record", 3, changed(4, 0x7e)),
            ("too many headers", 3, changed(size - 5, 0x7e)),
        ];
        for codec in Compression::ALL {
            for (what, count, body) in &bodies {
                let refused = check(&with_body(codec, *count, body), &LogConfig::default());
                assert!(
                    matches!(refused, Err(AppendError::InvalidRecord { .. })),
                    "{codec}, {what}: {refused:?}"
                );
            }
        }
    }

    #[test]
    fn records_that_do_not_decompress_are_corrupt() {
        for codec in &Compression::ALL[1..] {
            let mut bytes = three(*codec);
            let end = bytes.len();
            bytes[61..end].fill(0xa5);
            seal(&mut bytes);
            let refused = check(&bytes, &LogConfig::default());
            assert!(matches!(refused, Err(AppendError::Corrupt { .. })), "{codec}: {refused:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bytes = with_body(Compression::Zstd, 1, &vec![0; UNPACKED_BYTES_MAX + 1]);
        assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
        let refused = check(&bytes, &LogConfig::default());
        assert!(matches!(refused, Err(AppendError::InvalidRecord { .. })), "{refused:?}");
    }

    #[test]
    fn records_that_break_a_rule_are_named() {
        let late = |records: &[u8], rejected: &[i64]| {
            let range = (TimestampMs(NOW.0 - HOUR_MS), TimestampMs(NOW.0 + HOUR_MS));
            records
                .iter()
                .zip(rejected)
                .map(|(index, delta)| RejectedRecord {
                    index: i32::from(*index),
                    fault: RecordFault::Timestamp {
                        timestamp: TimestampMs(NOW.0 + delta),
                        earliest: range.0,
                        latest: range.1,
                    },
                })
                .collect::<Vec<_>>()
        };
        let keyless = |index| RejectedRecord { index, fault: RecordFault::NoKey };
        let limited = LogConfig { message_timestamp_before_max_ms: HOUR_MS, ..LogConfig::default() };
        let compacted = LogConfig { cleanup_policy: CleanupPolicy::COMPACT, ..LogConfig::default() };
        let key = Some(&b"k"[..]);
        let cases: [Case<'_>; 6] = [
            ("just in time", &limited, &[(-HOUR_MS, None), (HOUR_MS, None)], vec![]),
            ("too old", &limited, &[(0, None), (-HOUR_MS - 1, None)], late(&[1], &[-HOUR_MS - 1])),
            (
                "too young, twice",
                &limited,
                &[(HOUR_MS + 1, None), (0, None), (HOUR_MS + 9, None)],
                late(&[0, 2], &[HOUR_MS + 1, HOUR_MS + 9]),
            ),
            ("no time at all", &limited, &[(-1 - NOW.0, None), (0, None)], vec![]),
            ("keys missing", &compacted, &[(0, None), (0, key), (0, None)], vec![keyless(0), keyless(2)]),
            ("an empty key is a key", &compacted, &[(0, Some(b""))], vec![]),
        ];
        for codec in Compression::ALL {
            for (what, config, records, expected) in &cases {
                let rejected = match check(&builder(codec, records).build(), config) {
                    Err(AppendError::RejectedRecords { rejected }) => rejected,
                    other => other.map(|_| Vec::new()).unwrap(),
                };
                assert_eq!(rejected, *expected, "{codec}, {what}");
            }
        }
    }

    #[test]
    fn a_topic_with_the_brokers_time_takes_any_of_the_producers_but_not_a_brokers() {
        let config =
            LogConfig { message_timestamp_type: TimestampSource::LogAppendTime, ..LogConfig::default() };
        let old = builder(Compression::None, &[(-100 * HOUR_MS, None), (100 * HOUR_MS, None)]);
        check(&old.clone().build(), &config).unwrap();
        let refused = check(&old.log_append_time(NOW).build(), &config);
        let Err(AppendError::RejectedRecords { rejected }) = refused else { panic!("{refused:?}") };
        assert_eq!(rejected[1], RejectedRecord { index: 1, fault: RecordFault::BrokerTime });
    }

    #[test]
    fn a_largest_timestamp_that_is_not_the_records_is_corrected() {
        for claimed in [NOW.0 + 1, NOW.0 - 5, i64::MAX, i64::MIN] {
            let mut second = three(Compression::None);
            second[35..43].copy_from_slice(&claimed.to_be_bytes());
            seal(&mut second);
            let both = [three(Compression::Lz4), second].concat();
            let max_timestamp = TimestampMs(NOW.0 + 2);
            assert_eq!(
                check(&both, &LogConfig::default()).unwrap(),
                [Correction { batch: 1, max_timestamp }]
            );
        }
        // Records older than none at all count as having none.
        let mut old = builder(Compression::None, &[(-NOW.0 - 7, None)]).build();
        old[35..43].copy_from_slice(&NO_TIMESTAMP.0.to_be_bytes());
        seal(&mut old);
        assert_eq!(check(&old, &LogConfig::default()).unwrap(), []);
    }

    #[test]
    fn so_many_rejected_records_are_named_and_no_more() {
        let compacted = LogConfig { cleanup_policy: CleanupPolicy::COMPACT, ..LogConfig::default() };
        let refused = check(&builder(Compression::None, &[(0, None); 3_000]).build(), &compacted);
        let Err(AppendError::RejectedRecords { rejected }) = refused else { panic!("{refused:?}") };
        assert_eq!(rejected.len(), REJECTED_RECORDS_MAX);
    }

    #[test]
    fn headers_that_only_a_broker_writes_are_refused() {
        let producer = |epoch, sequence| {
            builder(Compression::None, &[(0, None)]).producer(
                ProducerId(1),
                ProducerEpoch(epoch),
                Sequence(sequence),
            )
        };
        let cases = [
            builder(Compression::None, &[(0, None)]).control(),
            producer(-1, 0),
            producer(0, -1),
            builder(Compression::None, &[(0, None)]).transactional(),
        ];
        for case in cases {
            let refused = check(&case.build(), &LogConfig::default());
            assert!(matches!(refused, Err(AppendError::InvalidRecord { .. })), "{refused:?}");
        }
        check(&producer(0, 0).build(), &LogConfig::default()).unwrap();
    }
}
