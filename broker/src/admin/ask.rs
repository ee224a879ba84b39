//! Questions of what was learnt: parameters or a body in, one look-up under the read lock, JSON out.
//!
//! What may be asked, and how it reads, is the recommender's: see [`recommender::Ask`]. The same questions come over
//! the topic `kindred.requests`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, RawPathParamsRejection};
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use parking_lot::RwLock;
use recommender::judging::{Evaluation, Wanted};
use recommender::processor::{ItemFeatures, UserFeatures};
use recommender::{Ask, AskError, Kind, Parameters, Processor, Reply};

use super::error::ApiError;
use super::events::body_of;
use super::{Shared, json};

/// What was learnt, to be asked.
pub(crate) trait Recommendations: Send + Sync + 'static {
    /// As [`Ask::answer`].
    fn answer(&self, ask: &Ask) -> Result<Reply, AskError>;
    /// Whether a user is known.
    fn knows_user(&self, id: &str) -> bool;
    /// As [`Processor::evaluation`].
    fn evaluation(&self, wanted: &Wanted) -> Evaluation;
    /// As [`Processor::user_features`].
    fn user_features(&self, tenant: Option<&str>, user_id: &str) -> Option<UserFeatures>;
    /// As [`Processor::item_features`].
    fn item_features(&self, tenant: Option<&str>, item_id: &str) -> Option<ItemFeatures>;
}

/// Readers share the lock; learning holds it for a short batch of events at a time.
impl Recommendations for RwLock<Processor> {
    fn answer(&self, ask: &Ask) -> Result<Reply, AskError> {
        ask.answer(self.read().recommender())
    }

    fn knows_user(&self, id: &str) -> bool {
        self.read().recommender().knows_user(id)
    }

    fn evaluation(&self, wanted: &Wanted) -> Evaluation {
        self.read().evaluation(wanted)
    }

    fn user_features(&self, tenant: Option<&str>, user_id: &str) -> Option<UserFeatures> {
        self.read().user_features(tenant, user_id)
    }

    fn item_features(&self, tenant: Option<&str>, item_id: &str) -> Option<ItemFeatures> {
        self.read().item_features(tenant, item_id)
    }
}

impl Shared {
    /// What was learnt, if anything learns.
    pub(super) fn recommendations(&self) -> Result<&dyn Recommendations, ApiError> {
        self.parts.recommendations.as_deref().ok_or_else(|| {
            ApiError::unavailable("recommender-off", "recommender.enable is false on this broker".to_owned())
        })
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        let status = if error.is_not_found() { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        Self { status, code: error.code(), message: error.to_string() }
    }
}

/// Answers a kind of question whose parameters stand in path and query.
pub(super) fn by_query(kind: Kind) -> MethodRouter<Arc<Shared>> {
    type InPath = Result<RawPathParams, RawPathParamsRejection>;
    get(move |State(shared): State<Arc<Shared>>, path: InPath, RawQuery(query): RawQuery| async move {
        let path = path.map_err(|rejection| ApiError::bad("bad-path", rejection.body_text()))?;
        let in_path = path.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        let in_query = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
        let parameters = Parameters::from_pairs(kind.parameters(), in_path.chain(in_query))?;
        let ask = Ask::read(kind, parameters)?;
        Ok::<_, ApiError>(json(StatusCode::OK, &shared.recommendations()?.answer(&ask)?))
    })
}

/// Answers a kind of question that is a JSON object.
pub(super) fn by_body(kind: Kind) -> MethodRouter<Arc<Shared>> {
    post(move |State(shared): State<Arc<Shared>>, body: Result<Bytes, BytesRejection>| async move {
        let parameters = Parameters::from_json(kind.parameters(), &body_of(body)?)?;
        answer_in_parts(&shared, &Ask::read(kind, parameters)?).await
    })
}

/// Answers part by part, so that many users in one question hold up neither learning nor other questions.
async fn answer_in_parts(shared: &Shared, ask: &Ask) -> Result<Response, ApiError> {
    let recommendations = shared.recommendations()?;
    let Some(parts) = ask.parts() else {
        return Ok(json(StatusCode::OK, &recommendations.answer(ask)?));
    };
    let mut answers = Vec::with_capacity(parts.len());
    for part in &parts {
        answers.push(recommendations.answer(part)?);
        tokio::task::yield_now().await;
    }
    Ok(json(StatusCode::OK, &Reply::together(answers)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Call, Stage};

    /// Ann, Bob and Cid saw lamp and desk; Ann also saw chair.
    async fn furnished() -> Stage {
        let stage = Stage::new();
        stage.learn_item(r#"{"item_id":"lamp","title":"Lamp","categories":["light"]}"#);
        for (user, item) in [
            ("ann", "lamp"),
            ("ann", "desk"),
            ("bob", "lamp"),
            ("bob", "desk"),
            ("cid", "lamp"),
            ("ann", "chair"),
        ] {
            stage.learn(user, item);
        }
        stage
    }

    #[tokio::test]
    async fn hot_items_by_window_and_scope() {
        let stage = furnished().await;
        let hot = stage.call(Call::get("/api/v1/hot?n=2&window=all-time")).await;
        assert_eq!(
            (hot.status, &hot.body["scope"], &hot.body["window"]),
            (200, &"all".into(), &"all-time".into())
        );
        assert_eq!(hot.ids(), ["lamp", "desk"]);
        assert_eq!(hot.body["items"][0]["count"], 3);
        assert_eq!(hot.body["items"][0]["title"], "Lamp");
        for path in ["/api/v1/hot?category=light", "/api/v1/hot?scope=category%3Dlight"] {
            let hot = stage.call(Call::get(path)).await;
            assert_eq!((hot.ids(), &hot.body["scope"]), (vec!["lamp".to_owned()], &"category=light".into()));
        }
        for (query, status, code) in [
            ("window=2h", 400, "bad-parameter"),
            ("scope=everything", 400, "bad-parameter"),
            ("scope=all&category=light", 400, "bad-parameter"),
            ("n=1001", 400, "bad-parameter"),
            ("category=garden", 404, "unknown-category"),
        ] {
            let answer = stage.call(Call::get(&format!("/api/v1/hot?{query}"))).await;
            assert_eq!((answer.status, answer.error_code()), (status, Some(code)), "{query}");
        }
    }

    #[tokio::test]
    async fn similar_items_with_every_metric() {
        let stage = furnished().await;
        let similar = stage.call(Call::get("/api/v1/items/lamp/similar?n=5&metric=count")).await;
        assert_eq!((similar.status, similar.body["metric"].as_str()), (200, Some("count")));
        assert_eq!(similar.ids(), ["desk", "chair"]);
        let desk = &similar.body["items"][0];
        // Two of the three who saw the lamp saw the desk too.
        assert_eq!(desk["count"], 2);
        assert!((desk["cosine"].as_f64().unwrap() - 2.0 / 6.0_f64.sqrt()).abs() < 1e-9);
        assert!((desk["jaccard"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9);
        for (path, status, code) in [
            ("/api/v1/items/sofa/similar", 404, "unknown-item"),
            ("/api/v1/items/lamp/similar?metric=nearness", 400, "bad-parameter"),
            ("/api/v1/items/lamp/similar?metrc=llr", 400, "unknown-parameter"),
            ("/api/v1/items/lamp/similar?item_id=desk", 400, "bad-parameter"),
        ] {
            let answer = stage.call(Call::get(path)).await;
            assert_eq!((answer.status, answer.error_code()), (status, Some(code)), "{path}");
        }
    }

    #[tokio::test]
    async fn recommendations_leave_out_what_was_seen_and_say_why() {
        let stage = furnished().await;
        let answer = stage.call(Call::get("/api/v1/users/cid/recommendations?explain=true")).await;
        assert_eq!((answer.status, &answer.body["cold_start"]), (200, &false.into()));
        assert_eq!(answer.ids()[0], "desk");
        assert!(!answer.ids().contains(&"lamp".to_owned()), "seen");
        let because = answer.body["items"][0]["reasons"][0]["because"].to_string();
        assert!(because.contains("lamp"), "{}", answer.text);
        let fewer = stage.call(Call::get("/api/v1/users/cid/recommendations?exclude=desk")).await;
        assert!(!fewer.ids().contains(&"desk".to_owned()));
        let none = stage.call(Call::get("/api/v1/users/cid/recommendations?category=garden")).await;
        assert_eq!((none.status, none.error_code()), (404, Some("unknown-category")));
        let fitting = "/api/v1/users/cid/recommendations?filter=not%20item_id%20%3D%20'desk'&diversity=30";
        assert_eq!(stage.call(Call::get(fitting)).await.ids(), ["chair"]);
        for wrong in ["model=oracle", "model=als", "filter=colour%20%3D%201", "diversity=101"] {
            let path = format!("/api/v1/users/cid/recommendations?{wrong}");
            let none = stage.call(Call::get(&path)).await;
            assert_eq!((none.status, none.error_code()), (400, Some("bad-parameter")), "{wrong}");
        }
    }

    #[tokio::test]
    async fn pages_of_one_rec_id_are_of_one_list() {
        let stage = furnished().await;
        let whole = stage.call(Call::get("/api/v1/users/eve/recommendations?n=3")).await;
        let page = |offset| format!("/api/v1/users/eve/recommendations?n=1&offset={offset}");
        for offset in 0..3 {
            let page = stage.call(Call::get(&page(offset))).await;
            assert_eq!(page.body["rec_id"], whole.body["rec_id"]);
            assert_eq!(page.ids(), whole.ids()[offset..=offset]);
        }
        stage.learn("dan", "desk");
        assert_ne!(stage.call(Call::get(&page(0))).await.body["rec_id"], whole.body["rec_id"]);
    }

    #[tokio::test]
    async fn a_cold_user_gets_hot_items_and_is_told_so() {
        let stage = furnished().await;
        let answer = stage.call(Call::get("/api/v1/users/nobody/recommendations?n=1")).await;
        assert_eq!((answer.status, &answer.body["cold_start"]), (200, &true.into()));
        assert_eq!(answer.body["kind"], "unknown-user");
        assert!(answer.body["reason"].as_str().is_some_and(|reason| reason.contains("hot items")));
        assert_eq!(answer.ids(), ["lamp"]);
    }

    #[tokio::test]
    async fn ids_in_paths_are_decoded() {
        let stage = furnished().await;
        stage.learn("grün & blau/rot", "lamp");
        let path = "/api/v1/users/gr%C3%BCn%20%26%20blau%2Frot/recommendations?category=li%67ht&seen=true";
        let answer = stage.call(Call::get(path)).await;
        assert_eq!((&answer.body["user_id"], answer.ids()), (&"grün & blau/rot".into(), vec!["lamp".into()]));
    }

    #[tokio::test]
    async fn what_is_most_acted_on_is_told_if_it_is_counted() {
        let stage = Stage::with(&[("recommender.heavy.hitters.max", "2")]);
        ["lamp", "desk", "lamp"].into_iter().for_each(|item| stage.learn("ann", item));
        let hitters = stage.call(Call::get("/api/v1/heavy-hitters?n=1")).await;
        assert_eq!(hitters.status, 200);
        assert_eq!((&hitters.body["total"], &hitters.body["error_max"]), (&3.into(), &0.into()));
        assert_eq!(hitters.body["items"], json!([{"item_id": "lamp", "count": 2, "error": 0}]));
        let uncounted = furnished().await.call(Call::get("/api/v1/heavy-hitters")).await;
        assert_eq!((uncounted.status, uncounted.error_code()), (404, Some("not-counted")));
    }

    #[tokio::test]
    async fn users_of_like_taste() {
        let stage = furnished().await;
        let near = stage.call(Call::get("/api/v1/users/bob/neighbours?n=1")).await;
        assert_eq!(
            (&near.body["users"][0]["user_id"], &near.body["users"][0]["common"]),
            (&"ann".into(), &2.into())
        );
        let none = stage.call(Call::get("/api/v1/users/eve/neighbours")).await;
        assert_eq!((none.status, none.error_code()), (404, Some("unknown-user")));
    }

    #[tokio::test]
    async fn questions_in_a_body() {
        let stage = furnished().await;
        let visit =
            stage.call(Call::post("/api/v1/sessions/recommend", r#"{"items": ["lamp"], "n": 1}"#)).await;
        assert_eq!((visit.status, visit.ids()), (200, vec!["desk".to_owned()]));
        let question = r#"{"user_id": "cid", "candidates": ["chair", "desk", "sofa"]}"#;
        let ranked = stage.call(Call::post("/api/v1/rank", question)).await;
        assert_eq!(
            (ranked.ids(), &ranked.body["unknown"]),
            (vec!["desk".into(), "chair".into()], &json!(["sofa"]))
        );
        let question = r#"{"users": ["cid", "eve"], "n": 1}"#;
        let batch = stage.call(Call::post("/api/v1/recommend/batch", question)).await;
        let users: Vec<_> =
            batch.body["answers"].as_array().unwrap().iter().map(|one| &one["user_id"]).collect();
        assert_eq!(users, ["cid", "eve"]);
        for (path, question, code) in [
            ("/api/v1/sessions/recommend", r#"{"items": ["lamp"], "user_id": "cid"}"#, "unknown-parameter"),
            ("/api/v1/sessions/recommend", r#"{"items": []}"#, "bad-parameter"),
            ("/api/v1/rank", r#"{"user_id": "cid"}"#, "bad-parameter"),
            ("/api/v1/recommend/batch", r#"{"users": "cid"}"#, "bad-parameter"),
            ("/api/v1/recommend/batch", "users=cid", "bad-json"),
        ] {
            let answer = stage.call(Call::post(path, question)).await;
            assert_eq!((answer.status, answer.error_code()), (400, Some(code)), "{question}");
        }
    }

    #[tokio::test]
    async fn without_a_recommender_the_answer_says_so() {
        let mut stage = Stage::new();
        stage.recommender = None;
        let answer = stage.call(Call::get("/api/v1/hot")).await;
        assert_eq!((answer.status, answer.error_code()), (503, Some("recommender-off")));
    }
}
