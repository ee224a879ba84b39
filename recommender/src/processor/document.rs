//! Reading numbers and texts out of messages, for operators that are told where to look.
//!
//! | place | is |
//! |---|---|
//! | `.` | the whole value: a number in text |
//! | `price`, `order.total`, `lines.0.price` | a field of the value, which is JSON (or a Python literal) |
//! | `@key` | the message's key |
//! | `@header.client-ip` | a header |
//!
//! A number may be written as text, true is 1 and false 0. What is null is as good as not there. A place that leads into a
//! list of events without saying which one leads into the first.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::rules::Rule;
use crate::ingest::rejection::{Rejection, shortened};
use crate::ingest::{parse, time};
use crate::recommender::Incoming;

/// Beyond this, either way, squares and their sums might overflow.
pub(super) const NUMBER_MAX: f64 = 1e100;

/// Longest text that is kept as it is, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Where in a message something stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// The value itself.
    Whole,
    /// A field of the value: the names on the way to it.
    Field(Vec<String>),
    /// The message's key.
    Key,
    /// The header of this name, the last if there are several.
    Header(String),
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "." => Ok(Self::Whole),
            "@key" => Ok(Self::Key),
            _ => match text.strip_prefix("@header.") {
                Some(name) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
                _ if text.starts_with('@') || text.split('.').any(str::is_empty) => Err(()),
                _ => Ok(Self::Field(text.split('.').map(str::to_owned).collect())),
            },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the value"),
            Self::Field(path) => write!(f, "`{}`", path.join(".")),
            Self::Key => f.write_str("the key"),
            Self::Header(name) => write!(f, "header `{name}`"),
        }
    }
}

impl Place {
    /// What is taken where a rule names a place, as the end of a sentence.
    pub(crate) const EXPECTED: &str =
        "a field such as `price` or `order.total`, `.`, `@key` or `@header.NAME`";
}

/// Where a rule finds what it is about in a message: fields `field`, `by` and `time`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Places {
    /// The number; without it messages are counted, each as 1.
    pub(super) field: Option<Place>,
    /// The key; without it all are of one.
    pub(super) by: Option<Place>,
    /// The time, if not the message's own.
    pub(super) time: Option<Place>,
}

impl Places {
    /// Reads the three fields of a rule.
    ///
    /// # Errors
    /// One is no place.
    pub(super) fn read(rule: &mut Rule) -> Result<Self, String> {
        Ok(Self { field: rule.place("field")?, by: rule.place("by")?, time: rule.place("time")? })
    }
}

/// What a rule is about in a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observation {
    /// Empty if all are of one.
    pub(super) key: String,
    pub(super) time_ms: i64,
    pub(super) number: f64,
}

/// A message that is looked into.
pub(super) struct Document<'m> {
    message: &'m Incoming<'m>,
    /// The value as a tree, once it was needed.
    tree: OnceCell<Result<Value, Rejection>>,
}

impl<'m> Document<'m> {
    pub(super) fn new(message: &'m Incoming<'m>) -> Self {
        Self { message, tree: OnceCell::new() }
    }

    /// What a rule of this name is about; `None` if the message lacks its number or its key.
    ///
    /// # Errors
    /// [`Rejection`]: there is something else, or its time is none that can be.
    pub(super) fn observation(
        &self,
        places: &Places,
        rule: &str,
        time_ahead_max_ms: i64,
    ) -> Result<Option<Observation>, Rejection> {
        let number = places.field.as_ref().map_or(Ok(Some(1.0)), |place| self.number(place, rule))?;
        let key = places.by.as_ref().map_or(Some(String::new()), |place| self.text(place));
        let Some((number, key)) = number.zip(key) else { return Ok(None) };
        let record_ms = self.message.time_ms;
        let time_ms = match places.time.as_ref().and_then(|place| self.text(place)) {
            None => record_ms,
            Some(text) => time::from_text(&text).ok_or(Rejection::BadTime { text })?,
        };
        let ahead_ms = time_ms.saturating_sub(record_ms);
        if ahead_ms > time_ahead_max_ms {
            return Err(Rejection::TooFarAhead { ahead_ms, max_ms: time_ahead_max_ms });
        }
        if time_ms < 0 {
            return Err(Rejection::BeforeEpoch);
        }
        Ok(Some(Observation { key, time_ms, number }))
    }

    /// The number at a place; `None` if nothing is there. `rule`: who asks.
    ///
    /// # Errors
    /// [`Rejection`]: there is something else, or the value cannot be read.
    pub(super) fn number(&self, place: &Place, rule: &str) -> Result<Option<f64>, Rejection> {
        let Some(found) = self.find(place)? else { return Ok(None) };
        let number = match &found {
            Found::Json(Value::Bool(flag)) => Some(f64::from(u8::from(*flag))),
            Found::Json(Value::Number(number)) => number.as_f64(),
            Found::Json(Value::String(text)) => text.trim().parse().ok(),
            Found::Json(_) => None,
            Found::Text(text) => plain_number(text),
        };
        match number {
            Some(number) if number.abs() <= NUMBER_MAX => Ok(Some(number)),
            Some(number) if !number.is_nan() => {
                Err(Rejection::Overflow { rule: rule.to_owned(), field: place.to_string() })
            }
            _ => Err(Rejection::NotANumber {
                rule: rule.to_owned(),
                field: place.to_string(),
                found: shortened(&found.text().unwrap_or(Cow::Borrowed("an object or a list"))),
            }),
        }
    }

    /// The text at a place, or the number as text; `None` if nothing of the kind is there. What is very long is told by its
    /// beginning and a hash.
    pub(super) fn text(&self, place: &Place) -> Option<String> {
        let found = self.find(place).ok().flatten()?;
        let text = found.text()?;
        if text.len() <= TEXT_BYTES_MAX {
            return Some(text.into_owned());
        }
        Some(format!("{}{:016x}", shortened(&text), xxh3_64(text.as_bytes())))
    }

    fn find(&self, place: &Place) -> Result<Option<Found<'_>>, Rejection> {
        match place {
            Place::Whole => {
                let value = self.message.value.ok_or(Rejection::Empty)?;
                parse::text_of(value).map(|text| Some(Found::Text(text)))
            }
            Place::Key => {
                let text = self.message.key.and_then(parse::key_text);
                Ok(text.map(Found::Text))
            }
            Place::Header(wanted) => {
                let mut headers = self.message.headers.iter().rev();
                let value =
                    headers.find(|(name, _)| *name == wanted.as_bytes()).and_then(|(_, value)| *value);
                Ok(value.and_then(|value| parse::text_of(value).ok()).map(Found::Text))
            }
            Place::Field(path) => Ok(descend(self.tree()?, path).map(Found::Json)),
        }
    }

    fn tree(&self) -> Result<&Value, Rejection> {
        let read = || self.message.value.ok_or(Rejection::Empty).and_then(parse::tree);
        self.tree.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

/// What stands at a place.
enum Found<'d> {
    Json(&'d Value),
    Text(&'d str),
}

impl Found<'_> {
    /// As text; an object or a list has none.
    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            Self::Json(value @ (Value::Bool(_) | Value::Number(_))) => Some(Cow::Owned(value.to_string())),
            Self::Json(_) => None,
        }
    }
}

fn descend<'v>(tree: &'v Value, path: &[String]) -> Option<&'v Value> {
    let step = |value: &'v Value, name: &String| match value {
        Value::Object(fields) => fields.get(name),
        Value::Array(items) => match name.parse::<usize>() {
            Ok(at) => items.get(at),
            Err(_) => items.first().and_then(|first| first.get(name)),
        },
        _ => None,
    };
    path.iter().try_fold(tree, step).filter(|found| !found.is_null())
}

/// A number in text, which may have the quotes of a JSON string around it.
fn plain_number(text: &str) -> Option<f64> {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    bare.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Position;

    fn place(text: &str) -> Place {
        text.parse().expect("a good place")
    }

    fn incoming<'a>(value: &'a str, headers: &'a [(&'a [u8], Option<&'a [u8]>)]) -> Incoming<'a> {
        let position = Position { source: "t-0", offset: 1 };
        let (key, value) = (Some(&b"k1"[..]), Some(value.as_bytes()));
        Incoming { topic: "t", position, key, value, headers, time_ms: 5 }
    }

    #[test]
    fn places_are_read() {
        let headers: [(&[u8], Option<&[u8]>); 3] =
            [(b"client-ip", Some(b"9.9.9.9")), (b"client-ip", Some(b"10.0.0.1")), (b"none", None)];
        let value =
            r#"{"price": 12.5, "order": {"total": "40", "lines": [{"n": 3}]}, "ok": true, "gone": null}"#;
        let message = incoming(value, &headers);
        let document = Document::new(&message);
        for (at, expected) in [
            ("price", Ok(Some(12.5))),
            ("order.total", Ok(Some(40.0))),
            ("order.lines.0.n", Ok(Some(3.0))),
            ("order.lines.n", Ok(Some(3.0))),
            ("order.lines.7.n", Ok(None)),
            ("ok", Ok(Some(1.0))),
            ("gone", Ok(None)),
            ("price.cents", Ok(None)),
            ("order", Err("not-a-number")),
            (".", Err("not-a-number")),
            ("@key", Err("not-a-number")),
        ] {
            let found = document.number(&place(at), "r").map_err(|rejection| rejection.code());
            assert_eq!(found, expected, "{at}");
        }
        for (at, expected) in [
            ("@key", Some("k1")),
            ("@header.client-ip", Some("10.0.0.1")),
            ("@header.none", None),
            ("@header.other", None),
            ("price", Some("12.5")),
            ("order.total", Some("40")),
            ("order", None),
        ] {
            assert_eq!(document.text(&place(at)).as_deref(), expected, "{at}");
        }
        for wrong in ["", "a..b", ".a", "@", "@keys", "@header.", "@header"] {
            assert_eq!(wrong.parse::<Place>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn plain_numbers_and_what_is_none() {
        for (value, expected) in [
            ("12.5", Ok(Some(12.5))),
            (" -3e2\n", Ok(Some(-300.0))),
            ("\"7\"", Ok(Some(7.0))),
            ("NaN", Err("not-a-number")),
            ("1,5", Err("not-a-number")),
            ("inf", Err("overflow")),
            ("1e999", Err("overflow")),
            ("-1e101", Err("overflow")),
            ("  ", Err("empty")),
        ] {
            let message = incoming(value, &[]);
            let found = Document::new(&message).number(&Place::Whole, "r").map_err(|no| no.code());
            assert_eq!(found, expected, "{value}");
        }
        for (value, expected) in [
            ("{'price': 4}", Ok(Some(4.0))),
            (r#"{"price": "much"}"#, Err("not-a-number")),
            (r#"{"price": NaN}"#, Err("malformed")),
            (r#"{"price": 1e999}"#, Err("malformed")),
            ("12", Ok(None)),
            ("{", Err("malformed")),
        ] {
            let message = incoming(value, &[]);
            let found = Document::new(&message).number(&place("price"), "r").map_err(|no| no.code());
            assert_eq!(found, expected, "{value}");
        }
        let nothing = Incoming { value: None, ..incoming("", &[]) };
        assert_eq!(Document::new(&nothing).number(&Place::Whole, "r"), Err(Rejection::Empty));
        let long = "x".repeat(300);
        let message = incoming(&long, &[]);
        let told = Document::new(&message).text(&Place::Whole).unwrap();
        assert!(told.len() < 100 && told.starts_with("xxx"), "{told}");
    }
}
