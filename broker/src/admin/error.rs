//! The one shape of an HTTP error: `{"error": {"code": "...", "message": "..."}}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::json;

/// A request that was not served.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    /// For programs: stable, in lower case with hyphens.
    pub(super) code: &'static str,
    /// For people: what was wrong, and what is expected.
    pub(super) message: String,
}

/// What a request that was not served is answered with.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct ErrorAnswer<'a> {
    pub(super) error: ErrorBody<'a>,
}

/// What stands under `error`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct ErrorBody<'a> {
    /// For programs: stays as it is.
    pub(super) code: &'a str,
    /// For people: what was wrong, and what is expected.
    pub(super) message: &'a str,
}

impl ApiError {
    /// A request that cannot be understood.
    pub(super) fn bad(code: &'static str, message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message }
    }

    /// Something the request names does not exist.
    pub(super) fn unknown(code: &'static str, message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, code, message }
    }

    /// The request is good, and cannot be served at present.
    pub(super) fn unavailable(code: &'static str, message: String) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code, message }
    }

    pub(super) fn body(&self) -> ErrorBody<'_> {
        ErrorBody { code: self.code, message: &self.message }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        json(self.status, &ErrorAnswer { error: self.body() })
    }
}
