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
        impl<'a> $crate::codec::Decode<'a> for $message {
            fn decode(
                reader: &mut $crate::codec::Reader<'a>,
                version: i16,
            ) -> Result<Self, $crate::codec::DecodeError> {
                const {
                    $crate::codec::Schema::of::<Self>().check(
                        $crate::codec::table::versions!($($versions)+),
                        $crate::codec::table::flexible_from!($($versions)+),
                    );
                }
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
