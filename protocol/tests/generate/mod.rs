//! Random messages made from a table alone, written without the codec that is under test.

use protocol::codec::{Field, Kind, Schema, Versions};

/// A small generator of random numbers (SplitMix64): the same seed gives the same messages everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The bytes of some message with this table, in the one form that every writer must give them.
pub(crate) fn message(schema: &Schema, version: i16, flexible: bool, random: &mut Random) -> Vec<u8> {
    let mut generator = Generator { version, flexible, random, out: Vec::new(), depth: 0 };
    generator.fields(schema, false);
    generator.out
}

struct Generator<'r> {
    version: i16,
    flexible: bool,
    random: &'r mut Random,
    out: Vec<u8>,
    depth: usize,
}

impl Generator<'_> {
    /// `significant` values are never a default: tagged fields at their default are not written at all.
    fn fields(&mut self, schema: &Schema, significant: bool) {
        let version = self.version;
        let here: Vec<&Field> =
            schema.fields.iter().filter(|field| field.spec.versions.has(version)).collect();
        for field in here.iter().filter(|field| field.tag.is_none()) {
            self.value(&field.kind, field.spec.null, significant);
        }
        if !self.flexible {
            return;
        }
        let tagged: Vec<_> =
            here.iter().filter(|field| field.tag.is_some() && !self.random.one_in(3)).collect();
        self.uvarint(tagged.len() as u32);
        for field in tagged {
            self.uvarint(field.tag.unwrap_or_default());
            let before = std::mem::take(&mut self.out);
            self.value(&field.kind, Versions::NONE, true);
            let value = std::mem::replace(&mut self.out, before);
            self.uvarint(value.len() as u32);
            self.out.extend(value);
        }
    }

    fn value(&mut self, kind: &Kind, null: Versions, significant: bool) {
        match kind {
            Kind::Bool => {
                let value = u8::from(significant || self.random.one_in(2));
                self.out.push(value);
            }
            Kind::Int8 => self.number(1, significant),
            Kind::Int16 | Kind::Uint16 => self.number(2, significant),
            Kind::Int32 | Kind::Uint32 => self.number(4, significant),
            Kind::Int64 => self.number(8, significant),
            // Not any bits: a number that is itself when compared, unlike NaN.
            Kind::Float64 => {
                let value = 1.0 + self.random.below(1000) as f64 / 8.0;
                self.out.extend(value.to_be_bytes());
            }
            Kind::Uuid => {
                let value = [self.random.next() | 1, self.random.next()];
                self.out.extend(value.iter().flat_map(|half| half.to_be_bytes()));
            }
            Kind::String => {
                let length = self.length(significant);
                if self.flexible {
                    self.uvarint(length as u32 + 1);
                } else {
                    self.out.extend((length as i16).to_be_bytes());
                }
                for _ in 0..length {
                    let letter = b'a' + self.random.below(26) as u8;
                    self.out.push(letter);
                }
            }
            Kind::Bytes | Kind::Records => {
                let length = self.length(significant);
                self.size(length);
                for _ in 0..length {
                    let byte = self.random.next() as u8;
                    self.out.push(byte);
                }
            }
            Kind::Array(of) => {
                let count = match of.innermost() {
                    Some(_) => self.random.below(if self.depth < 2 { 4 } else { 2 }),
                    None => self.length(false),
                };
                let count = count.max(usize::from(significant));
                self.size(count);
                self.depth += 1;
                for _ in 0..count {
                    self.value(of, Versions::ALL, false);
                }
                self.depth -= 1;
            }
            Kind::Nullable(of) => {
                let is_null = !significant && null.has(self.version) && self.random.one_in(4);
                match **of {
                    Kind::Struct(_) => self.out.push(if is_null { 0xff } else { 1 }),
                    Kind::String if is_null && !self.flexible => self.out.extend([0xff; 2]),
                    _ if is_null && !self.flexible => self.out.extend([0xff; 4]),
                    _ if is_null => self.out.push(0),
                    _ => {}
                }
                if !is_null {
                    self.value(of, null, significant);
                }
            }
            Kind::Struct(schema) => self.fields(schema, significant),
        }
    }

    /// The edges are as likely as all the rest.
    fn number(&mut self, bytes: usize, significant: bool) {
        let value = match self.random.below(8) {
            _ if significant => 2 + self.random.below(100) as u64,
            0 => 0,
            1 => u64::MAX,
            2 => u64::MAX >> (64 - 8 * bytes + 1),
            3 => 1 << (8 * bytes - 1),
            4..=5 => self.random.below(100) as u64,
            _ => self.random.next(),
        };
        self.out.extend(&value.to_be_bytes()[8 - bytes..]);
    }

    /// Mostly short; sometimes too long for a varint of one byte.
    fn length(&mut self, significant: bool) -> usize {
        match self.random.below(30) {
            0 => 126 + self.random.below(10),
            _ if significant => 1 + self.random.below(8),
            _ => self.random.below(8),
        }
    }

    fn size(&mut self, size: usize) {
        if self.flexible {
            self.uvarint(size as u32 + 1);
        } else {
            self.out.extend((size as i32).to_be_bytes());
        }
    }

    fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
