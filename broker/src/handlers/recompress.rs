//! `compression.type`: batches of clients as their topic wants them stored.
//!
//! `producer`, the default, keeps every batch as it came, and nothing here is done then. Any other value unpacks
//! a batch that came in another codec and packs it anew; Apache Kafka does the same.

use protocol::error_code::ErrorCode;
use protocol::records::{Batches, Compression};

use super::produce::Refused;
use crate::config::{TopicCompression, TopicConfig};

/// The most that a batch may unpack to.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// The batches in the topic's codec; `None` if they are to be stored as they came.
///
/// # Errors
/// CORRUPT_MESSAGE if a batch is damaged or unpacks to too much, MESSAGE_TOO_LARGE if it was too large as it
/// came, whatever it is packed to.
pub(super) fn as_configured(batches: &[u8], config: &TopicConfig) -> Result<Option<Vec<u8>>, Refused> {
    let wanted = match config.compression_type {
        TopicCompression::Producer => return Ok(None),
        TopicCompression::Uncompressed => Compression::None,
        TopicCompression::Gzip => Compression::Gzip,
        TopicCompression::Snappy => Compression::Snappy,
        TopicCompression::Lz4 => Compression::Lz4,
        TopicCompression::Zstd => Compression::Zstd,
    };
    let corrupt = |error: &dyn std::error::Error| Refused::new(ErrorCode::CorruptMessage, error.to_string());
    let mut stored = Vec::with_capacity(batches.len());
    for batch in Batches::new(batches) {
        let batch = batch.map_err(|error| corrupt(&error))?;
        if batch.size_bytes() > config.max_message_bytes {
            let message = format!(
                "a batch of {} bytes exceeds max.message.bytes={}",
                batch.size_bytes(),
                config.max_message_bytes
            );
            return Err(Refused::new(ErrorCode::MessageTooLarge, message));
        }
        if batch.compression() == wanted {
            stored.extend_from_slice(batch.as_bytes());
            continue;
        }
        batch.verify_crc().map_err(|error| corrupt(&error))?;
        let packed = batch.recompressed(wanted, UNPACKED_BYTES_MAX).map_err(|error| corrupt(&error))?;
        stored.extend_from_slice(&packed);
    }
    Ok(Some(stored))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use protocol::records::{Batch, BatchBuilder};
    use protocol::types::TimestampMs;

    use super::*;
    use crate::config::ServerConfig;

    fn config(pairs: &[(&str, &str)]) -> TopicConfig {
        let own: BTreeMap<String, String> =
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        TopicConfig::effective(&ServerConfig::default(), &own).unwrap()
    }

    fn batch(codec: Compression) -> Vec<u8> {
        let mut builder = BatchBuilder::new().compression(codec);
        builder.append(TimestampMs(1), None, Some(&[b'x'; 1000]), &[]);
        builder.build()
    }

    #[test]
    fn batches_are_stored_in_the_topics_codec() {
        let zstd = batch(Compression::Zstd);
        assert_eq!(as_configured(&zstd, &config(&[])).unwrap(), None, "as the producer sent it");
        for (text, codec) in [
            ("uncompressed", Compression::None),
            ("gzip", Compression::Gzip),
            ("snappy", Compression::Snappy),
            ("lz4", Compression::Lz4),
            ("zstd", Compression::Zstd),
        ] {
            let stored = as_configured(&zstd, &config(&[("compression.type", text)])).unwrap().unwrap();
            let (stored, rest) = Batch::parse(&stored).unwrap();
            assert_eq!((stored.compression(), rest.len()), (codec, 0), "{text}");
        }
    }

    #[test]
    fn damage_is_found_before_it_is_sealed_in() {
        let mut damaged = batch(Compression::None);
        *damaged.last_mut().unwrap() ^= 1;
        let refused = as_configured(&damaged, &config(&[("compression.type", "gzip")])).unwrap_err();
        assert_eq!(refused.code, ErrorCode::CorruptMessage);
    }

    #[test]
    fn a_batch_too_large_as_it_came_is_refused() {
        let topic = config(&[("compression.type", "zstd"), ("max.message.bytes", "500")]);
        let refused = as_configured(&batch(Compression::None), &topic).unwrap_err();
        assert_eq!(refused.code, ErrorCode::MessageTooLarge);
    }
}
