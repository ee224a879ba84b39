//! Events in over HTTP: checked one by one, then appended to the behaviour topic like anybody else's.
//!
//! An event is refused here for the reasons for which the recommender would refuse it later, except those that
//! need its memory (an `event_id` seen before). What is accepted is appended as it was written, keyed by its
//! user, and answered once it is as safe as `acks=all` makes it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use recommender::Config;
use recommender::ingest::examine;
use recommender::ingest::parse::Content;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::{ApiError, ErrorAnswer, ErrorBody};
use super::{Parts, Shared, json};

/// Where events go.
const TOPIC: &str = "user_behavior";
/// Events in one request.
pub(super) const EVENTS_MAX: usize = 10_000;

/// A record to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    /// The user, by which the partition is chosen.
    pub(crate) key: Option<String>,
    /// The event as it came, in JSON.
    pub(crate) value: Bytes,
}

/// Where a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landed {
    /// Of the topic.
    pub(crate) partition: i32,
    /// In the partition.
    pub(crate) offset: i64,
}

/// Nothing was appended, or not all of it: in words for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AppendFailed(pub(crate) String);

/// Where each event of a call went, in the order given.
pub(crate) type Appending<'a> = Pin<Box<dyn Future<Output = Result<Vec<Landed>, AppendFailed>> + Send + 'a>>;

/// The log that events are appended to.
pub(crate) trait EventLog: Send + Sync + 'static {
    /// Appends events to `topic`, which is made if it is not there; completes when they are as safe as
    /// `acks=all` makes them.
    fn append<'a>(&'a self, topic: &'a str, events: Vec<NewEvent>) -> Appending<'a>;

    /// The time, in ms since 1970.
    fn now_ms(&self) -> i64;
}

/// What became of one event.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Fate<'a> {
    /// It was appended.
    Landed(Place),
    /// It was not.
    Refused(ErrorAnswer<'a>),
}

/// Where an event is.
#[derive(Serialize, ToSchema)]
pub(super) struct Place {
    topic: &'static str,
    partition: i32,
    offset: i64,
}

impl From<Landed> for Place {
    fn from(at: Landed) -> Self {
        Self { topic: TOPIC, partition: at.partition, offset: at.offset }
    }
}

/// What events are answered with.
#[derive(Serialize, ToSchema)]
pub(super) struct EventsAnswer<'a> {
    /// Why the first was refused, if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<ErrorBody<'a>>,
    accepted: usize,
    rejected: usize,
    /// In the order of the request.
    events: Vec<Fate<'a>>,
}

/// What a like is answered with.
#[derive(Serialize, ToSchema)]
pub(super) struct LikeAnswer {
    /// 0 recorded, 1000 unknown user, 1001 not usable, 2000 not read or not written.
    code: u16,
    message: String,
    /// Where it is, if it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    data: Option<Place>,
}

/// `POST /api/v1/events`: one event, or an array of them.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body_of(body)?;
    let values = values_of(&body)?;
    let parts = &shared.parts;
    let (config, now_ms) = ((parts.recommender_config)(), parts.events.now_ms());
    // They share the body's memory.
    let bytes_of = |value: &RawValue| body.slice_ref(value.get().as_bytes());
    let checked: Vec<Result<NewEvent, ApiError>> =
        values.iter().map(|value| check(&config, bytes_of(value), now_ms)).collect();
    let good: Vec<NewEvent> = checked.iter().filter_map(|checked| checked.as_ref().ok().cloned()).collect();
    let (accepted, rejected) = (good.len(), checked.len() - good.len());
    let landed = if good.is_empty() { Vec::new() } else { append(parts, good).await? };
    let mut landed = landed.into_iter();
    let fates = checked.iter().map(|checked| match checked {
        Ok(_) => Fate::Landed(landed.next().expect("one place per event appended").into()),
        Err(error) => Fate::Refused(ErrorAnswer { error: error.body() }),
    });
    let events = fates.collect();
    let first =
        checked.iter().enumerate().find_map(|(at, checked)| checked.as_ref().err().map(|error| (at, error)));
    let all_refused = first
        .filter(|_| accepted == 0)
        .map(|(at, error)| (error.code, format!("event {at}: {}", error.message)));
    let error = all_refused.as_ref().map(|(code, message)| ErrorBody { code, message });
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(json(status, &EventsAnswer { error, accepted, rejected, events }))
}

/// `POST /recommendation/likes`: `{user_id, content_id, title}`.
///
/// The answer's `code` is all that clients of this contract look at, so the status is 200 whatever it says.
pub(super) async fn like(State(shared): State<Arc<Shared>>, body: Result<Bytes, BytesRejection>) -> Response {
    let (code, message, data) = match record_like(&shared, body).await {
        Ok(at) => (0, "ok".to_owned(), Some(at.into())),
        Err(NotLiked::UnknownUser(id)) => (1000, format!("no event has named the user `{id}`"), None),
        Err(NotLiked::Failed(error)) => (1001, error.message, None),
        Err(NotLiked::Error(error)) => (2000, error.message, None),
    };
    json(StatusCode::OK, &LikeAnswer { code, message, data })
}

/// Why a like was not recorded.
enum NotLiked {
    /// Code 1000.
    UnknownUser(String),
    /// Code 1001: the like itself is at fault.
    Failed(ApiError),
    /// Code 2000: it was not read, or could not be written.
    Error(ApiError),
}

async fn record_like(shared: &Shared, body: Result<Bytes, BytesRejection>) -> Result<Landed, NotLiked> {
    /// Ids are texts or numbers, and kept as they came.
    #[derive(Deserialize)]
    struct Like<'a> {
        #[serde(borrow)]
        user_id: &'a RawValue,
        #[serde(borrow)]
        content_id: &'a RawValue,
        #[serde(borrow, default)]
        title: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Event<'a> {
        user_id: &'a RawValue,
        item_id: &'a RawValue,
        action: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a RawValue>,
    }
    let body = body_of(body).map_err(NotLiked::Error)?;
    let like: Like<'_> = serde_json::from_slice(&body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => NotLiked::Failed(not_json(&error)),
        _ => NotLiked::Error(not_json(&error)),
    })?;
    let event = Event { user_id: like.user_id, item_id: like.content_id, action: "like", title: like.title };
    let value = Bytes::from(serde_json::to_vec(&event).expect("raw JSON serialises"));
    let parts = &shared.parts;
    let event =
        check(&(parts.recommender_config)(), value, parts.events.now_ms()).map_err(NotLiked::Failed)?;
    let user = event.key.as_deref().unwrap_or_default();
    if !shared.recommendations().map_err(NotLiked::Error)?.knows_user(user) {
        return Err(NotLiked::UnknownUser(user.to_owned()));
    }
    let landed = append(parts, vec![event]).await.map_err(NotLiked::Error)?;
    Ok(landed[0])
}

pub(super) fn body_of(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "too-large",
            message: "the body is larger than http.request.max.bytes".to_owned(),
        },
        _ => ApiError::bad("bad-body", rejection.body_text()),
    })
}

/// The elements of an array, or the one value.
fn values_of(body: &[u8]) -> Result<Vec<&RawValue>, ApiError> {
    let values: Vec<&RawValue> = match body.trim_ascii_start().starts_with(b"[") {
        true => serde_json::from_slice(body).map_err(|error| not_json(&error))?,
        false => vec![serde_json::from_slice(body).map_err(|error| not_json(&error))?],
    };
    match values.len() {
        0 => Err(ApiError::bad("no-events", "the list holds no event".to_owned())),
        count if count > EVENTS_MAX => Err(ApiError::bad(
            "too-many-events",
            format!("{count} events, more than {EVENTS_MAX} in one request"),
        )),
        _ => Ok(values),
    }
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::bad("bad-json", format!("the body is not the JSON expected here: {error}"))
}

/// One event as a record, if the recommender is going to learn it.
fn check(config: &Config, value: Bytes, now_ms: i64) -> Result<NewEvent, ApiError> {
    let content = examine(config, TOPIC, &value, now_ms)
        .map_err(|rejection| ApiError::bad(rejection.code(), rejection.to_string()))?;
    let key = match content {
        Content::Events(events) => events.first().and_then(|event| {
            let user = event.user_id.as_deref().or(event.session_id.as_deref());
            user.map(str::to_owned)
        }),
        Content::Item(_) | Content::User(_) => None,
    };
    Ok(NewEvent { key, value })
}

async fn append(parts: &Parts, events: Vec<NewEvent>) -> Result<Vec<Landed>, ApiError> {
    let failed = |AppendFailed(reason)| ApiError::unavailable("not-appended", reason);
    parts.events.append(TOPIC, events).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Call, Stage};

    #[tokio::test]
    async fn one_event_lands_as_it_was_written() {
        let stage = Stage::new();
        let event = r#"{"user_id": 1, "item_id": 1001, "action": "click"}"#;
        let answer = stage.call(Call::post("/api/v1/events", event)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let landed = json!({"topic": "user_behavior", "partition": 0, "offset": 0});
        assert_eq!(answer.body, json!({"accepted": 1, "rejected": 0, "events": [landed]}));
        let appended = stage.log.appended();
        assert_eq!((appended[0].key.as_deref(), &appended[0].value[..]), (Some("1"), event.as_bytes()));
    }

    #[tokio::test]
    async fn of_several_events_each_is_answered() {
        let stage = Stage::new();
        let events = r#"[
            {"user_id": "u", "item_id": "a", "action": "view"},
            {"user_id": "u", "item_id": "b", "action": "levitate"},
            {"user_id": "u", "action": "view"},
            {"user_id": "v", "item_id": "c", "action": "purchase"}
        ]"#;
        let answer = stage.call(Call::post("/api/v1/events", events)).await;
        assert_eq!(
            (answer.status, &answer.body["accepted"], &answer.body["rejected"]),
            (200, &2.into(), &2.into())
        );
        let fates = answer.body["events"].as_array().unwrap();
        assert_eq!(fates[0]["offset"], 0);
        assert_eq!(fates[1]["error"]["code"], "unknown-action");
        assert!(fates[1]["error"]["message"].as_str().unwrap().contains("levitate"));
        assert_eq!(fates[2]["error"]["code"], "missing-item-id");
        assert_eq!(fates[3]["offset"], 1);
        assert_eq!(stage.log.appended().len(), 2);
    }

    #[tokio::test]
    async fn what_cannot_be_accepted_is_an_error() {
        let stage = Stage::new();
        for (body, code) in [
            ("", "bad-json"),
            ("{", "bad-json"),
            ("[]", "no-events"),
            ("7", "not-an-event"),
            (r#"{"user_id": 1, "item_id": 2, "action": "levitate"}"#, "unknown-action"),
            (r#"[{"user_id": 1, "action": "view"}]"#, "missing-item-id"),
        ] {
            let answer = stage.call(Call::post("/api/v1/events", body)).await;
            assert_eq!((answer.status, answer.error_code()), (400, Some(code)), "{body}");
        }
        assert!(stage.log.appended().is_empty());
    }

    #[tokio::test]
    async fn a_log_that_fails_is_unavailable() {
        let mut stage = Stage::new();
        stage.log.failing = true;
        let event = r#"{"user_id": 1, "item_id": 1001, "action": "click"}"#;
        let answer = stage.call(Call::post("/api/v1/events", event)).await;
        assert_eq!((answer.status, answer.error_code()), (503, Some("not-appended")));
        assert_eq!(answer.body["error"]["message"], "the disk is full");
    }

    #[tokio::test]
    async fn likes_answer_with_a_code() {
        let mut stage = Stage::new();
        stage.learn("7", "lamp");
        let path = "/recommendation/likes";
        for (body, code) in [
            (r#"{"user_id": 7, "content_id": "desk", "title": "Desk"}"#, 0),
            (r#"{"user_id": "7", "content_id": 12}"#, 0),
            (r#"{"user_id": "stranger", "content_id": "desk", "title": "Desk"}"#, 1000),
            (r#"{"user_id": 7}"#, 1001),
            (r#"{"user_id": 7, "content_id": ""}"#, 1001),
            ("[", 2000),
        ] {
            let answer = stage.call(Call::post(path, body)).await;
            assert_eq!((answer.status, &answer.body["code"]), (200, &code.into()), "{body}: {}", answer.text);
        }
        let appended = stage.log.appended();
        assert_eq!(
            &appended[0].value[..],
            br#"{"user_id":7,"item_id":"desk","action":"like","title":"Desk"}"#
        );
        assert_eq!((appended.len(), appended[0].key.as_deref()), (2, Some("7")));
        stage.log.failing = true;
        let answer = stage.call(Call::post(path, r#"{"user_id": 7, "content_id": "desk"}"#)).await;
        assert_eq!(answer.body["code"], 2000);
    }
}
