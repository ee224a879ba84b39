//! A batch's records in another codec: what `compression.type` asks of a broker.

use super::patch::{put, seal};
use super::{ATTRIBUTES_AT, Batch, HEADER_SIZE, OVERHEAD, SIZE_AT};
use crate::records::compression::{self, Compression, CompressionError};
use crate::records::unpacking;

/// The bits of the attributes that name the codec.
const CODEC_MASK: i16 = 7;

impl Batch<'_> {
    /// This batch with its records, unchanged, compressed by `codec`, and a checksum of its own.
    ///
    /// The checksum it came with is not looked at: verify it before, or damage is sealed in.
    ///
    /// # Errors
    /// [`CompressionError`] if the records cannot be unpacked, or unpack to more than `limit_bytes`.
    pub fn recompressed(&self, codec: Compression, limit_bytes: usize) -> Result<Vec<u8>, CompressionError> {
        match self.compression() {
            Compression::None => self.packed(codec, self.body()),
            from => unpacking::within(limit_bytes, |limit_bytes, unpacked| {
                compression::decompress(from, self.body(), limit_bytes, unpacked)?;
                self.packed(codec, unpacked)
            }),
        }
    }

    /// This batch with the records `plain`, compressed by `codec`.
    fn packed(&self, codec: Compression, plain: &[u8]) -> Result<Vec<u8>, CompressionError> {
        let mut bytes = Vec::with_capacity(self.size_bytes());
        bytes.extend_from_slice(&self.as_bytes()[..HEADER_SIZE]);
        compression::compress(codec, plain, &mut bytes);
        let size = i32::try_from(bytes.len() - OVERHEAD)
            .map_err(|_| CompressionError::TooLarge { codec, limit_bytes: i32::MAX as usize })?;
        put(&mut bytes, SIZE_AT, size.to_be_bytes());
        let attributes = (self.attributes() & !CODEC_MASK) | i16::from(codec.id());
        put(&mut bytes, ATTRIBUTES_AT, attributes.to_be_bytes());
        seal(&mut bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, BatchBuilder};
    use super::*;
    use crate::types::{ProducerEpoch, ProducerId, Sequence, TimestampMs};

    #[test]
    fn only_the_codec_changes() {
        let codecs =
            [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
        for from in codecs {
            let mut builder = BatchBuilder::new().compression(from).transactional().producer(
                ProducerId(7),
                ProducerEpoch(1),
                Sequence(3),
            );
            builder.append(TimestampMs(10), Some(b"key"), Some(&[b'x'; 500]), &[(b"name", Some(b"value"))]);
            builder.append(TimestampMs(20), None, None, &[]);
            let original = builder.build();
            let (original, _) = Batch::parse(&original).unwrap();
            for to in codecs {
                let bytes = original.recompressed(to, 10_000).unwrap();
                let (batch, rest) = Batch::parse(&bytes).unwrap();
                assert!(rest.is_empty() && batch.verify_crc().is_ok() && batch.validate().is_ok());
                assert_eq!(batch.compression(), to);
                assert!(batch.is_transactional() && batch.record_count() == 2);
                assert_eq!(
                    (batch.producer_id(), batch.base_sequence(), batch.max_timestamp()),
                    (ProducerId(7), Sequence(3), TimestampMs(20))
                );
                let (mut one, mut other) = (Vec::new(), Vec::new());
                let before: Vec<_> =
                    original.decompressed(10_000, &mut one).unwrap().map(Result::unwrap).collect();
                let after: Vec<_> =
                    batch.decompressed(10_000, &mut other).unwrap().map(Result::unwrap).collect();
                assert_eq!(format!("{before:?}"), format!("{after:?}"), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let mut builder = BatchBuilder::new().compression(Compression::Zstd);
        builder.append(TimestampMs(0), None, Some(&[0; 100_000]), &[]);
        let bytes = builder.build();
        let (batch, _) = Batch::parse(&bytes).unwrap();
        assert!(batch.recompressed(Compression::None, 10_000).is_err());
    }
}
