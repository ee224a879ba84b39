//! Damaged messages are errors: never a panic, never read as if they were whole.

use protocol::codec::{Decode, DecodeError, Reader};
use protocol::messages::{Api, ApiKey, Request};

use crate::generate::{self, Random};

type Read = fn(&[u8], i16) -> Result<(), DecodeError>;

/// What reading came to; the message itself does not matter here.
fn read<'a, M: Decode<'a>>(bytes: &'a [u8], version: i16) -> Result<(), DecodeError> {
    M::decode(&mut Reader::new(bytes), version).map(drop)
}

fn every_truncation_is_noticed(read: Read, whole: &[u8], version: i16) {
    for size in 0..whole.len() {
        // In a copy of just that size, so that a read beyond it could not go unnoticed.
        let cut = whole[..size].to_vec();
        assert!(read(&cut, version).is_err(), "v{version} cut to {size} bytes: {whole:?}");
    }
}

fn no_flipped_byte_panics(read: Read, whole: &[u8], version: i16, random: &mut Random) {
    for at in 0..whole.len() {
        let mut damaged = whole.to_vec();
        damaged[at] = random.next() as u8;
        let _ = read(&damaged, version);
        // Every place as if a count or a length were there: the greatest int32, -2, the greatest varint.
        for hostile in
            [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xfe], &[0xff, 0xff, 0xff, 0xff, 0x0f]]
        {
            let end = whole.len().min(at + hostile.len());
            let mut damaged = whole.to_vec();
            damaged[at..end].copy_from_slice(&hostile[..end - at]);
            let _ = read(&damaged, version);
        }
    }
}

macro_rules! tests {
    ($($key:literal $api:ident $module:ident $request:ident $response:ident;)*) => {
        $(#[test]
        fn $module() {
            use protocol::messages::$module::{$request, $response};
            let api = Api::of(ApiKey::$api);
            for version in <$request as Request<'_>>::VERSIONS {
                let mut random = Random(version as u64);
                for (schema, read) in [
                    (api.request, (|bytes, version| read::<$request>(bytes, version)) as Read),
                    (api.response, |bytes, version| read::<$response>(bytes, version)),
                ] {
                    for _ in 0..5 {
                        let whole = generate::message(schema, version, api.key.is_flexible(version), &mut random);
                        read(&whole, version).unwrap_or_else(|error| panic!("{}: {error}", schema.name));
                        every_truncation_is_noticed(read, &whole, version);
                        no_flipped_byte_panics(read, &whole, version, &mut random);
                    }
                }
            }
        })*
    };
}

protocol::for_each_api!(tests);
