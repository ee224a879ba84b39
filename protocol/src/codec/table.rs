//! The macros that turn tables into code.
//!
//! # An API
//! `api!` holds everything of one API: its key, versions and first flexible version, then a table for
//! every struct, the request's and the response's first among them.
//!
//! ```text
//! api! {
//!     Heartbeat [0..=4, flexible 4..]: HeartbeatRequest<'a> => HeartbeatResponse;
//!
//!     /// Keeps a member in its group.
//!     pub struct HeartbeatRequest<'a> {
//!         /// The group.
//!         group_id: Cow<'a, str>;
//!         ...
//!         /// The member's name for itself, if its membership is static.
//!         group_instance_id: Option<Cow<'a, str>> [3..];
//!     }
//!     ...
//! }
//! ```
//!
//! # A row
//! `name: type [versions] = default;`
//!
//! - **type** `bool`, `i8` to `i64`, `u16`, `u32`, `f64`, [`TopicId`](crate::types::TopicId) (`uuid`),
//!   `Cow<'a, str>`, `Cow<'a, [u8]>`, `&'a [u8]` (records), another table's struct, `Vec<...>` of these, and
//!   `Option<...>` of anything but numbers if it may be null
//! - **versions** `[3..]` or `[3..=7]`; left out if every version of the message has the field. Behind a
//!   comma follow `null 5..`, the versions in which an `Option` may be null if that is not all of them, and
//!   then `ignorable`, if a version that lacks the field may drop what is in it (otherwise a value other
//!   than the default is an error there)
//! - **default** what the field is in versions that lack it, if not zero, empty, false, null
//!
//! Tagged fields stand in a block of their own behind the others, by tag: `} tagged { name(0): type ... }`.
//!
//! # Cost
//! A row is used six times: field, default, read, write, least size, schema. Nothing recurses over rows,
//! so a table expands in time linear in its length. Versions are constants: a read is a comparison of the
//! version and a bounds check, and fields of every version lose the first.

/// An API: one request, one response and the structs they are made of. See the module.
macro_rules! api {
    (
        $key:ident [$($versions:tt)+]: $request:ty => $response:ty;
        $(
            $(#[$meta:meta])*
            pub struct $name:ident $(<$lifetime:lifetime>)? { $($row:tt)* } $(tagged { $($tagged:tt)* })?
        )+
    ) => {
        $($crate::codec::table::table! {
            $(#[$meta])*
            pub struct $name $(<$lifetime>)? { $($row)* } tagged { $($($tagged)*)? }
        })+

        impl<'a> $crate::messages::Request<'a> for $request {
            const KEY: $crate::messages::ApiKey = $crate::messages::ApiKey::$key;
            const VERSIONS: std::ops::RangeInclusive<i16> = $crate::codec::table::versions!($($versions)+);
            const FLEXIBLE_FROM: Option<i16> = $crate::codec::table::flexible_from!($($versions)+);
            type Response = $response;
        }

        impl<'a> $crate::messages::Response<'a> for $response {
            const KEY: $crate::messages::ApiKey = $crate::messages::ApiKey::$key;
            const VERSIONS: std::ops::RangeInclusive<i16> = $crate::codec::table::versions!($($versions)+);
            const FLEXIBLE_FROM: Option<i16> = $crate::codec::table::flexible_from!($($versions)+);
        }

        $crate::codec::table::versioned!([$($versions)+] $request);
        $crate::codec::table::versioned!([$($versions)+] $response);
    };
}

/// Makes a table's struct readable and writable by itself, in the versions given.
macro_rules! versioned {
    ([$($versions:tt)+] $message:ty) => {
        const _: () = {
            #[allow(clippy::extra_unused_lifetimes, reason = "not every message borrows")]
            const fn check<'a>() {
                $crate::codec::Schema::of::<$message>().check(
                    $crate::codec::table::versions!($($versions)+),
                    $crate::codec::table::flexible_from!($($versions)+),
                );
            }
            check()
        };

        impl<'a> $crate::codec::Decode<'a> for $message {
            fn decode(
                reader: &mut $crate::codec::Reader<'a>,
                version: i16,
            ) -> Result<Self, $crate::codec::DecodeError> {
                let form = $crate::codec::Form::of(
                    version,
                    $crate::codec::table::versions!($($versions)+),
                    $crate::codec::table::flexible_from!($($versions)+),
                )?;
                $crate::codec::Wire::read(reader, form)
            }
        }

        impl<'a> $crate::codec::Encode for $message {
            fn encode(
                &self,
                writer: &mut $crate::codec::Writer,
                version: i16,
            ) -> Result<(), $crate::codec::EncodeError> {
                let form = $crate::codec::Form::of(
                    version,
                    $crate::codec::table::versions!($($versions)+),
                    $crate::codec::table::flexible_from!($($versions)+),
                )?;
                $crate::codec::Wire::write(self, writer, form)
            }
        }
    };
}

/// The versions of a head in brackets, as in `0..=4, flexible 4..`.
macro_rules! versions {
    ($first:literal ..= $last:literal $(, flexible $flexible:literal ..)?) => {
        $first..=$last
    };
}

/// The first flexible version of a head in brackets.
macro_rules! flexible_from {
    ($first:literal ..= $last:literal) => {
        None
    };
    ($first:literal ..= $last:literal, flexible $flexible:literal ..) => {
        Some($flexible)
    };
}

/// One struct. See the module.
macro_rules! table {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$lifetime:lifetime>)? {
            $(
                $(#[$doc:meta])*
                $field:ident: $type:ty $([$($spec:tt)+])? $(= $default:expr)?;
            )*
        } tagged {
            $(
                $(#[$tagged_doc:meta])*
                $tagged:ident($tag:literal): $tagged_type:ty $([$($tagged_spec:tt)+])? $(= $tagged_default:expr)?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$lifetime>)? {
            $($(#[$doc])* pub $field: $type,)*
            $($(#[$tagged_doc])* pub $tagged: $tagged_type,)*
        }

        impl $(<$lifetime>)? Default for $name $(<$lifetime>)? {
            fn default() -> Self {
                Self {
                    $($field: $crate::codec::table::table!(@default $($default)?),)*
                    $($tagged: $crate::codec::table::table!(@default $($tagged_default)?),)*
                }
            }
        }

        #[allow(unused_mut, unused_variables, reason = "a table may have no rows of a sort")]
        impl<'a> $crate::codec::Wire<'a> for $name $(<$lifetime>)? {
            const KIND: $crate::codec::Kind = $crate::codec::Kind::Struct(&$crate::codec::Schema {
                name: stringify!($name),
                fields: &[
                    $($crate::codec::Field {
                        name: stringify!($field),
                        kind: <$type as $crate::codec::Wire<'a>>::KIND,
                        spec: $crate::codec::table::spec!($($($spec)+)?),
                        tag: None,
                    },)*
                    $($crate::codec::Field {
                        name: stringify!($tagged),
                        kind: <$tagged_type as $crate::codec::Wire<'a>>::KIND,
                        spec: $crate::codec::table::spec!($($($tagged_spec)+)?),
                        tag: Some($tag),
                    },)*
                ],
            });

            fn wire_bytes_min(form: $crate::codec::Form) -> usize {
                let mut bytes = usize::from(form.flexible);
                $(if const { $crate::codec::table::spec!($($($spec)+)?) }.versions.has(form.version) {
                    bytes += <$type as $crate::codec::Wire<'a>>::wire_bytes_min(form);
                })*
                bytes
            }

            fn read(
                reader: &mut $crate::codec::Reader<'a>,
                form: $crate::codec::Form,
            ) -> Result<Self, $crate::codec::DecodeError> {
                let mut this = Self::default();
                $({
                    let spec = const { $crate::codec::table::spec!($($($spec)+)?) };
                    if spec.versions.has(form.version) {
                        this.$field = spec.read(reader, form)?;
                    }
                })*
                if form.flexible {
                    reader.tagged_fields(|reader, tag| {
                        match tag {
                            $($tag => {
                                let spec = const { $crate::codec::table::spec!($($($tagged_spec)+)?) };
                                if spec.versions.has(form.version) {
                                    this.$tagged = spec.read(reader, form)?;
                                    return Ok(true);
                                }
                            })*
                            _ => {}
                        }
                        Ok(false)
                    })?;
                }
                Ok(this)
            }

            fn write(
                &self,
                writer: &mut $crate::codec::Writer,
                form: $crate::codec::Form,
            ) -> Result<(), $crate::codec::EncodeError> {
                $({
                    let spec = const { $crate::codec::table::spec!($($($spec)+)?) };
                    let at = (stringify!($name), stringify!($field));
                    if spec.versions.has(form.version) {
                        spec.write(&self.$field, at, writer, form)?;
                    } else if !spec.ignorable
                        && $crate::codec::differs(&self.$field, $crate::codec::table::table!(@default $($default)?))
                    {
                        return Err($crate::codec::EncodeError::lacks(at, form));
                    }
                })*
                let mut tagged = 0;
                $({
                    let spec = const { $crate::codec::table::spec!($($($tagged_spec)+)?) };
                    let default = $crate::codec::table::table!(@default $($tagged_default)?);
                    if $crate::codec::differs(&self.$tagged, default) {
                        if spec.versions.has(form.version) {
                            tagged += 1;
                        } else if !spec.ignorable {
                            return Err($crate::codec::EncodeError::lacks(
                                (stringify!($name), stringify!($tagged)),
                                form,
                            ));
                        }
                    }
                })*
                if form.flexible {
                    writer.uvarint(tagged);
                    $({
                        let spec = const { $crate::codec::table::spec!($($($tagged_spec)+)?) };
                        let default = $crate::codec::table::table!(@default $($tagged_default)?);
                        if spec.versions.has(form.version) && $crate::codec::differs(&self.$tagged, default) {
                            writer.tagged_field($tag, |writer| {
                                spec.write(&self.$tagged, (stringify!($name), stringify!($tagged)), writer, form)
                            })?;
                        }
                    })*
                }
                Ok(())
            }
        }

        impl<'a> $crate::codec::Nullable<'a> for $name $(<$lifetime>)? {}
    };

    (@default $default:expr) => { $default };
    (@default) => { Default::default() };
}

/// The part of a row in brackets.
macro_rules! spec {
    () => { $crate::codec::Spec::new($crate::codec::Versions::ALL) };
    ($first:literal .. $(, $($rest:tt)+)?) => {
        $crate::codec::table::spec!(
            @($crate::codec::Spec::new($crate::codec::Versions::from($first))) $($($rest)+)?
        )
    };
    ($first:literal ..= $last:literal $(, $($rest:tt)+)?) => {
        $crate::codec::table::spec!(
            @($crate::codec::Spec::new($crate::codec::Versions::between($first, $last))) $($($rest)+)?
        )
    };
    (@($spec:expr)) => { $spec };
    (@($spec:expr) ignorable) => { $spec.ignorable() };
    (@($spec:expr) null $first:literal .. $(, $($rest:tt)+)?) => {
        $crate::codec::table::spec!(@($spec.null($crate::codec::Versions::from($first))) $($($rest)+)?)
    };
    (@($spec:expr) null $first:literal ..= $last:literal $(, $($rest:tt)+)?) => {
        $crate::codec::table::spec!(@($spec.null($crate::codec::Versions::between($first, $last))) $($($rest)+)?)
    };
}

pub(crate) use {api, flexible_from, spec, table, versioned, versions};

#[cfg(test)]
#[allow(unreachable_pub, reason = "tables are public")]
mod tests {
    use std::borrow::Cow;

    use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

    table! {
        /// A bit of everything.
        pub struct Sample<'a> {
            /// In every version.
            id: i32;
            /// Comes in 1, and may be dropped before.
            note: Cow<'a, str> [1.., ignorable];
            /// Comes in 1, and may not be dropped before.
            limit: i16 [1..] = 7;
            /// Nullable from 1 on.
            names: Option<Vec<Cow<'a, str>>> [0.., null 1..] = Some(Vec::new());
            /// Gone after 1.
            old: bool [0..=1];
            /// A struct that may be null.
            inner: Option<Inner> [2..];
        } tagged {
            /// In every flexible version.
            extra(0): i8 [2..] = -1;
            /// From 3 on.
            later(5): Cow<'a, str> [3.., ignorable];
        }
    }

    table! {
        /// A struct in a struct.
        pub struct Inner {
            /// Its field.
            value: u16;
        } tagged {}
    }

    versioned!([0..=3, flexible 2..] Sample<'a>);

    fn encode(sample: &Sample<'_>, version: i16) -> Result<Vec<u8>, EncodeError> {
        let mut writer = Writer::new();
        sample.encode(&mut writer, version)?;
        Ok(writer.into_bytes().to_vec())
    }

    fn decode(bytes: &[u8], version: i16) -> Result<Sample<'_>, DecodeError> {
        Sample::decode(&mut Reader::new(bytes), version)
    }

    #[test]
    fn each_version_has_its_fields() {
        let sample = Sample {
            id: 1,
            note: Cow::Borrowed("n"),
            names: Some(vec![Cow::Borrowed("a")]),
            later: Cow::Borrowed("l"),
            ..Sample::default()
        };
        let cases: [&[u8]; 4] = [
            b"\0\0\0\x01\0\0\0\x01\0\x01a\0",
            b"\0\0\0\x01\0\x01n\0\x07\0\0\0\x01\0\x01a\0",
            b"\0\0\0\x01\x02n\0\x07\x02\x02a\xff\0",
            b"\0\0\0\x01\x02n\0\x07\x02\x02a\xff\x01\x05\x02\x02l",
        ];
        for (version, bytes) in (0..).zip(cases) {
            assert_eq!(encode(&sample, version).as_deref(), Ok(bytes), "version {version}");
            let mut read = sample.clone();
            if version == 0 {
                read.note = Cow::default();
            }
            if version < 3 {
                read.later = Cow::default();
            }
            assert_eq!(decode(bytes, version), Ok(read), "version {version}");
        }
    }

    #[test]
    fn what_a_version_cannot_carry_is_an_error_unless_ignorable() {
        let at = |field| EncodeError::FieldNotInVersion { message: "Sample", field, version: 0 };
        let limited = Sample { limit: 8, ..Sample::default() };
        assert_eq!(encode(&limited, 0), Err(at("limit")));
        let tagged = Sample { extra: 1, ..Sample::default() };
        assert_eq!(encode(&tagged, 0), Err(at("extra")));
        let old = Sample { old: true, ..Sample::default() };
        let lacks = EncodeError::FieldNotInVersion { message: "Sample", field: "old", version: 2 };
        assert_eq!(encode(&old, 2), Err(lacks));
        for version in [-1, 4] {
            assert!(matches!(encode(&old, version), Err(EncodeError::UnsupportedVersion(_))));
            assert!(matches!(decode(&[0; 99], version), Err(DecodeError::UnsupportedVersion(_))));
        }
    }

    #[test]
    fn null_only_where_the_version_has_it() {
        let null = Sample { names: None, ..Sample::default() };
        let error = EncodeError::NullNotInVersion { message: "Sample", field: "names", version: 0 };
        assert_eq!(encode(&null, 0), Err(error));
        assert_eq!(decode(b"\0\0\0\0\xff\xff\xff\xff\0", 0), Err(DecodeError::UnexpectedNull { at: 8 }));
        let bytes = b"\0\0\0\0\0\0\0\x07\xff\xff\xff\xff\0";
        assert_eq!(encode(&null, 1).as_deref(), Ok(bytes.as_slice()));
        assert_eq!(decode(bytes, 1), Ok(null));
        // A string that is never null.
        assert_eq!(
            decode(b"\0\0\0\0\xff\xff\0\x07\0\0\0\0\0", 1),
            Err(DecodeError::UnexpectedNull { at: 6 })
        );
    }

    #[test]
    fn structs_may_be_null() {
        let sample = Sample { inner: Some(Inner { value: 9 }), ..Sample::default() };
        let bytes = b"\0\0\0\0\x01\0\x07\x01\x01\0\x09\0\0";
        assert_eq!(encode(&sample, 2).as_deref(), Ok(bytes.as_slice()));
        assert_eq!(decode(bytes, 2), Ok(sample));
    }

    #[test]
    fn tags_that_the_version_lacks_are_stepped_over() {
        // 5 is not in version 2, 9 is in none.
        let bytes = b"\0\0\0\0\x01\0\x07\x01\xff\x03\0\x01\x03\x05\x02\x02l\x09\x01?";
        assert_eq!(decode(bytes, 2), Ok(Sample { extra: 3, ..Sample::default() }));
    }
}
