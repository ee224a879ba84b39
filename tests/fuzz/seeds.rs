//! Writes what the targets begin with: `seeds DIRECTORY` makes a folder for each target.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::records::convert::{Magic, down_convert};
use protocol::records::{BatchBuilder, Compression};
use protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

const EVENTS: [&str; 5] = [
    r#"{"user_id":"u","item_id":"i","action":"click","ts":1700000000000}"#,
    r#"[{"user_id":1,"item_id":2,"action":"rate","value":4.5},{"user_id":1,"item_id":3,"action":"view"}]"#,
    "{'user_id': 'u', 'item_id': 'i', 'action': 'buy', 'price': 1.5, 'flag': True, 'none': None}",
    "tea:view",
    "key\n{\"item_id\":\"i\",\"title\":\"t\",\"tags\":[\"a\",\"b\"]}",
];

fn batch(codec: Compression, offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new().base_offset(Offset(offset)).compression(codec).producer(
        ProducerId(7),
        ProducerEpoch(0),
        Sequence(0),
    );
    for i in 0..3 {
        let headers = [(&b"name"[..], Some(&b"value"[..])), (b"null", None)];
        builder.append(TimestampMs(1_700_000_000_000 + i), Some(b"key"), Some(b"a value, a value"), &headers);
    }
    builder.append(TimestampMs(1_700_000_000_000), None, None, &[]);
    builder.build()
}

/// Every file below `dir`.
fn files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args().nth(1).ok_or("usage: seeds DIRECTORY")?);
    let mut count = 0;
    let mut seed = |target: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(root.join(target))?;
        count += 1;
        Ok(fs::write(root.join(target).join(format!("seed-{count}")), bytes)?)
    };
    for codec in Compression::ALL {
        let batches = [batch(codec, 0), batch(codec, 4)].concat();
        seed("batches", &batches)?;
        for magic in [Magic::V0, Magic::V1] {
            if let Ok(set) = down_convert(&batches, magic, Offset(0), 1 << 20) {
                seed("message_sets", &set)?;
            }
        }
        let mut packed = vec![codec.id() as u8];
        protocol::records::compression::compress(codec, &[b'x'; 4096], &mut packed);
        seed("decompress", &packed)?;
    }
    for (topic, event) in (0_u8..).zip(EVENTS) {
        seed("events", &[&[topic], event.as_bytes()].concat())?;
    }
    // Any API and version: zeros are empty strings and arrays, ones are null or short ones.
    for fill in [0, 1, 2] {
        for api in 0..=u8::MAX {
            seed("requests", &[&[api, api.wrapping_mul(31)][..], &[fill; 64]].concat())?;
        }
    }
    let mut kafkas = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../storage/testdata/kafka-4.1"), &mut kafkas)?;
    for path in kafkas {
        let bytes = fs::read(&path)?;
        for kind in 0..10 {
            seed("dump", &[&[kind], &bytes[..]].concat())?;
        }
    }
    // Patches of one byte, over each file of the directory that the target makes.
    for file in 0..=u8::MAX {
        for at in [0, 1, 5] {
            seed("store", &[file, file & 1 | 2, at, file, 0xff])?;
        }
        seed("store", &[file, file & 1])?;
    }
    println!("{count} seeds");
    Ok(())
}
