//! `/healthz` says that the process serves, `/readyz` that it has everything it needs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::{Shared, json};

/// What the process says of itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    status: &'static str,
}

/// `GET /healthz`: 200 for as long as the process answers.
pub(super) async fn healthz() -> Response {
    json(StatusCode::OK, &Status { status: "ok" })
}

/// `GET /readyz`: 200 once everything is loaded, 503 with the reason otherwise.
pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match (shared.parts.unready)() {
        None => json(StatusCode::OK, &Status { status: "ready" }),
        Some(reason) => ApiError::unavailable("not-ready", reason).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Call, Stage};

    #[tokio::test]
    async fn readiness_is_told_with_its_reason() {
        let mut stage = Stage::new();
        assert_eq!(stage.call(Call::get("/healthz")).await.status, 200);
        assert_eq!(stage.call(Call::get("/readyz")).await.status, 200);
        stage.unready = Some("the log is being replayed".into());
        let answer = stage.call(Call::get("/readyz")).await;
        assert_eq!((answer.status, answer.error_code()), (503, Some("not-ready")));
        assert_eq!(answer.body["error"]["message"], "the log is being replayed");
        assert_eq!(stage.call(Call::get("/healthz")).await.status, 200);
    }
}
