//! A string of bits that can be read anywhere, and opened and closed in the middle: what histories are packed into.
//!
//! ```text
//! insert(at 5, 3 bits):   ●●●●●○○○○○○      ●●●●●■■■○○○○○○      the rest moves up, a word at a time
//! ```
//!
//! Bits are numbered from the least significant of the first word. Those behind the end are 0, so that equal strings have
//! equal words. A history of a hundred events is some fifty words, so moving the rest costs less than a miss of cache.
//!
//! Numbers of unknown size are exponential Golomb codes of order k: z zeros and a one, then the k + z low bits of
//! v + 2^k, whose topmost bit stands at k + z. Small numbers take k + 1 bits, and a number twice as large takes two more.
//!
//! # Source
//! Teuhola, A compression method for clustered bit-vectors, Information Processing Letters 7(6), 1978.

use super::snapshot::{Reader, SnapshotError, Writer};

/// Words are allocated two at a time: what allocators round to.
const GRAIN: usize = 2;

/// A string of bits; who owns it knows where it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Box<[u64]>,
}

impl Bits {
    /// `count` numbers of `n` bits each.
    pub(crate) fn of(numbers: impl Iterator<Item = u64>, count: usize, n: u32) -> Self {
        let mut bits = Self::default();
        bits.fit(count * n as usize);
        (0..).step_by(n.max(1) as usize).zip(numbers).for_each(|(at, number)| bits.set(at, n, number));
        bits
    }

    /// `n` bits from `at` on, at most 64; 0 behind the end.
    pub(crate) fn get(&self, at: usize, n: u32) -> u64 {
        let (word, shift) = (at / 64, at % 64);
        let (low, high) = match self.words.get(word..word + 2) {
            Some(&[low, high]) => (low, high),
            _ => (self.words.get(word).copied().unwrap_or(0), 0),
        };
        (low >> shift | high << 1 << (63 - shift)) & mask(n)
    }

    /// Overwrites `n` bits from `at` on, which must be before the end, by those of `value`.
    pub(crate) fn set(&mut self, at: usize, n: u32, value: u64) {
        let (word, shift) = (at / 64, at % 64);
        let low = &mut self.words[word];
        *low = *low & !(mask(n) << shift) | value << shift;
        if shift + n as usize > 64 {
            let high = &mut self.words[word + 1];
            *high = *high & !(mask(n) >> (64 - shift)) | value >> (64 - shift);
        }
    }

    /// Puts `n` bits, at most 63, before bit `at` of a string that ends at `end`. The new end.
    pub(crate) fn insert(&mut self, at: usize, n: u32, value: u64, end: usize) -> usize {
        if n == 0 {
            return end;
        }
        self.fit(end + n as usize);
        let first = at / 64;
        let below = mask((at % 64) as u32);
        let moved = self.words[first] & !below;
        let mut last = (end + n as usize - 1) / 64;
        while last > first + 1 {
            self.words[last] = self.words[last] << n | self.words[last - 1] >> (64 - n);
            last -= 1;
        }
        if last > first {
            self.words[last] = self.words[last] << n | moved >> (64 - n);
        }
        self.words[first] = self.words[first] & below | moved << n;
        self.set(at, n, value);
        end + n as usize
    }

    /// Takes `n` bits, at most 63, out from `at` on. The new end.
    pub(crate) fn remove(&mut self, at: usize, n: u32, end: usize) -> usize {
        if n == 0 {
            return end;
        }
        let first = at / 64;
        let below = mask((at % 64) as u32);
        let kept = self.words[first] & below;
        let used = end.div_ceil(64);
        for word in first..used {
            let next = self.words.get(word + 1).copied().unwrap_or(0);
            self.words[word] = self.words[word] >> n | next << (64 - n);
        }
        self.words[first] = self.words[first] & !below | kept;
        self.fit(end - n as usize);
        end - n as usize
    }

    /// Puts a number before bit `at`. The new end; `code_bits` tells by how much it grew.
    pub(crate) fn insert_code(&mut self, at: usize, order: u32, value: u64, end: usize) -> usize {
        let (zeros, rest, low) = code(order, value);
        if zeros + 1 + rest <= 63 {
            return self.insert(at, zeros + 1 + rest, (low << 1 | 1) << zeros, end);
        }
        let end = self.insert(at, rest, low, end);
        self.insert(at, zeros + 1, 1 << zeros, end)
    }

    /// The number at `at`, and where the next one stands.
    pub(crate) fn get_code(&self, at: usize, order: u32) -> (u64, usize) {
        let word = self.get(at, 64);
        // Behind the end, or in a string that nobody wrote, there may be no one.
        let zeros = word.trailing_zeros().min(62 - order);
        let rest = order + zeros;
        let low = if zeros + 1 + rest <= 64 {
            word >> 1 >> zeros & mask(rest)
        } else {
            self.get(at + zeros as usize + 1, rest)
        };
        ((low | 1 << rest) - (1 << order), at + (zeros + 1 + rest) as usize)
    }

    /// Bytes that a string of so many bits takes.
    pub(crate) const fn size_of(bits: usize) -> usize {
        8 * bits.div_ceil(64).next_multiple_of(GRAIN)
    }

    /// Bytes held.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// Touches the first few lines of cache, so that they are there when they are needed.
    pub(crate) fn touch(&self) -> u64 {
        self.words.iter().step_by(8).take(4).fold(0, |sum, word| sum ^ word)
    }

    /// As many words as `end` bits take: no more, so that what a string takes follows from what it says.
    fn fit(&mut self, end: usize) {
        let words = end.div_ceil(64).next_multiple_of(GRAIN);
        if words != self.words.len() {
            let mut resized = std::mem::take(&mut self.words).into_vec();
            resized.reserve_exact(words.saturating_sub(resized.len()));
            resized.resize(words, 0);
            self.words = resized.into_boxed_slice();
        }
    }

    /// Appends the words.
    pub(crate) fn save(&self, out: &mut Writer) {
        out.u32(self.words.len() as u32);
        self.words.iter().for_each(|&word| out.u64(word));
    }

    /// Reads what [`Bits::save`] wrote, and how many bits there can be.
    pub(crate) fn load(input: &mut Reader<'_>) -> Result<(Self, usize), SnapshotError> {
        let words = input.count(8)?;
        let mut read = Vec::with_capacity(words);
        for _ in 0..words {
            read.push(input.u64()?);
        }
        Ok((Self { words: read.into_boxed_slice() }, 64 * words))
    }
}

/// How many bits a number takes.
pub(crate) fn code_bits(order: u32, value: u64) -> usize {
    let (zeros, rest, _) = code(order, value);
    (zeros + 1 + rest) as usize
}

/// The order that suits numbers around `median`.
pub(crate) fn order_of(median: u64) -> u32 {
    width(median).saturating_sub(1)
}

/// How many bits a number has.
pub(crate) fn width(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Zeros, how many bits follow the one, and those.
fn code(order: u32, value: u64) -> (u32, u32, u64) {
    let sum = value + (1 << order);
    let rest = width(sum) - 1;
    (rest - order, rest, sum & mask(rest))
}

fn mask(n: u32) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_are_short() {
        assert_eq!([0, 1, 2, 3, 6, 7].map(|value| code_bits(0, value)), [1, 3, 3, 5, 5, 7]);
        assert_eq!([0, 511, 512, 1535, 1536].map(|value| code_bits(9, value)), [10, 10, 12, 12, 14]);
        assert_eq!([0, 1, 577].map(order_of), [0, 0, 9]);
    }

    #[test]
    fn nothing_can_be_read_that_is_not_there() {
        let bits = Bits::default();
        assert_eq!(bits.get(1000, 64), 0);
        let (_, next) = bits.get_code(0, 7);
        assert!(next <= 128, "a code has an end whatever is read");
    }

    proptest! {
        /// Insert, overwrite and remove as on a vector of single bits.
        #[test]
        fn as_a_vector_of_bits(acts in prop::collection::vec((0u8..3, any::<u16>(), 0u32..64, any::<u64>()), 1..80)) {
            let (mut bits, mut plain, mut end) = (Bits::default(), Vec::<bool>::new(), 0);
            for (act, place, n, value) in acts {
                let at = usize::from(place) % (plain.len() + 1);
                let value = value & mask(n);
                let single: Vec<bool> = (0..n).map(|bit| value >> bit & 1 == 1).collect();
                let here = (n as usize).min(plain.len() - at);
                match act {
                    0 => {
                        end = bits.insert(at, n, value, end);
                        plain.splice(at..at, single);
                    }
                    1 => {
                        end = bits.remove(at, here as u32, end);
                        plain.drain(at..at + here);
                    }
                    _ if here > 0 => {
                        bits.set(at, here as u32, value & mask(here as u32));
                        plain[at..at + here].copy_from_slice(&single[..here]);
                    }
                    _ => {}
                }
                prop_assert_eq!(end, plain.len());
                prop_assert_eq!(bits.words.len(), end.div_ceil(64).next_multiple_of(GRAIN));
            }
            for (at, &bit) in plain.iter().enumerate() {
                prop_assert_eq!(bits.get(at, 1) == 1, bit);
            }
            prop_assert_eq!(bits.get(end, 64), 0, "nothing behind the end");
        }

        #[test]
        fn a_number_comes_back(order in 0u32..40, values in prop::collection::vec(0u32..50, 1..20), seed in any::<u64>()) {
            let values: Vec<u64> = values.iter().map(|&n| seed >> (14 + n)).collect();
            let (mut bits, mut end) = (Bits::default(), 0);
            for &value in &values {
                let before = end;
                end = bits.insert_code(end, order, value, end);
                prop_assert_eq!(end - before, code_bits(order, value));
            }
            let mut at = 0;
            for &value in &values {
                let (read, next) = bits.get_code(at, order);
                prop_assert_eq!(read, value);
                at = next;
            }
            prop_assert_eq!(at, end);
        }
    }
}
