//! `GET` of what stands beside the recommender: what answers were worth.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use recommender::Parameters;
use recommender::judging::Wanted;

use super::error::ApiError;
use super::{Shared, json};

/// `GET /api/v1/evaluation?metric=&window=&model=&scenario=&experiment=&arm=`
pub(super) async fn evaluation(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let pairs = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let wanted = Wanted::read(Parameters::from_pairs(Wanted::PARAMETERS, pairs)?)?;
    Ok(json(StatusCode::OK, &shared.recommendations()?.evaluation(&wanted)))
}
