//! Message sets of magic 0 and 1, their conversion to batches, and batches' conversion to them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::records::Batches;
use protocol::records::convert::{Magic, down_convert, up_convert};
use protocol::records::message_set::Messages;
use protocol::types::Offset;

const LIMIT_BYTES: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let mut scratch = Vec::new();
    for message in Messages::new(input).map_while(Result::ok) {
        let _ = (message.offset(), message.timestamp(), message.key(), message.verify_crc());
        if let Ok(inner) = message.inner(LIMIT_BYTES, &mut scratch) {
            for message in inner.map_while(Result::ok) {
                assert!(message.value().is_none_or(|value| value.len() <= LIMIT_BYTES));
            }
        }
    }
    if let Ok(batches) = up_convert(input) {
        for batch in Batches::new(&batches) {
            let batch = batch.expect("what was converted is whole");
            batch.verify_crc().expect("and has a checksum");
        }
    }
    for magic in [Magic::V0, Magic::V1] {
        let _ = down_convert(input, magic, Offset(2), LIMIT_BYTES);
    }
});
