//! There and back with random records.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::records::convert::{Magic, down_convert, up_convert};
use protocol::records::{Batch, Compression};
use protocol::types::Offset;

use super::common::{MAGICS, OLD_CODECS, Owned, read_batches, read_set, write_batch, write_set};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..40),
        // Lengths that need two and three bytes.
        1 => (vec(any::<u8>(), 1..4), 60..3000usize).prop_map(|(unit, times)| unit.repeat(times)),
    ]
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 1_700_000_000_000..1_700_000_100_000i64, 1 => Just(-1), 1 => any::<i64>()]
}

/// Records from `base` on, one offset apart.
fn records(base: impl Strategy<Value = i64>) -> impl Strategy<Value = Vec<Owned>> {
    let headers = vec((bytes(), option::of(bytes())), 0..4);
    let record = (timestamp(), option::of(bytes()), option::of(bytes()), headers);
    (base, vec(record, 1..20)).prop_map(|(base, records)| {
        let numbered = records.into_iter().enumerate();
        let owned = numbered.map(|(index, (timestamp, key, value, headers))| Owned {
            offset: base + index as i64,
            timestamp,
            key,
            value,
            headers,
        });
        owned.collect()
    })
}

fn codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&Compression::ALL[..])
}

fn old_codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&OLD_CODECS[..])
}

fn magic() -> impl Strategy<Value = Magic> {
    proptest::sample::select(&MAGICS[..])
}

fn in_set(records: &[Owned], magic: Magic) -> Vec<Owned> {
    records.iter().map(|record| record.in_message_set(magic)).collect()
}

proptest! {
    #[test]
    fn a_batch_is_read_as_it_was_built(records in records(0..1i64 << 60), codec in codec()) {
        let bytes = write_batch(&records, codec);
        prop_assert_eq!(read_batches(&bytes), &records[..]);
        let (batch, rest) = Batch::parse(&bytes).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(batch.validate(), Ok(()));
        let summary = batch.check_records(1 << 20, &mut Vec::new()).unwrap();
        prop_assert_eq!(Some(summary.min_timestamp.0), records.iter().map(|r| r.timestamp).min());
        prop_assert_eq!(Some(summary.max_timestamp.0), records.iter().map(|r| r.timestamp).max());
        prop_assert_eq!(summary.keyless, records.iter().position(|r| r.key.is_none()));
    }

    #[test]
    fn offsets_with_gaps_are_kept(
        records in records(0..1i64 << 40),
        gaps in vec(0..1000i64, 20),
        codec in codec(),
    ) {
        let mut records = records;
        let mut shift = 0;
        for (record, gap) in records.iter_mut().zip(gaps) {
            shift += gap;
            record.offset += shift;
        }
        let bytes = write_batch(&records, codec);
        prop_assert_eq!(read_batches(&bytes), &records[..]);
    }

    #[test]
    fn a_message_set_is_read_as_it_was_built(
        records in records(1..1i64 << 60),
        magic in magic(),
        codec in old_codec(),
    ) {
        let bytes = write_set(&records, magic, codec);
        prop_assert_eq!(read_set(&bytes), in_set(&records, magic));
    }

    #[test]
    fn down_conversion_keeps_what_the_format_has(
        records in records(1..1i64 << 60),
        magic in magic(),
        codec in old_codec(),
    ) {
        let first = Offset(records[0].offset);
        let set = down_convert(&write_batch(&records, codec), magic, first, usize::MAX).unwrap();
        prop_assert_eq!(read_set(&set), in_set(&records, magic));
    }

    #[test]
    fn down_and_up_again_is_the_same_but_for_headers(
        records in records(Just(0)),
        magic in magic(),
        codec in old_codec(),
    ) {
        let set = down_convert(&write_batch(&records, codec), magic, Offset(0), usize::MAX).unwrap();
        let batches = up_convert(&set).unwrap();
        prop_assert_eq!(read_batches(&batches), in_set(&records, magic));
        prop_assert_eq!(Batch::parse(&batches).unwrap().0.compression(), codec);
    }

    #[test]
    fn up_and_down_again_is_the_same_set(
        records in records(Just(0)),
        magic in magic(),
        codec in old_codec(),
    ) {
        let set = write_set(&records, magic, codec);
        let batches = up_convert(&set).unwrap();
        prop_assert_eq!(down_convert(&batches, magic, Offset(0), usize::MAX).unwrap(), set);
    }
}
