//! `GET` of what stands beside the recommender: features of users and items, what answers were worth.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use recommender::judging::Wanted;
use recommender::processor::FeaturesOf;
use recommender::{AskError, Parameter, Parameters};
use serde::Serialize;

use super::error::ApiError;
use super::{Shared, json};

type InPath = Result<RawPathParams, RawPathParamsRejection>;

/// `GET /api/v1/evaluation?metric=&window=&model=&scenario=&experiment=&arm=&tenant=`
pub(super) async fn evaluation(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let pairs = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let wanted = Wanted::read(Parameters::from_pairs(Wanted::PARAMETERS, pairs)?)?;
    Ok(json(StatusCode::OK, &shared.recommendations()?.evaluation(&wanted)))
}

/// `GET /api/v1/users/{user_id}/features?tenant=`
pub(super) async fn of_user(
    State(shared): State<Arc<Shared>>,
    path: InPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let of = read(FeaturesOf::USER, path, query.as_deref())?;
    let found = shared.recommendations()?.user_features(of.tenant.as_deref(), &of.id);
    told(found, AskError::UnknownUser(of.id))
}

/// `GET /api/v1/items/{item_id}/features?tenant=`
pub(super) async fn of_item(
    State(shared): State<Arc<Shared>>,
    path: InPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let of = read(FeaturesOf::ITEM, path, query.as_deref())?;
    let found = shared.recommendations()?.item_features(of.tenant.as_deref(), &of.id);
    told(found, AskError::UnknownItem(of.id))
}

fn read(
    rows: &'static [&'static Parameter],
    path: InPath,
    query: Option<&str>,
) -> Result<FeaturesOf, ApiError> {
    let path = path.map_err(|rejection| ApiError::bad("bad-path", rejection.body_text()))?;
    let in_path = path.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
    let in_query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    Ok(FeaturesOf::read(rows, Parameters::from_pairs(rows, in_path.chain(in_query))?)?)
}

fn told(found: Option<impl Serialize>, unknown: AskError) -> Result<Response, ApiError> {
    found.map(|features| json(StatusCode::OK, &features)).ok_or_else(|| unknown.into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Call, Stage};

    #[tokio::test]
    async fn features_of_users_and_items() {
        let stage = Stage::new();
        stage.learn("ann", "lamp");
        let ann = stage.call(Call::get("/api/v1/users/ann/features")).await;
        assert_eq!((ann.status, &ann.body["totals"]["events"]), (200, &1.into()), "{}", ann.text);
        let lamp = stage.call(Call::get("/api/v1/items/lamp/features")).await;
        assert_eq!((lamp.status, &lamp.body["users"]), (200, &1.into()), "{}", lamp.text);
        for (path, status, code) in [
            ("/api/v1/users/bob/features", 404, "unknown-user"),
            ("/api/v1/items/sofa/features", 404, "unknown-item"),
            ("/api/v1/users/ann/features?tenant=t", 404, "unknown-user"),
            ("/api/v1/users/ann/features?n=3", 400, "unknown-parameter"),
            ("/api/v1/evaluation?metric=luck", 400, "bad-parameter"),
            ("/api/v1/evaluation?window=soon", 400, "bad-parameter"),
        ] {
            let answer = stage.call(Call::get(path)).await;
            assert_eq!((answer.status, answer.error_code()), (status, Some(code)), "{path}");
        }
        let judged = stage.call(Call::get("/api/v1/evaluation?metric=hit-rate&model=fused")).await;
        assert_eq!((judged.status, &judged.body["figures"][0]["count"]), (200, &1.into()), "{}", judged.text);
    }
}
