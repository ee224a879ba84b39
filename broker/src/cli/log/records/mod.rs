//! Keys and values of records as text: plain, or read as those of one of Kafka's internal topics.

mod coordinators;
mod metadata;
mod schema;

use protocol::codec::Reader;
use protocol::records::Record;

use self::coordinators::{GROUPS, RecordType, TRANSACTIONS};
use self::metadata::{CONTROLS, METADATA};
use self::schema::{SchemaError, to_json};
use super::line::{Line, Shown};

/// The only frame of metadata records there is.
const FRAME_VERSION: u32 = 1;

/// What records are read as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decoder {
    /// UTF-8; what is not is replaced.
    Plain,
    /// `__consumer_offsets`.
    Offsets,
    /// `__transaction_state`.
    Transactions,
    /// `__cluster_metadata`.
    Metadata,
}

impl Decoder {
    /// Adds key and payload of `record` to `line`.
    pub(super) fn show(self, line: Line, record: &Record<'_>) -> Line {
        match self {
            Decoder::Plain => plain(line, record),
            Decoder::Offsets => coordinator(GROUPS, line, record),
            Decoder::Transactions => coordinator(TRANSACTIONS, line, record),
            Decoder::Metadata => metadata(line, record),
        }
    }
}

fn plain(mut line: Line, record: &Record<'_>) -> Line {
    for (name, bytes) in [("key", record.key), ("payload", record.value)] {
        if let Some(bytes) = bytes {
            line = line.text(name, String::from_utf8_lossy(bytes));
        }
    }
    line
}

fn coordinator(types: &[RecordType], line: Line, record: &Record<'_>) -> Line {
    let offset = record.offset;
    let Some(key) = record.key else {
        return line.text("key", format!("Error at offset {offset}, skipping. The record has no key."));
    };
    let mut reader = Reader::new(key);
    let id = match reader.i16() {
        Ok(id) => id,
        Err(error) => return line.text("key", format!("Error at offset {offset}, skipping. {error}")),
    };
    let Some(found) = types.iter().find(|found| found.id == id) else {
        return line.text("key", format!("Unknown record type {id} at offset {offset}, skipping."));
    };
    let key = to_json(&found.key, &mut reader, id);
    match key.and_then(|key| Ok((key, record.value.map(|value| versioned(found, value)).transpose()?))) {
        Ok((key, value)) => {
            let line = line.with("key", Shown::Json(format!("{{\"type\":\"{id}\",\"data\":{key}}}")));
            match value {
                Some(value) => line.with("payload", Shown::Json(value)),
                None => line.text("payload", "<DELETE>"),
            }
        }
        Err(error) => line.text("key", format!("Error at offset {offset}, skipping. {error}")),
    }
}

fn versioned(found: &RecordType, value: &[u8]) -> Result<String, SchemaError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    let data = to_json(&found.value, &mut reader, version)?;
    Ok(format!("{{\"version\":\"{version}\",\"data\":{data}}}"))
}

fn metadata(line: Line, record: &Record<'_>) -> Line {
    match framed(record.value.unwrap_or_default()) {
        Ok(json) => line.with("payload", Shown::Json(json)),
        Err(error) => line.text("payload", format!("Error at {}, skipping. {error}", record.offset)),
    }
}

fn framed(value: &[u8]) -> Result<String, SchemaError> {
    let mut reader = Reader::new(value);
    let frame = reader.uvarint()?;
    if frame != FRAME_VERSION {
        return Err(SchemaError::UnknownVersion(frame.into()));
    }
    let (id, version) = (reader.uvarint()?, reader.uvarint()?);
    let Some(found) = METADATA.iter().find(|found| found.id == id) else {
        return Ok(format!("{{\"type\":\"UNKNOWN_RECORD_{id}\",\"version\":{version}}}"));
    };
    let known = i16::try_from(version).map_err(|_| SchemaError::UnknownVersion(version.into()))?;
    let data = to_json(&found.value, &mut reader, known)?;
    Ok(format!("{{\"type\":\"{}\",\"version\":{version},\"data\":{data}}}", found.name))
}

/// Adds what a control record of a KRaft log says.
pub(super) fn control(line: Line, record: &Record<'_>) -> Line {
    let id = record.key.and_then(|key| key.get(2..4)).map_or(-1, |id| i16::from_be_bytes([id[0], id[1]]));
    let value = record.value.unwrap_or_default();
    let json = |schema| {
        let version = Reader::new(value).i16()?;
        to_json(schema, &mut Reader::new(value), version)
    };
    match CONTROLS.iter().find(|(known, _, _)| *known == id) {
        Some((_, name, schema)) => match json(schema) {
            Ok(json) => line.with(name, Shown::Json(json)),
            Err(error) => line.text(name, error.to_string()),
        },
        None => line.text("controlType", format!("UNKNOWN({id})")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::records::{Batch, BatchBuilder};
    use protocol::types::TimestampMs;

    use super::*;

    fn shown(decoder: Decoder, key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        let mut builder = BatchBuilder::new();
        builder.append(TimestampMs(0), key, value, &[]);
        let bytes = builder.build();
        let (batch, _) = Batch::parse(&bytes).unwrap();
        let record = batch.records().next().unwrap().unwrap();
        decoder.show(Line::new(), &record).to_text()
    }

    #[test]
    fn records_are_shown_as_kafkas_tools_show_them() {
        let key = b"\0\x01\0\x02gr\0\x01t\0\0\0\x07";
        let value = b"\0\x03\0\0\0\0\0\0\x01\x02\0\0\0\x03\0\0\0\0\0\0\0\0\x04\x05";
        assert_eq!(
            shown(Decoder::Offsets, Some(key), Some(value)),
            r#"key: {"type":"1","data":{"group":"gr","topic":"t","partition":7}} payload: {"version":"3","data":{"offset":258,"leaderEpoch":3,"metadata":"","commitTimestamp":1029}}"#
        );
        assert_eq!(
            shown(Decoder::Offsets, Some(b"\0\x02\0\x02gr"), None),
            r#"key: {"type":"2","data":{"group":"gr"}} payload: <DELETE>"#
        );
        let topic = [&[1, 2, 0, 3, b'a', b'b'][..], &[9; 16], &[0]].concat();
        assert_eq!(
            shown(Decoder::Metadata, None, Some(&topic)),
            r#"payload: {"type":"TOPIC_RECORD","version":0,"data":{"name":"ab","topicId":"CQkJCQkJCQkJCQkJCQkJCQ"}}"#
        );
        assert_eq!(shown(Decoder::Plain, Some(b"k"), Some(b"\xffv")), "key: k payload: \u{fffd}v");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (key, value, words) in [
            (Some(&b"\x03\xe7"[..]), None, "key: Unknown record type 999 at offset 0, skipping."),
            (Some(b"\0\x02\0\x02g"), None, "key: Error at offset 0, skipping."),
            (Some(b"\0\x02\0\x02gr"), Some(&b"\0\x09"[..]), "skipping. version 9 is unknown"),
            (None, None, "The record has no key."),
        ] {
            let text = shown(Decoder::Offsets, key, value);
            assert!(text.contains(words), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_shown(id in 0_u8..30, version in 0_u8..5, key: Vec<u8>, value: Vec<u8>) {
            let key = [&[0, id][..], &key].concat();
            let coordinator = [&[0, version][..], &value].concat();
            let metadata = [&[1, id, version][..], &value].concat();
            for (decoder, value) in [
                (Decoder::Offsets, &coordinator), (Decoder::Transactions, &coordinator), (Decoder::Metadata, &metadata),
            ] {
                prop_assert!(!shown(decoder, Some(&key), Some(value)).is_empty());
            }
        }
    }
}
