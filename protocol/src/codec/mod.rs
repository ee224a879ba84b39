//! The declarative table form: what a message looks like on the wire, said once.
//!
//! Kafka's messages change with their version: a field comes in version 3, is nullable from 7, goes in 13.
//! The macro `api!` (in `table.rs`) writes that down as a table, one row a field, in the order of the wire:
//!
//! ```text
//! leader_epoch: i32 [7.., ignorable] = -1;
//! ```
//!
//! and makes of it the struct, its `Default`, its [`Decode`] and [`Encode`] for every version, and a
//! [`Schema`] that tests and tools can read. A table that contradicts itself (a tag out of order, a tagged
//! field in a version without tags, a field that no version has) does not compile.
//!
//! Three parts carry it: [`Reader`] takes bytes from a frame in place and never trusts a length,
//! [`Writer`] gathers bytes and splices in record batches without copying them, and [`Wire`] says for
//! each type how it is read and written.
//!
//! # Versions and forms
//! From its first *flexible* version on (KIP-482) a message writes lengths as varints (`compact`), and
//! every struct ends with a section of tagged fields. [`Form`] is the pair that decides: the version, and
//! whether it is flexible.

mod error;
mod reader;
mod schema;
pub(crate) mod table;
mod wire;
mod writer;

pub use error::{DecodeError, EncodeError, UnsupportedVersion};
pub use reader::Reader;
pub use schema::{Field, Kind, Schema, Spec, Versions};
pub(crate) use wire::differs;
pub use wire::{Form, Nullable, Wire};
pub use writer::Writer;

/// Reads a whole message in one of its versions.
pub trait Decode<'a>: Sized {
    /// Reads the message, borrowing its strings and bytes from the frame.
    ///
    /// What follows the message is left in the reader: some old clients send more than their version has.
    ///
    /// # Errors
    /// [`DecodeError::UnsupportedVersion`] outside the table's versions; else where the bytes went wrong.
    fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>;
}

/// Writes a whole message in one of its versions.
pub trait Encode {
    /// Writes the message. After an error the writer's content is worthless.
    ///
    /// # Errors
    /// [`EncodeError::UnsupportedVersion`] outside the table's versions; [`EncodeError::FieldNotInVersion`] if
    /// a field that may not be left out (not `ignorable`) is set and the version lacks it.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;
}
