//! A table as data: what tests generate messages from, and what is checked while compiling.

use std::fmt;
use std::ops::RangeInclusive;

use super::Wire;

/// A run of versions, both ends included. Kafka writes `3-7`, or `3+` if it has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The lowest.
    pub first: i16,
    /// The highest; [`i16::MAX`] if there is no end.
    pub last: i16,
}

impl Versions {
    /// Every version.
    pub const ALL: Versions = Versions::from(0);
    /// No version.
    pub const NONE: Versions = Versions::between(0, -1);

    /// `first` and later.
    #[must_use]
    pub const fn from(first: i16) -> Versions {
        Versions { first, last: i16::MAX }
    }

    /// `first` to `last`.
    #[must_use]
    pub const fn between(first: i16, last: i16) -> Versions {
        Versions { first, last }
    }

    /// Whether `version` is one of them.
    #[must_use]
    #[inline]
    pub const fn has(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    const fn is_empty(self) -> bool {
        self.first > self.last
    }

    const fn and(self, other: Versions) -> Versions {
        Versions {
            first: if self.first > other.first { self.first } else { other.first },
            last: if self.last < other.last { self.last } else { other.last },
        }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            i16::MAX => write!(f, "{}+", self.first),
            last => write!(f, "{}-{last}", self.first),
        }
    }
}

/// What a row says about its field besides name, type and default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Versions that have the field.
    pub versions: Versions,
    /// Versions in which it may be null, if its type can be.
    pub null: Versions,
    /// Whether a version that lacks it may drop it silently.
    pub ignorable: bool,
}

impl Spec {
    /// A field of these versions, nullable in all of them if its type is, and not to be dropped.
    #[must_use]
    pub const fn new(versions: Versions) -> Spec {
        Spec { versions, null: Versions::ALL, ignorable: false }
    }

    /// Nullable only in these versions.
    #[must_use]
    pub const fn null(self, null: Versions) -> Spec {
        Spec { null, ..self }
    }

    /// May be dropped by versions that lack it.
    #[must_use]
    pub const fn ignorable(self) -> Spec {
        Spec { ignorable: true, ..self }
    }
}

/// A type on the wire, by Kafka's name for it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `float64`
    Float64,
    /// `uuid`
    Uuid,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `records`: bytes that are record batches or message sets
    Records,
    /// `[]` of a kind
    Array(&'static Kind),
    /// A kind that may be null.
    Nullable(&'static Kind),
    /// A struct with a table of its own.
    Struct(&'static Schema),
}

/// A struct: its fields in the order of the wire, the tagged ones last, by tag.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The struct's name.
    pub name: &'static str,
    /// Its rows.
    pub fields: &'static [Field],
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Kafka's name, in snake case.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Versions, nullability, whether it may be dropped.
    pub spec: Spec,
    /// Its tag, if it is written in the section of tagged fields.
    pub tag: Option<u32>,
}

impl Schema {
    /// The table of `T`, which must be a struct.
    #[must_use]
    pub const fn of<'a, T: Wire<'a>>() -> &'static Schema {
        match T::KIND {
            Kind::Struct(schema) => schema,
            _ => panic!("only structs have a table"),
        }
    }

    /// Refuses a table that contradicts itself. Runs while compiling.
    pub(crate) const fn check(&self, versions: RangeInclusive<i16>, flexible_from: Option<i16>) {
        let flexible = match flexible_from {
            Some(first) => Versions::from(first),
            None => Versions::NONE,
        };
        self.check_within(Versions::between(*versions.start(), *versions.end()), flexible);
    }

    const fn check_within(&self, versions: Versions, flexible: Versions) {
        let mut lowest_tag = 0;
        let mut i = 0;
        while i < self.fields.len() {
            let field = &self.fields[i];
            let here = field.spec.versions.and(versions);
            assert!(!here.is_empty(), "a field that no version of the message has");
            assert!(!field.spec.null.and(here).is_empty(), "null only in versions that lack the field");
            if let Some(tag) = field.tag {
                assert!(tag >= lowest_tag, "tags must ascend");
                lowest_tag = tag + 1;
                assert!(flexible.has(here.first), "a tagged field in a version without tags");
            }
            if let Some(nested) = field.kind.innermost() {
                nested.check_within(here, flexible);
            }
            i += 1;
        }
    }
}

impl Kind {
    /// The struct that this kind is, or is an array of.
    #[must_use]
    pub const fn innermost(&self) -> Option<&'static Schema> {
        match self {
            Kind::Struct(schema) => Some(schema),
            Kind::Array(inner) | Kind::Nullable(inner) => inner.innermost(),
            _ => None,
        }
    }
}
