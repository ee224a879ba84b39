//! HTTP: health, metrics, recommendations, and events in.
//!
//! ```text
//! socket ─▶ server ─▶ limits (a seat, a time limit, metrics) ─▶ router ─▶ one handler ─▶ JSON bytes
//!                                                                             │
//!                                 Recommendations (look-ups) ◀────────────────┼──────▶ EventLog (events in)
//! ```
//!
//! What is served is the table [`ENDPOINTS`]: routes, metrics, the list at `/` and the description at `/openapi.json`
//! follow from its rows. Handlers know the rest of the broker by two traits only, [`Recommendations`] and
//! [`EventLog`], so that they are tested without a socket or a log. Every error has one shape, see [`error`].
//!
//! What is left out: topics and groups are managed over the Kafka protocol.

mod ask;
mod error;
mod events;
mod features;
mod health;
mod limits;
mod openapi;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use recommender::Kind;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::metrics::{Counter, Histogram, Metrics};
use error::ApiError;

pub(crate) use ask::Recommendations;
pub(crate) use events::{AppendFailed, Appending, EventLog, Landed, NewEvent};
pub use server::HttpBindError;
pub(crate) use server::HttpServer;

/// What HTTP needs of the rest of the broker.
pub(crate) struct Parts {
    pub(crate) metrics: Arc<Metrics>,
    /// `None` if the recommender is turned off.
    pub(crate) recommendations: Option<Arc<dyn Recommendations>>,
    pub(crate) events: Arc<dyn EventLog>,
    /// The recommender's settings, against which events are checked before they are appended.
    pub(crate) recommender_config: Box<dyn Fn() -> recommender::Config + Send + Sync>,
    /// Why the broker is not ready, if it is not.
    pub(crate) unready: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// `http.request.max.bytes`.
    pub(crate) request_bytes_max: usize,
    /// `http.request.timeout.ms`.
    pub(crate) request_timeout: Duration,
    /// `http.requests.max`.
    pub(crate) requests_max: usize,
}

/// One thing that can be asked for.
#[derive(Serialize, ToSchema)]
struct Endpoint {
    /// GET or POST.
    method: &'static str,
    /// With names in braces for what varies.
    path: &'static str,
    /// What it does.
    about: &'static str,
    #[serde(skip)]
    serves: Serves,
}

/// What an endpoint does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Serves {
    Index,
    Description,
    Health,
    Readiness,
    Metrics,
    /// A question whose parameters stand in path and query.
    Query(Kind),
    /// A question that is a JSON object.
    Question(Kind),
    Evaluation,
    UserFeatures,
    ItemFeatures,
    Events,
    Like,
}

/// Everything that is served, as `/` lists it.
const ENDPOINTS: &[Endpoint] = &[
    endpoint("GET", "/", "this list", Serves::Index),
    endpoint(
        "GET",
        "/openapi.json",
        "the description of all this for programs, in OpenAPI 3.1",
        Serves::Description,
    ),
    endpoint("GET", "/healthz", "200 while the process serves", Serves::Health),
    endpoint(
        "GET",
        "/readyz",
        "200 once everything is loaded, 503 before and while stopping",
        Serves::Readiness,
    ),
    endpoint("GET", "/metrics", "metrics in Prometheus's text format", Serves::Metrics),
    endpoint("GET", "/api/v1/hot", "hot items", Serves::Query(Kind::Hot)),
    endpoint(
        "GET",
        "/api/v1/heavy-hitters",
        "the items most acted on of all time, if they are counted",
        Serves::Query(Kind::HeavyHitters),
    ),
    endpoint(
        "GET",
        "/api/v1/items/{item_id}/similar",
        "items that go with an item",
        Serves::Query(Kind::Similar),
    ),
    endpoint(
        "GET",
        "/api/v1/users/{user_id}/recommendations",
        "items for a user",
        Serves::Query(Kind::Recommendations),
    ),
    endpoint(
        "GET",
        "/api/v1/users/{user_id}/neighbours",
        "users of like taste",
        Serves::Query(Kind::Neighbours),
    ),
    endpoint(
        "POST",
        "/api/v1/sessions/recommend",
        "items for a visit, which needs no user",
        Serves::Question(Kind::Session),
    ),
    endpoint(
        "POST",
        "/api/v1/rank",
        "given items, ranked for a user or a visit",
        Serves::Question(Kind::Rank),
    ),
    endpoint(
        "POST",
        "/api/v1/recommend/batch",
        "items for each of many users",
        Serves::Question(Kind::Batch),
    ),
    endpoint("GET", "/api/v1/users/{user_id}/features", "features of a user", Serves::UserFeatures),
    endpoint("GET", "/api/v1/items/{item_id}/features", "features of an item", Serves::ItemFeatures),
    endpoint("GET", "/api/v1/evaluation", "what answers were worth", Serves::Evaluation),
    endpoint("POST", "/api/v1/events", "one behaviour event, or a list of them", Serves::Events),
    endpoint(
        "POST",
        "/recommendation/likes",
        "a user likes something: {user_id, content_id, title}",
        Serves::Like,
    ),
];

const fn endpoint(method: &'static str, path: &'static str, about: &'static str, serves: Serves) -> Endpoint {
    Endpoint { method, path, about, serves }
}

impl Serves {
    fn route(self) -> MethodRouter<Arc<Shared>> {
        match self {
            Self::Index => get(index),
            Self::Description => get(openapi::serve),
            Self::Health => get(health::healthz),
            Self::Readiness => get(health::readyz),
            Self::Metrics => get(metrics_text),
            Self::Query(kind) => ask::by_query(kind),
            Self::Question(kind) => ask::by_body(kind),
            Self::Evaluation => get(features::evaluation),
            Self::UserFeatures => get(features::of_user),
            Self::ItemFeatures => get(features::of_item),
            Self::Events => post(events::add),
            Self::Like => post(events::like),
        }
    }
}

/// What every handler is handed.
struct Shared {
    parts: Parts,
    /// In the order of [`ENDPOINTS`], then one for paths that are not served.
    metrics: Vec<EndpointMetrics>,
    /// As many as requests may be under way.
    seats: Semaphore,
}

impl Shared {
    /// The place among [`ENDPOINTS`], or behind them.
    fn place_of(path: Option<&MatchedPath>) -> usize {
        let known =
            path.and_then(|path| ENDPOINTS.iter().position(|endpoint| endpoint.path == path.as_str()));
        known.unwrap_or(ENDPOINTS.len())
    }
}

/// The router over these parts.
pub(crate) fn router(parts: Parts) -> Router {
    let paths = ENDPOINTS.iter().map(|endpoint| endpoint.path).chain(["other"]);
    let metrics = paths.map(|path| EndpointMetrics::new(&parts.metrics, path)).collect();
    let body_limit = DefaultBodyLimit::max(parts.request_bytes_max);
    let seats = Semaphore::new(parts.requests_max);
    let shared = Arc::new(Shared { parts, metrics, seats });
    let routes = ENDPOINTS
        .iter()
        .fold(Router::new(), |router, endpoint| router.route(endpoint.path, endpoint.serves.route()));
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(body_limit)
        .layer(from_fn_with_state(Arc::clone(&shared), limits::observe))
        .with_state(shared)
}

/// What `/` answers.
#[derive(Serialize, ToSchema)]
struct Index {
    name: &'static str,
    version: &'static str,
    endpoints: &'static [Endpoint],
}

async fn index() -> Response {
    json(StatusCode::OK, &Index { name: "kindred", version: env!("CARGO_PKG_VERSION"), endpoints: ENDPOINTS })
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let text = shared.parts.metrics.expose();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn not_found(request: Request) -> ApiError {
    ApiError::unknown(
        "not-found",
        format!("nothing is served at {}; GET / lists what is", request.uri().path()),
    )
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method-not-allowed",
        message: format!(
            "{} does not take {}; GET / lists what is served",
            request.uri().path(),
            request.method()
        ),
    }
}

/// An answer in JSON.
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Only maps with keys that are no texts fail to serialise, and no answer has one.
    let mut bytes = serde_json::to_vec(body).expect("answers serialise");
    // So that a terminal's prompt does not stick to it.
    bytes.push(b'\n');
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What is counted of one endpoint.
struct EndpointMetrics {
    /// Answers by the first digit of their status: 2, 4, 5.
    answers: [Counter; 3],
    seconds: Histogram,
}

impl EndpointMetrics {
    /// Upper bounds of the latency buckets, in seconds: look-ups take tens of microseconds.
    const BOUNDS: &[f64] =
        &[0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];

    fn new(metrics: &Metrics, path: &str) -> Self {
        let answers = ["2xx", "4xx", "5xx"].map(|status| {
            let help = "HTTP requests answered, by path and status.";
            metrics.counter("kindred_http_requests_total", help, &[("path", path), ("status", status)])
        });
        let help = "Time from a request's head to its answer, by path.";
        let seconds =
            metrics.histogram("kindred_http_request_seconds", help, &[("path", path)], Self::BOUNDS);
        Self { answers, seconds }
    }

    fn record(&self, status: StatusCode, took: Duration) {
        let class = match status.as_u16() {
            500.. => 2,
            400..500 => 1,
            _ => 0,
        };
        self.answers[class].inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::testing::{Call, Stage};
    use super::*;

    #[tokio::test]
    async fn every_endpoint_of_the_list_is_served() {
        let stage = Stage::new();
        let listed = stage.call(Call::get("/")).await;
        assert_eq!((listed.status, listed.body["name"].as_str()), (200, Some("kindred")));
        assert_eq!(listed.body["endpoints"].as_array().map(Vec::len), Some(ENDPOINTS.len()));
        for endpoint in ENDPOINTS {
            let path = endpoint.path.replace("{user_id}", "1").replace("{item_id}", "1");
            let answer = stage.call(Call::new(endpoint.method, &path, "{}")).await;
            let code = answer.error_code();
            assert!(code != Some("not-found") && code != Some("method-not-allowed"), "{path}: {code:?}");
        }
    }

    #[tokio::test]
    async fn errors_have_one_shape() {
        let stage = Stage::new();
        for (call, status, code) in [
            (Call::get("/nothing/here"), 404, "not-found"),
            (Call::get("/api/v1/events"), 405, "method-not-allowed"),
            (Call::new("DELETE", "/", ""), 405, "method-not-allowed"),
            (Call::get("/api/v1/items/%FF/similar"), 400, "bad-path"),
            (Call::post("/api/v1/events", &format!("[{}]", " ".repeat(2000))), 413, "too-large"),
        ] {
            let answer = stage.call(call).await;
            assert_eq!((answer.status, answer.error_code()), (status, Some(code)));
            assert!(answer.body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        }
    }

    #[tokio::test]
    async fn requests_are_counted_by_path_and_status() {
        let stage = Stage::new();
        let router = stage.router();
        for path in ["/healthz", "/healthz", "/nothing"] {
            testing::send(router.clone(), Call::get(path)).await;
        }
        let text = testing::send(router, Call::get("/metrics")).await.text;
        for line in [
            r#"kindred_http_requests_total{path="/healthz",status="2xx"} 2"#,
            r#"kindred_http_requests_total{path="other",status="4xx"} 1"#,
            r#"kindred_http_request_seconds_count{path="/healthz"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in:\n{text}");
        }
    }
}
