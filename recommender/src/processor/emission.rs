//! Records to be written.

use std::borrow::Cow;

use serde::Serialize;

/// A record to be written because of what was processed.
#[derive(Debug, Clone, PartialEq)]
pub struct Emission {
    /// Where to.
    pub topic: Cow<'static, str>,
    /// What.
    pub body: Body,
    /// Headers, behind those of the message if the body is as received.
    pub headers: Vec<(&'static str, String)>,
}

/// Key, value and time of an [`Emission`].
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Those of the message being processed, with its headers: whoever has the message copies it.
    AsReceived,
    /// A record of its own.
    Own {
        /// Its key.
        key: Option<Vec<u8>>,
        /// Its value; none removes the key from a compacted topic.
        value: Option<Vec<u8>>,
        /// Its time, ms since 1970.
        time_ms: i64,
    },
}

impl Emission {
    /// Of a dead letter, the stable word for why it is one.
    pub fn refused_because(&self) -> Option<&str> {
        let is_letter = self.topic == super::topics::DEAD_LETTER;
        let reason = self.headers.iter().find(|(name, _)| *name == super::dead_letter::REASON);
        reason.filter(|_| is_letter).map(|(_, reason)| reason.as_str())
    }

    /// A record of JSON under a key.
    pub fn json(
        topic: impl Into<Cow<'static, str>>,
        key: &str,
        value: &impl Serialize,
        time_ms: i64,
    ) -> Self {
        let body = Body::Own { key: Some(key.as_bytes().to_vec()), value: Some(json(value)), time_ms };
        Self { topic: topic.into(), body, headers: Vec::new() }
    }
}

/// JSON of numbers, texts and lists of them, with texts as keys, which always serialises.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
