//! Parameters of questions: each known, each once, each in range; anything else is refused with its name.
//!
//! ```text
//! ?n=5&explain=true  ─┐
//!                     ├─▶ Parameters ─▶ whole, flag, ids, … one by one, each by its row
//! {"n": 5, …}        ─┘
//! ```
//! What may be given is a table of rows ([`Parameter`]), so reading, refusing and describing cannot differ. A query's
//! values are texts and lists have commas; JSON's are of JSON's own types, ids texts or numbers as in events.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::ask::AskError;
use crate::ingest::scalar::Text;

/// A parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name in queries and in JSON.
    pub name: &'static str,
    /// What it takes.
    pub form: Form,
    /// What it is for, as a sentence.
    pub about: &'static str,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// A whole number.
    Whole {
        /// The least.
        least: usize,
        /// The greatest.
        most: usize,
        /// If it is not given.
        default: Option<usize>,
    },
    /// `true` or `false`; false if it is not given.
    Flag,
    /// A text.
    Text,
    /// One of several words.
    Word {
        /// All of them.
        words: fn() -> Vec<&'static str>,
        /// If it is not given.
        default: Option<&'static str>,
    },
    /// An id.
    Id,
    /// Several ids.
    Ids {
        /// How many at most.
        most: usize,
    },
}

/// The parameters of one question.
#[derive(Debug)]
pub struct Parameters<'a> {
    known: &'static [&'static Parameter],
    given: Vec<(Cow<'a, str>, Given<'a>)>,
}

#[derive(Debug, PartialEq)]
enum Given<'a> {
    /// Of a query.
    Text(Cow<'a, str>),
    Json(Value),
}

impl<'a> Parameters<'a> {
    /// The parameters of a query, or of a path and a query.
    ///
    /// # Errors
    /// One that is not `known`, or is there twice.
    pub fn from_pairs(
        known: &'static [&'static Parameter],
        pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<Self, AskError> {
        let given = pairs.into_iter().map(|(name, value)| (name, Given::Text(value))).collect();
        Self { known, given }.checked()
    }

    /// The members of a JSON object.
    ///
    /// # Errors
    /// It is none, or has one that is not `known`, or one twice.
    pub fn from_json(known: &'static [&'static Parameter], json: &[u8]) -> Result<Self, AskError> {
        Self::members_of(json)?.knowing(known)
    }

    /// The members of a JSON object, to be looked at before it is clear which may be there.
    pub(super) fn members_of(json: &[u8]) -> Result<Self, AskError> {
        Ok(Self { known: &[], given: members(json)? })
    }

    /// The same, with nothing but what is `known`.
    pub(super) fn knowing(self, known: &'static [&'static Parameter]) -> Result<Self, AskError> {
        Self { known, ..self }.checked()
    }

    /// Whether a parameter is there.
    pub(crate) fn has(&self, parameter: &Parameter) -> bool {
        self.given.iter().any(|(name, _)| name == parameter.name)
    }

    /// A whole number in the parameter's range, or its default.
    pub(crate) fn whole(&mut self, parameter: &Parameter) -> Result<Option<usize>, AskError> {
        let Form::Whole { least, most, default } = parameter.form else { return Ok(None) };
        let number = match self.take(parameter) {
            None => return Ok(default),
            Some(Given::Text(text)) => text.parse().ok(),
            Some(Given::Json(value)) => value.as_u64().and_then(|number| usize::try_from(number).ok()),
        };
        let number = number.filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| {
            AskError::expected(parameter, format_args!("a whole number from {least} to {most}"))
        })
    }

    /// True or false.
    pub(crate) fn flag(&mut self, parameter: &Parameter) -> Result<bool, AskError> {
        match self.take(parameter) {
            None | Some(Given::Json(Value::Bool(false))) => Ok(false),
            Some(Given::Json(Value::Bool(true))) => Ok(true),
            Some(Given::Text(text)) if matches!(&*text, "true" | "1") => Ok(true),
            Some(Given::Text(text)) if matches!(&*text, "false" | "0") => Ok(false),
            Some(_) => Err(AskError::expected(parameter, "true or false")),
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, parameter: &Parameter) -> Result<Option<Cow<'a, str>>, AskError> {
        match self.take(parameter) {
            None => Ok(None),
            Some(Given::Text(text)) => Ok(Some(text)),
            Some(Given::Json(Value::String(text))) => Ok(Some(text.into())),
            Some(Given::Json(_)) => Err(AskError::expected(parameter, "a text")),
        }
    }

    /// A word that `read` makes something of, or what it makes of the default.
    pub(crate) fn word<T>(
        &mut self,
        parameter: &Parameter,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, AskError> {
        let Form::Word { words, default } = parameter.form else { return Ok(None) };
        match self.text(parameter)? {
            None => Ok(default.and_then(read)),
            Some(word) => read(&word).map(Some).ok_or_else(|| {
                AskError::expected(parameter, format_args!("one of {}, not {word}", words().join(", ")))
            }),
        }
    }

    /// An id that has to be there.
    pub(crate) fn id(&mut self, parameter: &Parameter) -> Result<String, AskError> {
        let id = match self.take(parameter) {
            Some(Given::Text(text)) => Some(text.into_owned()),
            Some(Given::Json(value)) => id_of(value),
            None => None,
        };
        id.filter(|id| !id.is_empty()).ok_or_else(|| AskError::expected(parameter, "an id"))
    }

    /// Ids, none if it is not there.
    pub(crate) fn ids(&mut self, parameter: &Parameter) -> Result<Vec<String>, AskError> {
        let Form::Ids { most } = parameter.form else { return Ok(Vec::new()) };
        let ids: Option<Vec<String>> = match self.take(parameter) {
            None => return Ok(Vec::new()),
            Some(Given::Text(text)) => {
                Some(text.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect())
            }
            Some(Given::Json(Value::Array(values))) => values.into_iter().map(id_of).collect(),
            Some(Given::Json(_)) => None,
        };
        let ids = ids.ok_or_else(|| AskError::expected(parameter, "a list of ids"))?;
        match ids.len() <= most {
            true => Ok(ids),
            false => Err(AskError::expected(parameter, format_args!("at most {most} ids"))),
        }
    }

    fn take(&mut self, parameter: &Parameter) -> Option<Given<'a>> {
        let at = self.given.iter().position(|(name, _)| name == parameter.name)?;
        // `null` is the same as nothing, as most programs that write JSON mean it.
        Some(self.given.swap_remove(at).1).filter(|given| *given != Given::Json(Value::Null))
    }

    /// Refuses what nobody would look at, a misspelt name say, and what is there twice.
    fn checked(self) -> Result<Self, AskError> {
        for (at, (name, _)) in self.given.iter().enumerate() {
            let Some(row) = self.known.iter().find(|row| row.name == name) else {
                let known: Vec<_> = self.known.iter().map(|row| row.name).collect();
                return Err(AskError::UnknownParameter { name: name.to_string(), known: known.join(", ") });
            };
            if self.given[..at].iter().any(|(other, _)| other == name) {
                return Err(AskError::expected(row, "one value, not several"));
            }
        }
        Ok(self)
    }
}

/// An id as JSON has it: a text, or a number turned into its digits.
fn id_of(value: Value) -> Option<String> {
    Text::deserialize(value).ok().map(|id| id.0.into_owned()).filter(|id| !id.is_empty())
}

/// The members of an object in their order, doubled ones included.
fn members<'a>(json: &[u8]) -> Result<Vec<(Cow<'a, str>, Given<'a>)>, AskError> {
    struct Members<'a>(Vec<(Cow<'a, str>, Given<'a>)>);

    impl<'de> Deserialize<'de> for Members<'_> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Object;
            impl<'de> Visitor<'de> for Object {
                type Value = Vec<(String, Value)>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(members)
                }
            }
            let members = deserializer.deserialize_map(Object)?.into_iter();
            Ok(Self(members.map(|(name, value)| (name.into(), Given::Json(value))).collect()))
        }
    }

    let read: Result<Members<'a>, _> = serde_json::from_slice(json);
    read.map(|members| members.0).map_err(|error| AskError::NotJson(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    static N: Parameter =
        Parameter { name: "n", form: Form::Whole { least: 1, most: 100, default: Some(10) }, about: "" };
    static EXPLAIN: Parameter = Parameter { name: "explain", form: Form::Flag, about: "" };
    static METRIC: Parameter = Parameter {
        name: "metric",
        form: Form::Word { words: || vec!["cosine", "llr"], default: Some("cosine") },
        about: "",
    };
    static EXCLUDE: Parameter = Parameter { name: "exclude", form: Form::Ids { most: 3 }, about: "" };
    static KNOWN: [&Parameter; 4] = [&N, &EXPLAIN, &METRIC, &EXCLUDE];

    fn read(parameters: Result<Parameters<'_>, AskError>) -> Result<String, String> {
        let take = || {
            let mut parameters = parameters?;
            let n = parameters.whole(&N)?.unwrap_or_default();
            let explain = parameters.flag(&EXPLAIN)?;
            let known = |word: &str| (METRIC_WORDS.contains(&word)).then(|| word.to_owned());
            let metric = parameters.word(&METRIC, known)?.unwrap_or_default();
            Ok(format!("{n} {explain} {metric} {}", parameters.ids(&EXCLUDE)?.join("+")))
        };
        take().map_err(|error: AskError| error.to_string())
    }

    const METRIC_WORDS: [&str; 2] = ["cosine", "llr"];

    #[test]
    fn a_query_is_read_or_refused_by_name() {
        for (query, expected) in [
            (&[][..], Ok("10 false cosine ")),
            (
                &[("n", "1"), ("explain", "true"), ("metric", "llr"), ("exclude", "a,,b")],
                Ok("1 true llr a+b"),
            ),
            (&[("n", "0")], Err("parameter `n`: expected a whole number from 1 to 100")),
            (&[("n", "ten")], Err("parameter `n`: expected a whole number from 1 to 100")),
            (&[("n", "1"), ("n", "2")], Err("parameter `n`: expected one value, not several")),
            (&[("explain", "maybe")], Err("parameter `explain`: expected true or false")),
            (&[("metric", "best")], Err("parameter `metric`: expected one of cosine, llr, not best")),
            (&[("exclude", "a,b,c,d")], Err("parameter `exclude`: expected at most 3 ids")),
            (&[("m", "1")], Err("parameter `m` is unknown here; known: n, explain, metric, exclude")),
        ] {
            let pairs = query.iter().map(|&(name, value)| (name.into(), value.into()));
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(read(Parameters::from_pairs(&KNOWN, pairs)), expected, "{query:?}");
        }
    }

    #[test]
    fn json_is_read_or_refused_by_name() {
        for (json, expected) in [
            ("{}", Ok("10 false cosine ")),
            (r#"{"n": null}"#, Ok("10 false cosine ")),
            (
                r#"{"n": 1, "explain": true, "metric": "llr", "exclude": ["a", 7, 8.0]}"#,
                Ok("1 true llr a+7+8"),
            ),
            (r#"{"n": "1"}"#, Err("parameter `n`: expected a whole number from 1 to 100")),
            (r#"{"n": 1, "n": 1}"#, Err("parameter `n`: expected one value, not several")),
            (r#"{"exclude": "a,b"}"#, Err("parameter `exclude`: expected a list of ids")),
            (r#"{"exclude": [[]]}"#, Err("parameter `exclude`: expected a list of ids")),
            (
                r#"{"expalin": true}"#,
                Err("parameter `expalin` is unknown here; known: n, explain, metric, exclude"),
            ),
            (
                "[]",
                Err(
                    "not the JSON expected here: invalid type: sequence, expected an object at line 1 column 0",
                ),
            ),
            ("{", Err("not the JSON expected here: EOF while parsing an object at line 1 column 1")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(read(Parameters::from_json(&KNOWN, json.as_bytes())), expected, "{json}");
        }
    }
}
