//! Every codec on any bytes, with a bound that small inputs would love to break. The first byte picks the codec.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::records::Compression;
use protocol::records::compression::{compress, decompress};

const LIMIT_BYTES: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let [codec, bytes @ ..] = input else { return };
    let codec = Compression::ALL[usize::from(*codec) % Compression::ALL.len()];
    let mut out = Vec::new();
    let done = decompress(codec, bytes, LIMIT_BYTES, &mut out);
    assert!(out.capacity() <= 4 * LIMIT_BYTES + 4 * bytes.len(), "{codec}: {} bytes", out.capacity());
    assert!(done.is_err() || out.len() <= LIMIT_BYTES);
    let mut packed = Vec::new();
    compress(codec, bytes, &mut packed);
    decompress(codec, &packed, bytes.len(), &mut out).expect("what was compressed decompresses");
    assert_eq!(out, bytes);
});
