//! Kafka's records of its internal topics as tables, and any of them as the JSON that Kafka's tools show.
//!
//! A table is written as the records are: names in the order of the wire, each with its type.
//! ```text
//! epoch: I32            in every version          racks: [Text]       an array
//! epoch: I32 +3         from version 3 on         end: { … }          a struct; [{ … }] an array of them
//! epoch: I32 =1         in version 1 only         end: (maybe { … })  a struct or null
//! epoch: I32 #0         the tagged field 0        Subscription        bytes with a message inside
//! ```
//! Tagged fields are shown where the table has them, and only if they are in the record, as Kafka does.

use std::fmt::Write as _;

use protocol::codec::{DecodeError, Reader};

use super::super::line::{base64, quoted};

/// In `flexible_from`: no version is flexible (KIP-482).
pub(super) const NEVER: i16 = i16::MAX;

/// The fields of a record in all its versions.
#[derive(Debug)]
pub(super) struct Schema {
    /// The last version known here.
    pub(super) latest: i16,
    /// The first version with compact lengths and tagged fields.
    pub(super) flexible_from: i16,
    pub(super) fields: &'static [Field],
}

/// A field and the versions that have it.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    since: i16,
    until: i16,
    tag: Option<u32>,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    Bool,
    I8,
    I16,
    U16,
    I32,
    I64,
    F64,
    Uuid,
    Text,
    Bytes,
    /// Bytes with a consumer's subscription in them, shown as bytes if it is not one.
    Subscription,
    /// The same for an assignment.
    Assignment,
    Array(&'static Kind),
    Struct(&'static [Field]),
    /// A struct behind a byte that says whether there is one.
    Maybe(&'static [Field]),
}

/// Why a record is not shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error("version {0} is unknown")]
    UnknownVersion(i64),
    #[error("{0}")]
    Decode(#[from] DecodeError),
}

impl Field {
    pub(super) const fn new(name: &'static str, kind: Kind) -> Field {
        Field { name, kind, since: 0, until: i16::MAX, tag: None }
    }

    pub(super) const fn since(self, version: i16) -> Field {
        Field { since: version, ..self }
    }

    pub(super) const fn only(self, version: i16) -> Field {
        Field { since: version, until: version, ..self }
    }

    pub(super) const fn tagged(self, tag: u32) -> Field {
        Field { tag: Some(tag), ..self }
    }
}

/// The fields between braces, as the head of this file describes them.
macro_rules! fields {
    ($($name:ident : $kind:tt $(+ $since:literal)? $(= $only:literal)? $(# $tag:literal)?),* $(,)?) => {
        &[$(
            $crate::cli::log::records::schema::Field::new(stringify!($name), fields!(@ $kind))
                $(.since($since))? $(.only($only))? $(.tagged($tag))?
        ),*]
    };
    (@ [$kind:tt]) => { $crate::cli::log::records::schema::Kind::Array(&fields!(@ $kind)) };
    (@ (maybe { $($fields:tt)* })) => { $crate::cli::log::records::schema::Kind::Maybe(fields!($($fields)*)) };
    (@ { $($fields:tt)* }) => { $crate::cli::log::records::schema::Kind::Struct(fields!($($fields)*)) };
    (@ $kind:ident) => { $crate::cli::log::records::schema::Kind::$kind };
}
pub(super) use fields;

const SUBSCRIPTION: Schema = Schema {
    latest: 3,
    flexible_from: NEVER,
    fields: fields! {
        topics: [Text], userData: Bytes, ownedPartitions: [{ topic: Text, partitions: [I32] }] +1,
        generationId: I32 +2, rackId: Text +3
    },
};

const ASSIGNMENT: Schema = Schema {
    latest: 3,
    flexible_from: NEVER,
    fields: fields! { assignedPartitions: [{ topic: Text, partitions: [I32] }], userData: Bytes },
};

/// The record in `reader`, of `version`, as a JSON object.
pub(super) fn to_json(schema: &Schema, reader: &mut Reader<'_>, version: i16) -> Result<String, SchemaError> {
    if !(0..=schema.latest).contains(&version) {
        return Err(SchemaError::UnknownVersion(version.into()));
    }
    let form = Form { version, flexible: version >= schema.flexible_from };
    Ok(form.object(schema.fields, reader)?)
}

/// How a version is written.
#[derive(Clone, Copy)]
struct Form {
    version: i16,
    flexible: bool,
}

impl Form {
    fn object(self, fields: &[Field], reader: &mut Reader<'_>) -> Result<String, DecodeError> {
        let mut values: Vec<Option<String>> = Vec::with_capacity(fields.len());
        for field in fields {
            let here = (field.since..=field.until).contains(&self.version) && field.tag.is_none();
            values.push(if here { Some(self.value(&field.kind, reader)?) } else { None });
        }
        if self.flexible {
            reader.tagged_fields(|reader, tag| {
                let Some(at) = fields.iter().position(|field| field.tag == Some(tag)) else {
                    return Ok(false);
                };
                values[at] = Some(self.value(&fields[at].kind, reader)?);
                Ok(true)
            })?;
        }
        let mut json = String::from("{");
        for (field, value) in fields.iter().zip(values) {
            if let Some(value) = value {
                let comma = if json.len() > 1 { "," } else { "" };
                let _ = write!(json, "{comma}\"{}\":{value}", field.name);
            }
        }
        json.push('}');
        Ok(json)
    }

    fn value(self, kind: &Kind, reader: &mut Reader<'_>) -> Result<String, DecodeError> {
        let null = || "null".to_owned();
        Ok(match kind {
            Kind::Bool => reader.bool()?.to_string(),
            Kind::I8 => reader.i8()?.to_string(),
            Kind::I16 => reader.i16()?.to_string(),
            Kind::U16 => reader.u16()?.to_string(),
            Kind::I32 => reader.i32()?.to_string(),
            Kind::I64 => reader.i64()?.to_string(),
            Kind::F64 => format!("{:?}", reader.f64()?),
            Kind::Uuid => quoted(&reader.uuid()?.to_string()),
            Kind::Text => reader.string(self.flexible)?.map_or_else(null, quoted),
            Kind::Bytes => reader.bytes(self.flexible)?.map_or_else(null, |bytes| quoted(&base64(bytes))),
            Kind::Subscription => self.embedded(&SUBSCRIPTION, reader)?,
            Kind::Assignment => self.embedded(&ASSIGNMENT, reader)?,
            Kind::Array(element) => self.array(element, reader)?,
            Kind::Struct(fields) => self.object(fields, reader)?,
            Kind::Maybe(fields) if reader.i8()? >= 0 => self.object(fields, reader)?,
            Kind::Maybe(_) => null(),
        })
    }

    fn array(self, element: &Kind, reader: &mut Reader<'_>) -> Result<String, DecodeError> {
        // Every element takes a byte at least, so a count from the disk costs nothing before they are there.
        let Some(count) = reader.array_count(self.flexible, 1, 0)? else { return Ok("null".to_owned()) };
        let mut json = String::from("[");
        for i in 0..count {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(json, "{comma}{}", self.value(element, reader)?);
        }
        json.push(']');
        Ok(json)
    }

    fn embedded(self, schema: &Schema, reader: &mut Reader<'_>) -> Result<String, DecodeError> {
        let Some(bytes) = reader.bytes(self.flexible)? else { return Ok("null".to_owned()) };
        let mut inside = Reader::new(bytes);
        let read = inside.i16().map_err(SchemaError::from).and_then(|version| {
            // Later versions of these only add behind what is known.
            to_json(schema, &mut inside, version.min(schema.latest))
        });
        Ok(read.unwrap_or_else(|_| quoted(&base64(bytes))))
    }
}
