//! Questions that come as messages of `kindred.requests`, and their replies.
//!
//! ```text
//! key, headers, {"user_id": …} ─▶ answered under the read lock ─▶ same key, same headers, {"items": …}
//!            │                                                                ▲
//!            └── reply-topic: where to, unless to kindred.responses ──────────┘
//! ```
//! All headers come back as they were, so whatever tells a client which question a reply belongs to — `correlation-id`, say —
//! is there. The reply is committed with the question's offset, at once: it waits for a transaction that is under way, and
//! for nothing else. What is learnt is not changed by a question, so a restart passes over those that were answered.
//!
//! A reply that cannot be had where it was asked for goes to `kindred.responses`, and says why.

use recommender::processor::{error_reply, topics};
use tokio::time::Instant;
use tracing::warn;

use super::input::InputBatch;
use super::outgoing::Outgoing;
use super::{STEP_BYTES, Worker};
use crate::catalog::{NewTopic, check_name};
use crate::handlers::Cx;

/// The headers that name the topic to reply to; the second is what Spring's clients send.
const REPLY_TOPIC: [&[u8]; 2] = [b"reply-topic", b"kafka_replyTopic"];
/// What a batch of one record takes beyond the record as we count it.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// Why a reply does not go where it was asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Undeliverable {
    #[error("reply-topic is no text")]
    NotText,
    #[error("reply-topic: {0}")]
    Topic(String),
    #[error("reply-topic: the broker writes to `{0}`")]
    Ours(String),
    #[error("reply-topic: the recommender reads `{0}`")]
    Input(String),
    #[error("reply-topic: there is no `{0}`, and auto.create.topics.enable is false")]
    Missing(String),
    #[error("reply-topic: `{0}` is compacted, and the question has no key")]
    KeyMissing(String),
    #[error("the reply of {size_bytes} bytes is larger than max.message.bytes = {limit_bytes} of `{topic}`")]
    TooLarge { topic: String, size_bytes: usize, limit_bytes: usize },
}

impl Undeliverable {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "reply-too-large",
            _ => "bad-reply-topic",
        }
    }
}

impl Worker {
    /// Answers the questions of a batch, as many as fit into a step and until it is time for others; the rest comes next.
    pub(super) fn answer(&mut self, batch: &InputBatch, until: Instant) {
        let (mut replies, mut size_bytes, mut rest) = (Vec::new(), 0, None);
        let learner = &mut self.learner;
        let visited = batch.visit(&mut learner.scratch, |record| {
            let is_enough = !replies.is_empty() && (size_bytes >= STEP_BYTES || Instant::now() >= until);
            if is_enough || rest.is_some() {
                rest = rest.or(Some(record.offset));
                return;
            }
            let model = &learner.model;
            // One hold of the lock a question: nobody waits for longer.
            let mut reply = Outgoing {
                topic: topics::RESPONSES.into(),
                timestamp: self.cx.env.clock.now(),
                key: record.key.map(<[u8]>::to_vec),
                value: Some(model.read().answer(record.value)),
                headers: record
                    .headers()
                    .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
                    .collect(),
            };
            if let Err(error) = address(&mut reply, &self.cx, |topic| model.read().reads(topic)) {
                reply.topic = topics::RESPONSES.into();
                reply.value = Some(error_reply(error.code(), &error.to_string()));
            }
            size_bytes += reply.size_bytes();
            replies.push(reply);
        });
        if let Err(error) = visited {
            warn!(input = learner.inputs.name(batch.input), from = %batch.from, %error, "rest of a batch not answered");
        }
        if let Some(rest) = rest {
            let input = learner.inputs.place(batch.input).0.clone();
            learner.inputs.seek(&input, rest);
        }
        self.metrics.answered(replies.len());
        self.urgent |= !replies.is_empty();
        replies.into_iter().for_each(|reply| self.step.write(reply));
    }
}

/// Gives a reply the topic that its headers ask for, if it can be written there. `reads`: what the recommender reads.
fn address(reply: &mut Outgoing, cx: &Cx, reads: impl Fn(&str) -> bool) -> Result<(), Undeliverable> {
    let asked_for = reply.headers.iter().rev().find(|(name, _)| REPLY_TOPIC.contains(&&name[..]));
    if let Some((_, name)) = asked_for {
        let name = name.as_deref().and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or(Undeliverable::NotText)?.to_owned();
        check_name(&name).map_err(|error| Undeliverable::Topic(error.to_string()))?;
        let is_ours = name.starts_with("kindred.") || name.starts_with("__");
        if is_ours && name != topics::RESPONSES {
            return Err(Undeliverable::Ours(name));
        }
        if reads(&name) {
            return Err(Undeliverable::Input(name));
        }
        reply.topic = name.into();
    }
    let limits = match cx.catalog.topic(&reply.topic) {
        Some(topic) => topic.config().clone(),
        None if reply.topic != topics::RESPONSES && !cx.config.auto_create_topics_enable => {
            return Err(Undeliverable::Missing(reply.topic.to_string()));
        }
        None => {
            let planned = cx.catalog.check(&NewTopic::with_defaults(&reply.topic));
            planned.map_err(|error| Undeliverable::Topic(error.to_string()))?.config
        }
    };
    let (size_bytes, limit_bytes) = (reply.size_bytes() + BATCH_OVERHEAD_BYTES, limits.max_message_bytes);
    if size_bytes > limit_bytes {
        return Err(Undeliverable::TooLarge { topic: reply.topic.to_string(), size_bytes, limit_bytes });
    }
    if reply.key.is_none() && limits.cleanup_policy.compact {
        return Err(Undeliverable::KeyMissing(reply.topic.to_string()));
    }
    Ok(())
}
