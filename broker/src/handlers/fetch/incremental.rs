//! Incremental fetches (KIP-227): answers from a session, with what is news to its client.

#[cfg(test)]
mod model;

use std::sync::Arc;

use bytes::Bytes;
use protocol::error_code::ErrorCode;
use protocol::messages::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse};
use tokio::time::Instant;

use super::{Found, ParsedFetch, Round, TOPIC_IDS_SINCE, Wanted, woken_in_time};
use crate::catalog::Catalog;
use crate::fetch_sessions::{Continued, Seen, Session, TopicKey};
use crate::handlers::{Cx, Isolation};

/// Opens a session for the client that `round` is the answer to; returns its id, or 0 if none is to be had.
pub(super) fn open_session(cx: &Cx, request: &FetchRequest<'_>, fetch: &ParsedFetch, round: &Round) -> i32 {
    let session = session_told(request, fetch, round);
    cx.fetch_sessions.open(session, request.replica_id >= 0, Instant::now())
}

/// A session whose client knows what is in `round`, which `fetch` found.
fn session_told(request: &FetchRequest<'_>, fetch: &ParsedFetch, round: &Round) -> Session {
    let mut session = Session::new(fetch.version >= TOPIC_IDS_SINCE, &request.topics);
    let asked = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |partition| (topic, partition)));
    for (((topic, asked), wanted), found) in asked.zip(&fetch.wanted).zip(&round.found) {
        let Some(id) = session.id_of(topic, asked.partition) else { continue };
        if let Ok(partition) = &wanted.partition {
            session.watch(id, partition);
        }
        session.tell(id, &found.seen(asked.fetch_offset, fetch.isolation));
    }
    // Records may have come between the reading and the watching.
    session.look_at_all();
    session
}

/// Serves a request that goes on with a session.
pub(super) async fn answer<'a>(
    cx: &Cx,
    version: i16,
    request: &FetchRequest<'a>,
    deadline: Instant,
) -> FetchResponse<'a> {
    let by_id = version >= TOPIC_IDS_SINCE;
    let Continued { session, epoch } = match cx.fetch_sessions.go_on(request, by_id, Instant::now()) {
        Ok(Some(continued)) => continued,
        Ok(None) => return FetchResponse::default(),
        Err(code) => return refused(code),
    };
    let fetch = ParsedFetch::of_nothing(cx.config.fetch_max_bytes, version, request);
    let mut in_time = true;
    loop {
        let waiter = {
            let mut session = session.lock();
            if session.epoch() != epoch {
                // Whoever took over waits at the same place, and should have been woken instead.
                session.waiter().pass_on();
                return refused(ErrorCode::InvalidFetchSessionEpoch);
            }
            let looked = look(&mut session, &cx.catalog, &fetch);
            if !in_time || looked.is_enough(request.min_bytes) {
                let told = looked.tell(&mut session, fetch.isolation);
                return FetchResponse { session_id: request.session_id, ..told };
            }
            Arc::clone(session.waiter())
        };
        in_time = woken_in_time(cx, &waiter, deadline).await;
    }
}

fn refused(code: ErrorCode) -> FetchResponse<'static> {
    FetchResponse { error_code: code.code(), ..FetchResponse::default() }
}

/// What one look at the partitions with possible news found.
struct Looked {
    round: Round,
    /// Which partition, and what the session remembers of it; parallel to what was found.
    seen: Vec<(u64, Seen)>,
}

/// Looks at what may have changed since the client was last told, in the session's order.
fn look(session: &mut Session, catalog: &Catalog, fetch: &ParsedFetch) -> Looked {
    let ids = session.ready_ids();
    let mut round = Round { found: Vec::with_capacity(ids.len()), bytes: 0, urgent: false };
    let mut all_seen = Vec::with_capacity(ids.len());
    let mut last = None;
    for id in ids {
        let partition = session.entry(id).resolve(catalog, &mut last);
        // Registered before it is read: what is appended in between is seen now, and again later.
        if let Ok(partition) = &partition {
            session.watch(id, partition);
        }
        let wanted = Wanted::of(partition, &session.entry(id).asked);
        let room = fetch.bytes_max.saturating_sub(round.bytes);
        let found = wanted.read(fetch, room, round.bytes == 0);
        let seen = found.seen(session.entry(id).asked.fetch_offset, fetch.isolation);
        session.note(id, &seen);
        round.add(found);
        all_seen.push((id, seen));
    }
    Looked { round, seen: all_seen }
}

impl Looked {
    fn is_enough(&self, min_bytes: i32) -> bool {
        self.round.is_enough(min_bytes)
    }

    /// The answer, with what the client does not know; from here on it does.
    fn tell<'a>(self, session: &mut Session, isolation: Isolation) -> FetchResponse<'a> {
        let mut responses: Vec<FetchableTopicResponse<'a>> = Vec::new();
        let mut topic: Option<TopicKey> = None;
        for ((id, seen), found) in self.seen.into_iter().zip(self.round.found) {
            if !session.tell(id, &seen) {
                continue;
            }
            let entry = session.entry(id);
            if topic.as_ref() != Some(&entry.topic) {
                responses.push(response_of(&entry.topic));
                topic = Some(entry.topic.clone());
            }
            if let Some(response) = responses.last_mut() {
                response.partitions.push(found.into_response(entry.asked.partition, isolation));
            }
        }
        FetchResponse { responses, ..FetchResponse::default() }
    }
}

fn response_of<'a>(topic: &TopicKey) -> FetchableTopicResponse<'a> {
    match topic {
        TopicKey::Name(name) => {
            FetchableTopicResponse { topic: name.to_string().into(), ..FetchableTopicResponse::default() }
        }
        TopicKey::Id(id) => FetchableTopicResponse { topic_id: *id, ..FetchableTopicResponse::default() },
    }
}

impl Found {
    /// What a session remembers of it. `from`: where it was read. Empty short of the visible end means that the next
    /// batch did not fit.
    fn seen(&self, from: i64, isolation: Isolation) -> Seen {
        let mark = |mark: fn(&storage::Marks) -> i64| self.marks.as_ref().map_or(-1, mark);
        let end = self.marks.map_or(0, |marks| isolation.end(marks).0);
        let bytes = self.records.as_ref().map(Bytes::len);
        Seen {
            error: self.error,
            high: mark(|marks| marks.high().0),
            start: mark(|marks| marks.start().0),
            bytes: bytes.filter(|bytes| *bytes > 0 || from >= end),
            diverges: self.diverging.is_some(),
        }
    }
}
