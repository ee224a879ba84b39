//! One line of output: named values, as Kafka's text or as a JSON object.

use std::fmt::Write as _;

/// A value as both forms show it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown {
    Number(i64),
    Truth(bool),
    Text(String),
    /// Java's `OptionalLong` in text; a number or null in JSON.
    Optional(Option<i64>),
    /// `[a,b]`.
    List(Vec<String>),
    /// JSON already, shown as it is.
    Json(String),
}

/// Named values in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    fields: Vec<(&'static str, Shown)>,
}

impl Line {
    pub(super) fn new() -> Line {
        Line::default()
    }

    pub(super) fn with(mut self, name: &'static str, value: Shown) -> Line {
        self.fields.push((name, value));
        self
    }

    pub(super) fn number(self, name: &'static str, value: impl Into<i64>) -> Line {
        self.with(name, Shown::Number(value.into()))
    }

    pub(super) fn truth(self, name: &'static str, value: bool) -> Line {
        self.with(name, Shown::Truth(value))
    }

    pub(super) fn text(self, name: &'static str, value: impl Into<String>) -> Line {
        self.with(name, Shown::Text(value.into()))
    }

    /// `name: value name: value`.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.fields {
            if !text.is_empty() {
                text.push(' ');
            }
            let _ = match value {
                Shown::Number(number) => write!(text, "{name}: {number}"),
                Shown::Truth(truth) => write!(text, "{name}: {truth}"),
                Shown::Text(value) | Shown::Json(value) => write!(text, "{name}: {value}"),
                Shown::Optional(None) => write!(text, "{name}: OptionalLong.empty"),
                Shown::Optional(Some(number)) => write!(text, "{name}: OptionalLong[{number}]"),
                Shown::List(values) => write!(text, "{name}: [{}]", values.join(",")),
            };
        }
        text
    }

    /// `{"file":…,"type":…,"name":value,…}`.
    pub(super) fn to_json(&self, file: &str, kind: &str) -> String {
        let mut text = format!("{{\"file\":{},\"type\":{}", quoted(file), quoted(kind));
        for (name, value) in &self.fields {
            let _ = write!(text, ",{}:", quoted(name));
            let _ = match value {
                Shown::Number(number) | Shown::Optional(Some(number)) => write!(text, "{number}"),
                Shown::Truth(truth) => write!(text, "{truth}"),
                Shown::Text(value) => write!(text, "{}", quoted(value)),
                Shown::Optional(None) => write!(text, "null"),
                Shown::List(values) => {
                    let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
                    write!(text, "[{}]", values.join(","))
                }
                Shown::Json(json) => write!(text, "{json}"),
            };
        }
        text.push('}');
        text
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `bytes` as Java's JSON writers show them: base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sextet = (group >> (18 - 6 * i)) & 63;
            text.push(if i <= chunk.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_kafkas_and_as_json() {
        let line = Line::new()
            .number("offset", 7)
            .truth("isvalid", true)
            .with("deleteHorizonMs", Shown::Optional(None))
            .with("headerKeys", Shown::List(vec!["a".into(), "\"".into()]))
            .text("key", "k\n");
        assert_eq!(
            line.to_text(),
            "offset: 7 isvalid: true deleteHorizonMs: OptionalLong.empty headerKeys: [a,\"] key: k\n"
        );
        assert_eq!(
            line.to_json("f", "record"),
            r#"{"file":"f","type":"record","offset":7,"isvalid":true,"deleteHorizonMs":null,"headerKeys":["a","\""],"key":"k\n"}"#
        );
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe]), "//4=");
    }
}
