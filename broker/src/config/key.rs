//! What a key is: one row of a table, and the macro that turns a table into a typed struct.

use std::borrow::Cow;
use std::fmt;

/// How a value is written, and which values are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// `true` or `false`.
    Bool,
    /// A 32-bit whole number from the first to the second, both taken.
    Int(i32, i32),
    /// A 64-bit whole number from the first to the second, both taken.
    Long(i64, i64),
    /// A decimal number from the first to the second, both taken.
    Double(f64, f64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One or more of these words, with commas between.
    SomeOf(&'static [&'static str]),
    /// What the typed field reads; the string says what is expected.
    Other(ConfigType, &'static str),
}

/// A configuration type as DescribeConfigs sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean = 1,
    /// Text.
    String = 2,
    /// 32-bit whole number.
    Int = 3,
    /// 64-bit whole number.
    Long = 5,
    /// Decimal number.
    Double = 6,
    /// Items with commas between.
    List = 7,
}

impl ConfigType {
    /// The number on the wire (`DescribeConfigsResponse.ConfigType`).
    pub fn code(self) -> i8 {
        self as i8
    }

    /// The name in the manual, as in Kafka's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Int => "int",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
        }
    }
}

impl Form {
    /// The type that the wire and the manual name.
    pub fn config_type(&self) -> ConfigType {
        match *self {
            Self::Bool => ConfigType::Boolean,
            Self::Int(..) => ConfigType::Int,
            Self::Long(..) => ConfigType::Long,
            Self::Double(..) => ConfigType::Double,
            Self::OneOf(_) => ConfigType::String,
            Self::SomeOf(_) => ConfigType::List,
            Self::Other(config_type, _) => config_type,
        }
    }

    /// The text as it is kept: Apache Kafka takes `TRUE` for `true`, and so do we.
    pub(super) fn normalized<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.config_type() {
            ConfigType::Boolean => Cow::Owned(text.to_ascii_lowercase()),
            _ => Cow::Borrowed(text),
        }
    }

    /// Whether the text has this form, as far as the form says.
    fn admits(&self, text: &str) -> bool {
        match *self {
            Self::Bool => matches!(text, "true" | "false"),
            Self::Int(least, most) => text.parse().is_ok_and(|number: i32| (least..=most).contains(&number)),
            Self::Long(least, most) => text.parse().is_ok_and(|number: i64| (least..=most).contains(&number)),
            Self::Double(least, most) => {
                text.parse().is_ok_and(|number: f64| (least..=most).contains(&number))
            }
            Self::OneOf(words) => words.contains(&text),
            Self::SomeOf(words) => text.split(',').all(|word| words.contains(&word.trim())),
            Self::Other(..) => true,
        }
    }
}

/// What is expected, as the end of a sentence: "a whole number from 1 to 9".
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |f: &mut fmt::Formatter<'_>, least: i64, most: i64, unlimited: i64| match (least, most) {
            (i64::MIN, _) => write!(f, "a whole number"),
            (least, most) if most == unlimited => write!(f, "a whole number, {least} or more"),
            (least, most) if least == most => write!(f, "{least}"),
            (least, most) => write!(f, "a whole number from {least} to {most}"),
        };
        match *self {
            Self::Bool => f.write_str("true or false"),
            Self::Int(least, most) => whole(f, least.into(), most.into(), i32::MAX.into()),
            Self::Long(least, most) => whole(f, least, most, i64::MAX),
            Self::Double(least, most) => write!(f, "a number from {least} to {most}"),
            Self::OneOf([only]) => f.write_str(only),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::SomeOf(words) => write!(f, "one or more of {}, with commas between", words.join(", ")),
            Self::Other(_, expected) => f.write_str(expected),
        }
    }
}

/// How likely a newcomer is to need the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Look at these first.
    High,
    /// For some installations.
    Medium,
    /// Rarely touched.
    Low,
}

/// When a value may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only before the broker starts.
    ReadOnly,
    /// While it runs, for one broker or for all, as any setting of a topic, group or client.
    Dynamic,
}

/// A server key that gives a topic key its value when the topic has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSynonym {
    /// The server key.
    pub name: &'static str,
    /// What its number is multiplied by: `log.retention.hours` counts hours, `retention.ms` milliseconds.
    pub factor: i64,
}

/// One row: everything there is to know about a key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Kafka's name, or ours if Kafka has none.
    pub name: &'static str,
    /// Which values are taken.
    pub form: Form,
    /// The value nobody has to set; `None` if unset means something of its own, or (topic keys) if the server
    /// synonyms always give one.
    pub default: Option<&'static str>,
    /// What it does, in sentences.
    pub documentation: &'static str,
    /// How likely a newcomer is to need it.
    pub importance: Importance,
    /// Whether its value is a secret, shown to nobody.
    pub sensitive: bool,
    /// When its value may change.
    pub update: Update,
    /// For a topic key: the server keys asked in turn when the topic has no value of its own.
    pub synonyms: &'static [ServerSynonym],
    /// Whether the key of this name can be read from the text; if not, why, where the form does not say it all.
    pub(super) check: fn(&str, &'static str) -> Result<(), Option<String>>,
}

impl Key {
    /// Whether this row takes the value.
    pub fn admits(&self, text: &str) -> bool {
        self.refusal(text).is_none()
    }

    /// Why this row does not take the value, as the rest of a sentence; `None` if it does.
    pub(super) fn refusal(&self, text: &str) -> Option<String> {
        let checked = if self.form.admits(text) { (self.check)(text, self.name) } else { Err(None) };
        checked.err().map(|reason| reason.unwrap_or_else(|| format!("expected {}", self.form)))
    }

    /// Whether its value may change while the broker runs.
    pub fn is_dynamic(&self) -> bool {
        self.update == Update::Dynamic
    }

    /// The environment variable that sets this server key: `log.dirs` is `KINDRED_LOG_DIRS`.
    pub fn variable(&self) -> String {
        let upper = self.name.to_ascii_uppercase().replace(['.', '-'], "_");
        format!("{}{upper}", super::sources::VARIABLE_PREFIX)
    }
}

/// A server key asked for a topic's value: its name, and what its number is multiplied by.
pub(super) const fn synonym(name: &'static str, factor: i64) -> ServerSynonym {
    ServerSynonym { name, factor }
}

/// Turns rows into a table and a struct with one typed field per row.
///
/// ```text
/// /// What it does.                      ◀ documentation, on the wire and in the manual
/// field: Type = "its.name", default, form, importance [, sensitive] [, update] [, synonyms];
/// ```
///
/// A row that does not say when its value may change takes the table's word for it.
/// The struct also keeps `$rest`, and is built by `from_text(lookup, rest)`, where `lookup` gives each key's
/// text in force (`None`: unset).
macro_rules! keys {
    (@or $absent:expr,) => { $absent };
    (@or $absent:expr, $given:expr) => { $given };
    (
        $(#[$about:meta])*
        $visibility:vis struct $Name:ident, table $TABLE:ident, $update:ident, keeps $rest:ident: $Rest:ty;
        $(
            $(#[doc = $doc:literal])+
            $field:ident: $Type:ty =
                $name:literal, $default:expr, $form:expr, $importance:ident
                $(, sensitive $sensitive:literal)? $(, update $own_update:ident)? $(, from $synonyms:expr)?;
        )+
    ) => {
        /// One row for each field of the struct.
        pub(super) const $TABLE: &[$crate::config::key::Key] = &[
            $(
                $crate::config::key::Key {
                    name: $name,
                    form: $form,
                    default: $default,
                    documentation: concat!($($doc),+).trim_ascii(),
                    importance: $crate::config::key::Importance::$importance,
                    sensitive: keys!(@or false, $($sensitive)?),
                    update: keys!(@or $crate::config::key::Update::$update, $($crate::config::key::Update::$own_update)?),
                    synonyms: keys!(@or &[], $($synonyms)?),
                    check: |text, name| {
                        <$Type as $crate::config::value::Value>::read(text, name).map(drop).ok_or(None)
                    },
                },
            )+
        ];

        $(#[$about])*
        #[derive(Clone, Debug)]
        $visibility struct $Name {
            $(
                #[doc = concat!("`", $name, "`:", $($doc),+)]
                pub $field: $Type,
            )+
            $rest: $Rest,
        }

        impl $Name {
            fn from_text(text: impl Fn(&$crate::config::key::Key) -> Option<String>, $rest: $Rest) -> Self {
                let mut rows = $TABLE.iter();
                Self {
                    $($field: {
                        let key = rows.next().expect("one row per field, in their order");
                        $crate::config::value::typed(key, text(key))
                    },)+
                    $rest,
                }
            }
        }
    };
}
pub(super) use keys;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_admit_and_say_what_they_expect() {
        for (form, good, bad, expected) in [
            (Form::Bool, &["true", "false"][..], &["", "yes", "True"][..], "true or false"),
            (Form::Int(1, 9), &["1", "9"], &["0", "10", "1.5", "x", ""], "a whole number from 1 to 9"),
            (Form::Int(1, 1), &["1"], &["2"], "1"),
            (Form::Int(0, i32::MAX), &["2147483647"], &["-1", "2147483648"], "a whole number, 0 or more"),
            (Form::Long(-1, i64::MAX), &["-1", "9223372036854775807"], &["-2"], "a whole number, -1 or more"),
            (Form::Double(0.0, 1.0), &["0", "0.5", "1"], &["1.1", "NaN", "-0.1"], "a number from 0 to 1"),
            (Form::OneOf(&["a", "b"]), &["a"], &["A", "a,b", ""], "one of a, b"),
            (
                Form::SomeOf(&["a", "b"]),
                &["a", "a,b", "b, a"],
                &["", "c", "a,"],
                "one or more of a, b, with commas between",
            ),
        ] {
            assert!(good.iter().all(|text| form.admits(text)), "{form:?}");
            assert!(!bad.iter().any(|text| form.admits(text)), "{form:?}");
            assert_eq!(form.to_string(), expected);
        }
    }

    keys! {
        /// A table with one of everything.
        struct Sample, table SAMPLE, ReadOnly, keeps rest: ();
        /// The first sentence
        /// goes on.
        first: i32 = "first.key", Some("7"), Form::Int(0, 9), High;
        /// Hush.
        second: Option<String> = "second.key", None, Form::Other(ConfigType::String, "a word"), Low, sensitive true;
        /// May change.
        third: bool = "third.key", Some("true"), Form::Bool, Low, update Dynamic;
    }

    #[test]
    fn rows_become_a_table_and_a_struct() {
        assert_eq!(SAMPLE[0].documentation, "The first sentence goes on.");
        assert!(!SAMPLE[0].sensitive && SAMPLE[1].sensitive);
        assert_eq!(
            [Update::ReadOnly, Update::ReadOnly, Update::Dynamic],
            [0, 1, 2].map(|at: usize| SAMPLE[at].update)
        );
        assert_eq!(SAMPLE[1].variable(), "KINDRED_SECOND_KEY");
        let sample = Sample::from_text(|key| key.default.map(str::to_owned), ());
        assert_eq!((sample.first, sample.second, sample.third, sample.rest), (7, None, true, ()));
        assert!(SAMPLE[0].admits("9") && !SAMPLE[0].admits("10"));
    }
}
