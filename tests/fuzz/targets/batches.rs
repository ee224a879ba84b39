//! Record batches: parsed, checked, walked, patched. Checksums are not asked first: they guard against accidents only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::consumer::{self, ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use protocol::records::Batches;
use protocol::records::control::Marker;

const LIMIT_BYTES: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let mut scratch = Vec::new();
    for batch in Batches::new(input).map_while(Result::ok) {
        let _ = (format!("{batch:?}"), batch.validate(), batch.verify_crc(), batch.last_sequence());
        let summary = batch.check_records(LIMIT_BYTES, &mut scratch);
        let Ok(records) = batch.decompressed(LIMIT_BYTES, &mut scratch) else { continue };
        let (mut count, mut sound) = (0, true);
        for record in records {
            let Ok(record) = record else {
                sound = false;
                break;
            };
            count += 1;
            let _ = Marker::parse(&record);
            for (name, value) in record.headers() {
                assert!(name.len() + value.map_or(0, <[u8]>::len) <= input.len().max(LIMIT_BYTES));
            }
            for part in [record.key, record.value].into_iter().flatten() {
                let _ = consumer::decode::<ConsumerProtocolSubscription<'_>>(part);
                let _ = consumer::decode::<ConsumerProtocolAssignment<'_>>(part);
            }
        }
        assert!(!sound || count == batch.record_count(), "the header's count is that of the records");
        assert!(sound || summary.is_err(), "records that do not parse are not checked as sound");
    }
});
