//! Which partition a key belongs to: Kafka's default partitioner, so that what the broker writes
//! itself lands where a Java, Python or Go client would have put it.

use protocol::types::PartitionIndex;

/// The partition, of `count`, of `key`: `toPositive(murmur2(key)) % count`.
///
/// # Source
/// `org.apache.kafka.common.utils.Utils.murmur2`; Austin Appleby's MurmurHash2, 32 bits.
pub(crate) fn partition_of(key: &[u8], count: usize) -> PartitionIndex {
    let positive = murmur2(key) & 0x7fff_ffff;
    let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    PartitionIndex(i32::try_from(positive % count).expect("below a positive i32"))
}

fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        // The hash is defined on little-endian words, whatever the machine.
        let mut k = word.iter().rev().fold(0_u32, |k, byte| k << 8 | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0_u32, |k, byte| k << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Apache Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_agrees_with_kafka() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash.cast_unsigned(), "{key}");
        }
    }

    #[test]
    fn partitions_stay_in_range() {
        for count in [1, 2, 7, 1000] {
            for key in 0..1000_u32 {
                let PartitionIndex(index) = partition_of(&key.to_be_bytes(), count);
                assert!((0..i32::try_from(count).unwrap()).contains(&index));
            }
        }
    }
}
