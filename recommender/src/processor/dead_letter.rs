//! What was refused goes to a topic of its own, with the reason in headers: nothing is dropped silently.
//!
//! | header | holds |
//! |---|---|
//! | `kindred.topic`, `kindred.partition`, `kindred.offset` | where the message stands |
//! | `kindred.reason` | a stable word: [`Rejection::code`] |
//! | `kindred.rule` | the setting that it did not pass, or what else refused it: [`Rejection::rule`] |
//! | `kindred.message` | a sentence for people |
//! | `kindred.line` | of a message of several events, which one, from 0; only if others were learnt |
//!
//! A message of which nothing could be used is written as received: mended and produced to its topic again, it counts. If
//! some of its events were learnt, each other one is written by itself in normal form, so that producing it again does not
//! count those twice.

use std::borrow::Cow;

use super::emission::{Body, Emission, json};
use super::topics;
use crate::ingest::Event;
use crate::ingest::rejection::Rejection;
use crate::recommender::Incoming;

/// The header that holds the stable word.
pub(super) const REASON: &str = "kindred.reason";

/// A message of which nothing could be used.
pub(super) fn whole(message: &Incoming<'_>, rejection: &Rejection) -> Emission {
    letter(Body::AsReceived, message, rejection)
}

/// One event of a message of which others were learnt.
pub(super) fn line(
    message: &Incoming<'_>,
    line: usize,
    event: &Event<'_>,
    rejection: &Rejection,
) -> Emission {
    let body = Body::Own {
        key: message.key.map(<[u8]>::to_vec),
        value: Some(json(&message.alone(event))),
        time_ms: message.time_ms,
    };
    let mut letter = letter(body, message, rejection);
    letter.headers.push(("kindred.line", line.to_string()));
    letter
}

fn letter(body: Body, message: &Incoming<'_>, rejection: &Rejection) -> Emission {
    let (_, partition) = message.position.source.rsplit_once('-').unwrap_or_default();
    let headers = vec![
        ("kindred.topic", message.topic.to_owned()),
        ("kindred.partition", partition.to_owned()),
        ("kindred.offset", message.position.offset.to_string()),
        (REASON, rejection.code().to_owned()),
        ("kindred.rule", rejection.rule().to_owned()),
        ("kindred.message", rejection.to_string()),
    ];
    Emission { topic: Cow::Borrowed(topics::DEAD_LETTER), body, headers }
}
