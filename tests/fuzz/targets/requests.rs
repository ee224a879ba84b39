//! Requests and responses of every API in every version, and the headers before them. The first two bytes pick API and
//! version. What reading may cost in memory is held down by the fuzzer's own limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::codec::{Decode, Encode, Reader, Writer};
use protocol::frame::{RequestHeader, frame_size, peek};
use protocol::messages::{Api, ApiKey};

type Read = fn(&[u8], i16);

/// What is read can be written, and what was written is read.
macro_rules! read {
    ($message:ident) => {
        (|bytes, version| {
            let Ok(message) = $message::decode(&mut Reader::new(bytes), version) else { return };
            let mut writer = Writer::new();
            if message.encode(&mut writer, version).is_ok() {
                let written = writer.into_bytes();
                $message::decode(&mut Reader::new(&written), version).expect("what was written is read");
            }
        }) as Read
    };
}

macro_rules! cases {
    ($($key:literal $api:ident $module:ident $request:ident $response:ident;)*) => {{
        use protocol::messages::{$($module::{$request, $response}),*};
        [$((ApiKey::$api, read!($request), read!($response)),)*]
    }};
}

fuzz_target!(|input: &[u8]| {
    let [api, version, bytes @ ..] = input else { return };
    let _ = (frame_size(bytes, 1 << 20), peek(bytes), RequestHeader::decode(&mut Reader::new(bytes)));
    let cases = protocol::for_each_api!(cases);
    let (key, request, response) = cases[usize::from(*api) % cases.len()];
    let versions = Api::of(key).versions.clone();
    let count = versions.end() - versions.start() + 1;
    let version = versions.start() + i16::from(*version >> 1) % count;
    if input[1] & 1 == 0 { request(bytes, version) } else { response(bytes, version) }
});
