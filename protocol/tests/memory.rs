//! No frame makes reading it cost more memory than `Reader` says: 1 MiB and four times the frame.
//!
//! The only test of its program, since the allocator counts for the whole of it.

mod generate;

use generate::Random;
use peak_alloc::PeakAlloc;
use protocol::codec::{Decode, Reader};
use protocol::messages::{Api, ApiKey};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What reading may take besides arrays: what stands in errors, and the test itself.
const SLACK_BYTES: usize = 4096;

/// Memory that reading a message takes at its peak.
fn peak_bytes<'a, M: Decode<'a>>(bytes: &'a [u8], version: i16) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let message = M::decode(&mut Reader::new(bytes), version);
    let peak = ALLOCATOR.peak_usage() - before;
    drop(message);
    peak
}

type Peak = fn(&[u8], i16) -> usize;

fn hold_to_the_limit(peak_bytes: Peak, bytes: &[u8], version: i16, about: &str) {
    let peak = peak_bytes(bytes, version);
    let limit = (1 << 20) + 4 * bytes.len() + SLACK_BYTES;
    assert!(peak <= limit, "{about} v{version}: {peak} bytes for a frame of {}", bytes.len());
}

/// A message with each of its bytes replaced in turn by the greatest count, as an int32 and as a varint.
fn hostile_counts(peak_bytes: Peak, whole: &[u8], version: i16, about: &str) {
    for at in 0..whole.len() {
        for count in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
            let mut damaged = whole[..at].to_vec();
            damaged.extend_from_slice(count);
            damaged.extend_from_slice(&whole[at..]);
            hold_to_the_limit(peak_bytes, &damaged, version, about);
        }
    }
}

/// Large frames in which nearly every byte can be read as an element: all zeros, ones and so on behind a
/// count of as many elements as fit.
fn floods(peak_bytes: Peak, version: i16, about: &str) {
    const FRAME_BYTES: usize = 1 << 20;
    for fill in [0, 1, 2] {
        for skip in 0..24 {
            let mut frame = vec![fill; FRAME_BYTES];
            for shift in [0, 5, 40] {
                let at = skip + shift;
                frame[at..at + 4].copy_from_slice(&(FRAME_BYTES as i32 / 16).to_be_bytes());
            }
            hold_to_the_limit(peak_bytes, &frame, version, about);
            frame[skip..skip + 4].copy_from_slice(&[0xff, 0xff, 0x03, 0]);
            hold_to_the_limit(peak_bytes, &frame, version, about);
        }
    }
}

macro_rules! cases {
    ($($key:literal $api:ident $module:ident $request:ident $response:ident;)*) => {{
        use protocol::messages::{$($module::{$request, $response}),*};
        [$(
            (ApiKey::$api, (|bytes, version| peak_bytes::<$request>(bytes, version)) as Peak,
                (|bytes, version| peak_bytes::<$response>(bytes, version)) as Peak),
        )*]
    }};
}

#[test]
fn reading_takes_a_small_multiple_of_the_frame() {
    for (key, request, response) in protocol::for_each_api!(cases) {
        let api = Api::of(key);
        for version in api.versions.clone() {
            for (schema, peak_bytes) in [(api.request, request), (api.response, response)] {
                let flexible = key.is_flexible(version);
                let whole = generate::message(schema, version, flexible, &mut Random(version as u64));
                hostile_counts(peak_bytes, &whole, version, schema.name);
                floods(peak_bytes, version, schema.name);
            }
        }
    }
}
