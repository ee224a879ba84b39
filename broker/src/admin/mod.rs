//! HTTP: health, metrics, recommendations, and events in.
//!
//! ```text
//! socket ─▶ server ─▶ router ─▶ observe (time limit, metrics) ─▶ one handler ─▶ JSON bytes
//!                                                                    │
//!                          Recommendations (look-ups) ◀──────────────┼──────▶ EventLog (events in)
//! ```
//!
//! Handlers know the rest of the broker by two traits only, [`Recommendations`] and [`EventLog`], so that they
//! are tested without a socket or a log. Every error has one shape, see [`error`].
//!
//! What is left out: topics and groups are managed over the Kafka protocol.

mod error;
mod events;
mod health;
mod query;
mod recommend;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use crate::metrics::{Counter, Histogram, Metrics};
use error::ApiError;

pub(crate) use events::{AppendFailed, Appending, EventLog, Landed, NewEvent};
pub(crate) use recommend::Recommendations;
pub use server::HttpBindError;
pub(crate) use server::HttpServer;

/// What HTTP needs of the rest of the broker.
pub(crate) struct Parts {
    pub(crate) metrics: Arc<Metrics>,
    /// `None` if the recommender is turned off.
    pub(crate) recommendations: Option<Arc<dyn Recommendations>>,
    pub(crate) events: Arc<dyn EventLog>,
    /// The recommender's settings, against which events are checked before they are appended.
    pub(crate) recommender_config: recommender::Config,
    /// Why the broker is not ready, if it is not.
    pub(crate) unready: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// `http.request.max.bytes`.
    pub(crate) request_bytes_max: usize,
    /// `http.request.timeout.ms`.
    pub(crate) request_timeout: Duration,
}

/// One thing that can be asked for.
#[derive(Serialize)]
struct Endpoint {
    method: &'static str,
    path: &'static str,
    about: &'static str,
}

/// Everything that is served, as `/` lists it.
const ENDPOINTS: &[Endpoint] = &[
    endpoint("GET", "/", "this list"),
    endpoint("GET", "/healthz", "200 while the process serves"),
    endpoint("GET", "/readyz", "200 once everything is loaded, 503 before and while stopping"),
    endpoint("GET", "/metrics", "metrics in Prometheus's text format"),
    endpoint("GET", "/api/v1/hot", "hot items; n, window, scope, category"),
    endpoint("GET", "/api/v1/items/{id}/similar", "items that go with an item; n, metric"),
    endpoint(
        "GET",
        "/api/v1/users/{id}/recommendations",
        "items for a user; n, offset, explain, category, exclude, seen, model",
    ),
    endpoint("POST", "/api/v1/events", "one behaviour event, or a list of them"),
    endpoint("POST", "/recommendation/likes", "a user likes something: {user_id, content_id, title}"),
];

const fn endpoint(method: &'static str, path: &'static str, about: &'static str) -> Endpoint {
    Endpoint { method, path, about }
}

/// What every handler is handed.
struct Shared {
    parts: Parts,
    /// In the order of [`ENDPOINTS`], then one for paths that are not served.
    metrics: Vec<EndpointMetrics>,
}

impl Shared {
    fn metrics_of(&self, path: Option<&MatchedPath>) -> &EndpointMetrics {
        let known =
            path.and_then(|path| ENDPOINTS.iter().position(|endpoint| endpoint.path == path.as_str()));
        &self.metrics[known.unwrap_or(ENDPOINTS.len())]
    }
}

/// The router over these parts.
pub(crate) fn router(parts: Parts) -> Router {
    let paths = ENDPOINTS.iter().map(|endpoint| endpoint.path).chain(["other"]);
    let metrics = paths.map(|path| EndpointMetrics::new(&parts.metrics, path)).collect();
    let body_limit = DefaultBodyLimit::max(parts.request_bytes_max);
    let shared = Arc::new(Shared { parts, metrics });
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics_text))
        .route("/api/v1/hot", get(recommend::hot))
        .route("/api/v1/items/{id}/similar", get(recommend::similar))
        .route("/api/v1/users/{id}/recommendations", get(recommend::recommendations))
        .route("/api/v1/events", post(events::add))
        .route("/recommendation/likes", post(events::like))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(body_limit)
        .layer(from_fn_with_state(Arc::clone(&shared), observe))
        .with_state(shared)
}

/// Gives every request a time limit, and counts it.
async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let limit = shared.parts.request_timeout;
    let response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message =
                format!("the request took longer than http.request.timeout.ms = {}", limit.as_millis());
            ApiError::unavailable("time-out", message).into_response()
        }
    };
    shared.metrics_of(path.as_ref()).record(response.status(), began.elapsed());
    response
}

async fn index() -> Response {
    #[derive(Serialize)]
    struct Index {
        name: &'static str,
        version: &'static str,
        endpoints: &'static [Endpoint],
    }
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
            let path = endpoint.path.replace("{id}", "1");
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

    #[tokio::test(start_paused = true)]
    async fn a_request_has_a_time_limit() {
        let mut stage = Stage::new();
        stage.log.stuck = true;
        let answer =
            stage.call(Call::post("/api/v1/events", r#"{"user_id":1,"item_id":2,"action":"view"}"#)).await;
        assert_eq!((answer.status, answer.error_code()), (503, Some("time-out")));
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
