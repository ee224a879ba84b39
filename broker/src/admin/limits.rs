//! How many requests are served at a time, and for how long each: what is too much is refused at once.
//!
//! ```text
//! request ─▶ a seat free? ─ no ─▶ 503, Retry-After
//!                 │ yes
//!                 ▼ let others be looked at first, then answer within the time limit
//! ```
//! A look-up keeps a thread busy until it is done, so requests that are ready at the same time would all be taken in one
//! after another, and none ever find a seat taken. That is why one that has its seat lets all others be looked at before
//! it is answered: what waits is counted, and what comes on top of it costs no more than the refusal.
//!
//! Whether the process lives, is ready, and what it measures is always told.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::{ENDPOINTS, Serves, Shared};

/// After how many seconds to come again.
const RETRY_AFTER_SECONDS: &str = "1";

/// Gives every request a seat and a time limit, and counts it.
pub(super) async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let place = Shared::place_of(path.as_ref());
    let response = match ENDPOINTS.get(place).map(|endpoint| endpoint.serves) {
        Some(Serves::Query(_) | Serves::Question(_) | Serves::Events | Serves::Like) => {
            seated(&shared, request, next).await
        }
        _ => next.run(request).await,
    };
    shared.metrics[place].record(response.status(), began.elapsed());
    response
}

async fn seated(shared: &Shared, request: Request, next: Next) -> Response {
    let Ok(_seat) = shared.seats.try_acquire() else { return overloaded(shared) };
    // Until the thread has looked at its sockets, which it does at once if there is nothing else to do.
    tokio::task::yield_now().await;
    let limit = shared.parts.request_timeout;
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let message = format!("the request took longer than http.request.timeout.ms = {}", limit.as_millis());
        ApiError::unavailable("time-out", message).into_response()
    })
}

fn overloaded(shared: &Shared) -> Response {
    let message = format!("http.requests.max = {} requests are being served", shared.parts.requests_max);
    let mut response = ApiError::unavailable("overloaded", message).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    response
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::testing::{Call, Stage, send};

    const EVENT: &str = r#"{"user_id":1,"item_id":2,"action":"view"}"#;

    #[tokio::test(start_paused = true)]
    async fn a_request_has_a_time_limit() {
        let mut stage = Stage::new();
        stage.log.stuck = true;
        let answer = stage.call(Call::post("/api/v1/events", EVENT)).await;
        assert_eq!((answer.status, answer.error_code()), (503, Some("time-out")));
    }

    #[tokio::test]
    async fn what_is_too_much_is_refused_at_once() {
        let mut stage = Stage::new();
        stage.requests_max = 2;
        let router = stage.router();
        let questions = (0..5).map(|_| send(router.clone(), Call::get("/api/v1/hot")));
        let answers = join_all(questions).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200, 503, 503, 503]);
        let refused = &answers[4];
        assert_eq!((refused.error_code(), refused.header("retry-after")), (Some("overloaded"), Some("1")));
        assert_eq!(send(router, Call::get("/api/v1/hot")).await.status, 200, "seats are given back");
    }

    #[tokio::test(start_paused = true)]
    async fn health_is_told_whatever_is_going_on() {
        let mut stage = Stage::new();
        (stage.requests_max, stage.log.stuck) = (1, true);
        let router = stage.router();
        let event = tokio::spawn(send(router.clone(), Call::post("/api/v1/events", EVENT)));
        tokio::task::yield_now().await;
        assert_eq!(send(router.clone(), Call::get("/api/v1/hot")).await.status, 503);
        for path in ["/healthz", "/readyz", "/metrics", "/", "/openapi.json"] {
            assert_eq!(send(router.clone(), Call::get(path)).await.status, 200, "{path}");
        }
        assert_eq!(event.await.unwrap().error_code(), Some("time-out"));
        assert_eq!(send(router, Call::get("/api/v1/hot")).await.status, 200);
    }
}
