//! How each type is read and written.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::{DecodeError, EncodeError, Kind, Reader, Spec, UnsupportedVersion, Writer};
use crate::types::TopicId;

/// The form that a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The message's version.
    pub version: i16,
    /// Whether lengths are compact and structs end with tagged fields.
    pub flexible: bool,
}

impl Form {
    /// The form of `version`.
    pub(crate) fn of(
        version: i16,
        versions: RangeInclusive<i16>,
        flexible_from: Option<i16>,
    ) -> Result<Form, UnsupportedVersion> {
        if versions.contains(&version) {
            Ok(Form { version, flexible: flexible_from.is_some_and(|first| version >= first) })
        } else {
            Err(UnsupportedVersion { version, first: *versions.start(), last: *versions.end() })
        }
    }
}

/// A type that a field can have.
pub trait Wire<'a>: Sized {
    /// What it is called in a schema.
    const KIND: Kind;

    /// The least it takes in a frame, in bytes.
    fn wire_bytes_min(form: Form) -> usize;

    /// Takes one from the frame.
    ///
    /// # Errors
    /// Where the bytes went wrong.
    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError>;

    /// Puts this one at the end of the frame.
    ///
    /// # Errors
    /// What cannot be written in this form.
    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError>;

    /// Whether this is null.
    fn is_null(&self) -> bool {
        false
    }
}

/// A type with a null form, so that `Option` of it is a field's type too.
///
/// What is given here is the form of a struct: a byte in front of it, negative for null.
pub trait Nullable<'a>: Wire<'a> {
    /// Takes one, or null.
    ///
    /// # Errors
    /// As [`Wire::read`].
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        if reader.i8()? < 0 { Ok(None) } else { Self::read(reader, form).map(Some) }
    }

    /// Puts this one, or null.
    ///
    /// # Errors
    /// As [`Wire::write`].
    fn write_nullable(this: Option<&Self>, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.i8(if this.is_some() { 1 } else { -1 });
        this.map_or(Ok(()), |this| this.write(writer, form))
    }

    /// The least that one, or null, takes in a frame, in bytes.
    fn nullable_bytes_min(_: Form) -> usize {
        1
    }
}

impl<'a, T: Nullable<'a>> Wire<'a> for Option<T> {
    const KIND: Kind = Kind::Nullable(&T::KIND);

    fn wire_bytes_min(form: Form) -> usize {
        T::nullable_bytes_min(form)
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        T::read_nullable(reader, form)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        T::write_nullable(self.as_ref(), writer, form)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

/// Numbers: as many bytes as in memory, big-endian.
macro_rules! fixed {
    ($($type:ty, $kind:ident, $method:ident;)*) => {
        $(impl<'a> Wire<'a> for $type {
            const KIND: Kind = Kind::$kind;

            fn wire_bytes_min(_: Form) -> usize {
                size_of::<$type>()
            }

            #[inline]
            fn read(reader: &mut Reader<'a>, _: Form) -> Result<Self, DecodeError> {
                reader.$method()
            }

            #[inline]
            fn write(&self, writer: &mut Writer, _: Form) -> Result<(), EncodeError> {
                writer.$method(*self);
                Ok(())
            }
        })*
    };
}

fixed! {
    bool, Bool, bool;
    i8, Int8, i8;
    i16, Int16, i16;
    i32, Int32, i32;
    i64, Int64, i64;
    u16, Uint16, u16;
    u32, Uint32, u32;
    f64, Float64, f64;
    TopicId, Uuid, uuid;
}

/// `read` of a type with a null form, where null is not expected.
fn not_null<'a, T: Nullable<'a>>(reader: &mut Reader<'a>, form: Form) -> Result<T, DecodeError> {
    T::read_nullable(reader, form)?.ok_or(DecodeError::UnexpectedNull { at: reader.position() })
}

impl<'a> Wire<'a> for Cow<'a, str> {
    const KIND: Kind = Kind::String;

    fn wire_bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 2 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        not_null(reader, form)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.string(Some(self), form.flexible)
    }
}

impl<'a> Nullable<'a> for Cow<'a, str> {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        Ok(reader.string(form.flexible)?.map(Cow::Borrowed))
    }

    fn write_nullable(this: Option<&Self>, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.string(this.map(|text| &**text), form.flexible)
    }

    fn nullable_bytes_min(form: Form) -> usize {
        Self::wire_bytes_min(form)
    }
}

impl<'a> Wire<'a> for Cow<'a, [u8]> {
    const KIND: Kind = Kind::Bytes;

    fn wire_bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        not_null(reader, form)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.bytes(Some(self), form.flexible)
    }
}

impl<'a> Nullable<'a> for Cow<'a, [u8]> {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        Ok(reader.bytes(form.flexible)?.map(Cow::Borrowed))
    }

    fn write_nullable(this: Option<&Self>, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.bytes(this.map(|bytes| &**bytes), form.flexible)
    }

    fn nullable_bytes_min(form: Form) -> usize {
        Self::wire_bytes_min(form)
    }
}

/// Records that stay where they are in the frame.
impl<'a> Wire<'a> for &'a [u8] {
    const KIND: Kind = Kind::Records;

    fn wire_bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        not_null(reader, form)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.bytes(Some(self), form.flexible)
    }
}

impl<'a> Nullable<'a> for &'a [u8] {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        reader.bytes(form.flexible)
    }

    fn write_nullable(this: Option<&Self>, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.bytes(this.copied(), form.flexible)
    }

    fn nullable_bytes_min(form: Form) -> usize {
        Self::wire_bytes_min(form)
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);

    fn wire_bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        not_null(reader, form)
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        Self::write_nullable(Some(self), writer, form)
    }
}

impl<'a, T: Wire<'a>> Nullable<'a> for Vec<T> {
    fn read_nullable(reader: &mut Reader<'a>, form: Form) -> Result<Option<Self>, DecodeError> {
        let count = reader.array_count(form.flexible, T::wire_bytes_min(form), size_of::<T>())?;
        let Some(count) = count else { return Ok(None) };
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(reader, form)?);
        }
        Ok(Some(elements))
    }

    fn write_nullable(this: Option<&Self>, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.length(this.map(Vec::len), form.flexible)?;
        this.into_iter().flatten().try_for_each(|element| element.write(writer, form))
    }

    fn nullable_bytes_min(form: Form) -> usize {
        Self::wire_bytes_min(form)
    }
}

impl Spec {
    /// Reads the row's field, in a version that has it.
    #[inline]
    pub(crate) fn read<'a, T: Wire<'a>>(self, reader: &mut Reader<'a>, form: Form) -> Result<T, DecodeError> {
        let value = T::read(reader, form)?;
        if value.is_null() && !self.null.has(form.version) {
            return Err(DecodeError::UnexpectedNull { at: reader.position() });
        }
        Ok(value)
    }

    /// Writes the row's field, in a version that has it; `at` is the struct's name and the field's.
    #[inline]
    pub(crate) fn write<'a, T: Wire<'a>>(
        self,
        value: &T,
        at: (&'static str, &'static str),
        writer: &mut Writer,
        form: Form,
    ) -> Result<(), EncodeError> {
        if value.is_null() && !self.null.has(form.version) {
            return Err(EncodeError::NullNotInVersion { message: at.0, field: at.1, version: form.version });
        }
        value.write(writer, form)
    }
}

/// Whether `value` is anything but `default`; a function, so that both have one type.
#[inline]
pub(crate) fn differs<T: PartialEq>(value: &T, default: T) -> bool {
    *value != default
}
