//! A router over a real recommender and a pretended log, called without a socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use parking_lot::{Mutex, RwLock};
use recommender::{Config, Incoming, Position, Processor};
use serde_json::Value;
use tower::ServiceExt;

use super::events::Appending;
use super::{AppendFailed, EventLog, Landed, NewEvent, Parts, Recommendations, router};
use crate::metrics::Metrics;

const NOW_MS: i64 = 1_700_000_000_000;

/// The parts of a router, to be set before the first call.
pub(super) struct Stage {
    pub(super) recommender: Option<Arc<RwLock<Processor>>>,
    pub(super) log: PretendedLog,
    pub(super) unready: Option<String>,
    pub(super) requests_max: usize,
}

/// A log of one partition in memory.
#[derive(Clone, Default)]
pub(super) struct PretendedLog {
    appended: Arc<Mutex<Vec<NewEvent>>>,
    pub(super) failing: bool,
    pub(super) stuck: bool,
}

impl PretendedLog {
    pub(super) fn appended(&self) -> Vec<NewEvent> {
        self.appended.lock().clone()
    }
}

impl EventLog for PretendedLog {
    fn append<'a>(&'a self, _: &'a str, events: Vec<NewEvent>) -> Appending<'a> {
        Box::pin(async move {
            if self.stuck {
                std::future::pending::<()>().await;
            }
            if self.failing {
                return Err(AppendFailed("the disk is full".to_owned()));
            }
            let mut appended = self.appended.lock();
            let first = appended.len() as i64;
            let landed =
                (0..events.len() as i64).map(|at| Landed { partition: 0, offset: first + at }).collect();
            appended.extend(events);
            Ok(landed)
        })
    }

    fn now_ms(&self) -> i64 {
        NOW_MS
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// With settings of the recommender.
    pub(super) fn with(settings: &[(&str, &str)]) -> Self {
        let mut config = Config::default();
        settings.iter().for_each(|(key, value)| config.set(key, value).expect("a good setting"));
        let recommender = Processor::new(config);
        Self {
            recommender: Some(Arc::new(RwLock::new(recommender))),
            log: PretendedLog::default(),
            unready: None,
            requests_max: 16,
        }
    }

    /// Has the recommender learn that a user viewed an item.
    pub(super) fn learn(&self, user: &str, item: &str) {
        let event = format!(r#"{{"user_id":"{user}","item_id":"{item}","action":"view"}}"#);
        self.ingest("user_behavior", &event);
    }

    pub(super) fn learn_item(&self, item: &str) {
        self.ingest("items", item);
    }

    fn ingest(&self, topic: &str, value: &str) {
        let position = Position { source: topic, offset: 0 };
        let message = Incoming {
            topic,
            position,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
            time_ms: NOW_MS,
        };
        let recommender = self.recommender.as_ref().expect("there is a recommender to teach");
        recommender.write().process(&message, &mut Vec::new()).expect("the event is good");
    }

    pub(super) fn router(&self) -> Router {
        let unready = self.unready.clone();
        router(Parts {
            metrics: Arc::new(Metrics::default()),
            recommendations: self
                .recommender
                .clone()
                .map(|recommender| recommender as Arc<dyn Recommendations>),
            events: Arc::new(self.log.clone()),
            recommender_config: Box::new(Config::default),
            unready: Box::new(move || unready.clone()),
            request_bytes_max: 1024,
            requests_max: self.requests_max,
            request_timeout: Duration::from_secs(10),
        })
    }

    pub(super) async fn call(&self, call: Call) -> Answered {
        send(self.router(), call).await
    }
}

/// A request.
pub(super) struct Call(Request<Body>);

impl Call {
    pub(super) fn new(method: &str, path: &str, body: &str) -> Self {
        let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned()));
        Self(request.expect("a good request"))
    }

    pub(super) fn get(path: &str) -> Self {
        Self::new("GET", path, "")
    }

    pub(super) fn post(path: &str, body: &str) -> Self {
        Self::new("POST", path, body)
    }
}

/// Its answer.
pub(super) struct Answered {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) text: String,
    /// Null if the answer is no JSON.
    pub(super) body: Value,
}

impl Answered {
    pub(super) fn error_code(&self) -> Option<&str> {
        self.body["error"]["code"].as_str()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The ids of the answer's items, in order.
    pub(super) fn ids(&self) -> Vec<String> {
        let items = self.body["items"].as_array().expect("an answer with items");
        items.iter().filter_map(|item| item["item_id"].as_str()).map(str::to_owned).collect()
    }
}

pub(super) async fn send(router: Router, call: Call) -> Answered {
    let response = router.oneshot(call.0).await.expect("the router always answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
    let text = String::from_utf8(bytes.to_vec()).expect("answers are text");
    let body = serde_json::from_str(&text).unwrap_or_default();
    Answered { status, headers, text, body }
}
