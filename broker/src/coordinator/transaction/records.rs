//! The records of `__transaction_state`, byte for byte as Apache Kafka writes them.
//!
//! ```text
//! key    version i16 = 0 | transactional id (i16 length)
//! value  version i16 | producer id i64 | epoch i16 | time-out i32, ms | state i8
//!        | partitions: [topic, [partition i32]], null once the transaction is over
//!        | updated i64, ms | started i64, ms
//! ```
//! Version 1 of the value is flexible and adds three tagged fields: 0 the previous producer id, 1 the next one, 2 the
//! client's transaction version. It is what is written; version 0 is read too. A record without a value forgets the
//! transactional id.
//!
//! Source: `TransactionLogKey.json` and `TransactionLogValue.json` in Apache Kafka.

use std::collections::BTreeSet;

use protocol::codec::{DecodeError, EncodeError, Reader, Writer};
use protocol::types::{PartitionIndex, ProducerEpoch, ProducerId, TimestampMs};

use super::state::{EPOCH_BUMPS_SINCE, Partitions, State, Transaction};

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 1;
const PREVIOUS_PRODUCER_ID: u32 = 0;
const NEXT_PRODUCER_ID: u32 = 1;
const CLIENT_VERSION: u32 = 2;

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It does not have the form of its version.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Its version is newer than those known here.
    #[error("version {0} is not known")]
    UnknownVersion(i16),
    /// A state that no transaction of the log has.
    #[error("state {0} is not known")]
    UnknownState(i8),
    /// A field that may not be null is.
    #[error("a field is null")]
    Null,
}

/// The key of a transactional id.
///
/// # Errors
/// It is too long for the format.
pub fn encode_key(transactional_id: &str) -> Result<Vec<u8>, EncodeError> {
    let mut out = Writer::new();
    out.i16(KEY_VERSION);
    out.string(Some(transactional_id), false)?;
    Ok(out.into_bytes().into())
}

/// The transactional id of a key.
///
/// # Errors
/// [`RecordError`].
pub fn decode_key(key: &[u8]) -> Result<String, RecordError> {
    let mut fields = Reader::new(key);
    match fields.i16()? {
        KEY_VERSION => Ok(fields.string(false)?.ok_or(RecordError::Null)?.to_owned()),
        version => Err(RecordError::UnknownVersion(version)),
    }
}

/// The value of a transactional id.
///
/// # Errors
/// A topic's name is too long for the format.
pub fn encode_value(transaction: &Transaction) -> Result<Vec<u8>, EncodeError> {
    let mut out = Writer::new();
    out.i16(VALUE_VERSION);
    out.i64(transaction.producer_id.0);
    out.i16(transaction.epoch.0);
    out.i32(transaction.timeout_ms);
    out.i8(transaction.state as i8);
    // Apache Kafka has null where there can be no partitions, which is before the first and when all are told.
    let has_partitions =
        matches!(transaction.state, State::Ongoing | State::PrepareCommit | State::PrepareAbort);
    out.length(has_partitions.then_some(transaction.partitions.len()), true)?;
    for (topic, partitions) in transaction.partitions.iter().filter(|_| has_partitions) {
        out.string(Some(topic), true)?;
        out.length(Some(partitions.len()), true)?;
        partitions.iter().for_each(|partition| out.i32(partition.0));
        out.uvarint(0);
    }
    out.i64(transaction.updated.0);
    out.i64(transaction.started.0);
    let previous = (transaction.previous_producer_id, PREVIOUS_PRODUCER_ID);
    let next = (transaction.next_producer_id, NEXT_PRODUCER_ID);
    let ids = [previous, next].into_iter().filter(|(id, _)| *id != ProducerId::NONE);
    let version = Some(transaction.client_version).filter(|version| *version != 0);
    out.uvarint(ids.clone().count() as u32 + u32::from(version.is_some()));
    for (id, tag) in ids {
        out.uvarint(tag);
        out.uvarint(8);
        out.i64(id.0);
    }
    if let Some(version) = version {
        out.uvarint(CLIENT_VERSION);
        out.uvarint(2);
        out.i16(version);
    }
    Ok(out.into_bytes().into())
}

/// The transaction of a value.
///
/// # Errors
/// [`RecordError`].
pub fn decode_value(value: &[u8]) -> Result<Transaction, RecordError> {
    let mut fields = Reader::new(value);
    let version = fields.i16()?;
    if !(0..=VALUE_VERSION).contains(&version) {
        return Err(RecordError::UnknownVersion(version));
    }
    let flexible = version >= 1;
    let producer_id = ProducerId(fields.i64()?);
    let epoch = ProducerEpoch(fields.i16()?);
    let timeout_ms = fields.i32()?;
    let state = fields.i8()?;
    let state = State::from_number(state).ok_or(RecordError::UnknownState(state))?;
    let partitions = decode_partitions(&mut fields, flexible)?;
    let updated = TimestampMs(fields.i64()?);
    let started = TimestampMs(fields.i64()?);
    let mut transaction = Transaction {
        producer_id,
        previous_producer_id: ProducerId::NONE,
        next_producer_id: ProducerId::NONE,
        epoch,
        last_epoch: ProducerEpoch::NONE,
        timeout_ms,
        state,
        partitions,
        started,
        updated,
        client_version: 0,
    };
    if flexible {
        decode_tags(&mut fields, &mut transaction)?;
    }
    transaction.last_epoch = last_epoch(&transaction);
    Ok(transaction)
}

fn decode_partitions(fields: &mut Reader<'_>, flexible: bool) -> Result<Partitions, RecordError> {
    let mut all = Partitions::new();
    for _ in 0..array_count(fields, flexible)? {
        let topic = fields.string(flexible)?.ok_or(RecordError::Null)?.to_owned();
        let mut partitions = BTreeSet::new();
        for _ in 0..array_count(fields, flexible)? {
            partitions.insert(PartitionIndex(fields.i32()?));
        }
        if flexible {
            skip_tags(fields)?;
        }
        all.insert(topic, partitions);
    }
    Ok(all)
}

/// The count of an array, of which null has none. A lying count ends at the end of the bytes.
fn array_count(fields: &mut Reader<'_>, flexible: bool) -> Result<u32, RecordError> {
    Ok(match flexible {
        true => fields.uvarint()?.saturating_sub(1),
        false => u32::try_from(fields.i32()?).unwrap_or(0),
    })
}

fn decode_tags(fields: &mut Reader<'_>, transaction: &mut Transaction) -> Result<(), RecordError> {
    for _ in 0..fields.uvarint()? {
        let tag = fields.uvarint()?;
        let size = fields.uvarint()? as usize;
        let mut field = Reader::new(fields.take(size)?);
        match tag {
            PREVIOUS_PRODUCER_ID => transaction.previous_producer_id = ProducerId(field.i64()?),
            NEXT_PRODUCER_ID => transaction.next_producer_id = ProducerId(field.i64()?),
            CLIENT_VERSION => transaction.client_version = field.i16()?,
            _ => {}
        }
    }
    Ok(())
}

fn skip_tags(fields: &mut Reader<'_>) -> Result<(), RecordError> {
    for _ in 0..fields.uvarint()? {
        fields.uvarint()?;
        let size = fields.uvarint()? as usize;
        fields.take(size)?;
    }
    Ok(())
}

/// With version 2 the end of a transaction raised the epoch by one: a retry of it is known by the epoch before.
fn last_epoch(transaction: &Transaction) -> ProducerEpoch {
    let ended = !matches!(transaction.state, State::Empty | State::Ongoing);
    match (ended && transaction.client_version >= EPOCH_BUMPS_SINCE, transaction.epoch) {
        (true, ProducerEpoch(epoch)) if epoch > 0 => ProducerEpoch(epoch - 1),
        _ => ProducerEpoch::NONE,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ongoing() -> Transaction {
        Transaction {
            producer_id: ProducerId(7),
            previous_producer_id: ProducerId::NONE,
            next_producer_id: ProducerId::NONE,
            epoch: ProducerEpoch(3),
            last_epoch: ProducerEpoch::NONE,
            timeout_ms: 60_000,
            state: State::Ongoing,
            partitions: Partitions::from([("t".to_owned(), BTreeSet::from([PartitionIndex(2)]))]),
            started: TimestampMs(1),
            updated: TimestampMs(2),
            client_version: 2,
        }
    }

    #[test]
    fn values_are_written_as_kafka_writes_them() {
        assert_eq!(encode_key("id").unwrap(), b"\0\0\0\x02id");
        let expected: &[u8] = b"\0\x01\0\0\0\0\0\0\0\x07\0\x03\0\0\xea\x60\x01\x02\x02t\x02\0\0\0\x02\0\
            \0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\x01\x02\x02\0\x02";
        assert_eq!(encode_value(&ongoing()).unwrap(), expected);
    }

    #[test]
    fn what_was_written_is_read() {
        let exchanged = Transaction {
            previous_producer_id: ProducerId(5),
            next_producer_id: ProducerId(9),
            state: State::PrepareCommit,
            last_epoch: ProducerEpoch(2),
            ..ongoing()
        };
        let over =
            Transaction { partitions: Partitions::new(), state: State::CompleteAbort, ..exchanged.clone() };
        let plain = Transaction { client_version: 0, ..ongoing() };
        for transaction in [ongoing(), exchanged, over, plain] {
            assert_eq!(decode_value(&encode_value(&transaction).unwrap()).unwrap(), transaction);
        }
        assert_eq!(decode_key(&encode_key("id").unwrap()).unwrap(), "id");
    }

    #[test]
    fn version_0_is_read() {
        let value = b"\0\0\0\0\0\0\0\0\0\x07\0\x03\0\0\xea\x60\x01\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x02\
            \0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01";
        assert_eq!(decode_value(value).unwrap(), Transaction { client_version: 0, ..ongoing() });
        let dead = [&value[..16], &[6], &value[17..]].concat();
        assert!(matches!(decode_value(&dead), Err(RecordError::UnknownState(6))));
        assert!(matches!(decode_value(b"\0\x02"), Err(RecordError::UnknownVersion(2))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(version in 0i16..3, bytes: Vec<u8>) {
            let value = [&version.to_be_bytes()[..], &bytes].concat();
            let _ = decode_value(&value);
            let _ = decode_key(&value);
        }
    }
}
