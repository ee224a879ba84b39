//! What can be wrong with bytes read, and with a message to be written.

use super::Form;

/// The table does not have this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version {version} is not among {first}-{last}")]
pub struct UnsupportedVersion {
    /// What was asked.
    pub version: i16,
    /// The lowest there is.
    pub first: i16,
    /// The highest there is.
    pub last: i16,
}

/// The bytes are not the message. `at` is the position in the frame, counted from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame ends inside a field.
    #[error("{needed} bytes needed at byte {at}, {remaining} remain")]
    Truncated {
        /// Where.
        at: usize,
        /// Bytes that the field takes.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A length below -1, or below zero where null has no meaning.
    #[error("length {length} at byte {at}")]
    NegativeLength {
        /// Where.
        at: usize,
        /// What was claimed.
        length: i32,
    },
    /// Null in a field, or in a version of it, that cannot be null.
    #[error("null before byte {at}, where the version has none")]
    UnexpectedNull {
        /// Where.
        at: usize,
    },
    /// An array claims more elements than the remaining bytes can hold.
    #[error("{count} elements claimed at byte {at}, {remaining} bytes remain")]
    TooManyElements {
        /// Where.
        at: usize,
        /// What was claimed.
        count: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// The arrays of the frame would take more memory than [`Reader`](super::Reader) grants a frame.
    #[error("arrays up to byte {at} take more memory than a frame of this size may")]
    TooMuchMemory {
        /// Where.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("string before byte {at} is not UTF-8")]
    InvalidUtf8 {
        /// Where.
        at: usize,
    },
    /// A varint of more than 32 bits.
    #[error("varint before byte {at} is too long")]
    VarintTooLong {
        /// Where.
        at: usize,
    },
    /// Tagged fields must come in ascending order, each at most once.
    #[error("tag {tag} at byte {at} is out of order")]
    TagOrder {
        /// Where.
        at: usize,
        /// The later tag.
        tag: u32,
    },
    /// A tagged field is shorter than the size before it says.
    #[error("tagged field {tag} leaves {left} bytes before byte {at}")]
    TagSize {
        /// Where.
        at: usize,
        /// Which.
        tag: u32,
        /// Bytes that belong to it and were not read.
        left: usize,
    },
    /// See [`UnsupportedVersion`].
    #[error(transparent)]
    UnsupportedVersion(#[from] UnsupportedVersion),
}

/// The message cannot be written in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A field is set that this version cannot carry and the receiver cannot do without.
    #[error("{message}.{field} is set, but version {version} lacks it")]
    FieldNotInVersion {
        /// The struct.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// A field is null that cannot be null in this version.
    #[error("{message}.{field} is null, but cannot be in version {version}")]
    NullNotInVersion {
        /// The struct.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// A string, bytes or array longer than its length field can say.
    #[error("{length} is more than a length field can hold")]
    TooLong {
        /// Bytes or elements.
        length: usize,
    },
    /// See [`UnsupportedVersion`].
    #[error(transparent)]
    UnsupportedVersion(#[from] UnsupportedVersion),
}

impl EncodeError {
    /// `at` (the struct's name and the field's) is set in a form without it.
    #[cold]
    pub(crate) fn lacks(at: (&'static str, &'static str), form: Form) -> EncodeError {
        EncodeError::FieldNotInVersion { message: at.0, field: at.1, version: form.version }
    }
}
