//! `GET` of what was learnt: hot items, similar items, recommendations.
//!
//! Each is one look-up under the recommender's read lock, some tens of microseconds, answered on the spot.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use parking_lot::RwLock;
use recommender::{
    Answer, AnswerKind, Filter, HotList, HotWindow, Metric, Processor, Recommended, Recommender, Request,
    Scope, Similar,
};
use serde::Serialize;

use super::error::ApiError;
use super::query::Query;
use super::{Shared, json};

/// Items answered unless `n` says otherwise.
const N_DEFAULT: usize = 10;
/// Items answered at most.
const N_MAX: usize = 1000;
/// The furthest page.
const OFFSET_MAX: usize = 10_000;
/// Ids in one `exclude`.
const EXCLUDE_MAX: usize = 1000;

/// What was learnt, to be asked. All answers as [`Recommender`]'s methods of the same names.
pub(crate) trait Recommendations: Send + Sync + 'static {
    /// Ranks items for a user.
    fn recommend(&self, request: &Request<'_>) -> Option<Answer>;
    /// The neighbours of an item.
    fn similar(&self, item_id: &str, n: usize, metric: Metric) -> Option<Vec<Similar>>;
    /// The hot items of a scope and window.
    fn hot(&self, scope: Scope<'_>, window: HotWindow, n: usize) -> Option<HotList>;
    /// Whether a user is known.
    fn knows_user(&self, id: &str) -> bool;
}

/// Readers share the lock; learning holds it for a short batch of events at a time.
impl Recommendations for RwLock<Processor> {
    fn recommend(&self, request: &Request<'_>) -> Option<Answer> {
        self.read().recommender().recommend(request)
    }

    fn similar(&self, item_id: &str, n: usize, metric: Metric) -> Option<Vec<Similar>> {
        self.read().recommender().similar(item_id, n, metric)
    }

    fn hot(&self, scope: Scope<'_>, window: HotWindow, n: usize) -> Option<HotList> {
        self.read().recommender().hot(scope, window, n)
    }

    fn knows_user(&self, id: &str) -> bool {
        self.read().recommender().knows_user(id)
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

/// `GET /api/v1/hot?window=&scope=&category=&n=`
pub(super) async fn hot(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut query = Query::new(query.as_deref());
    let n = query.number("n", N_DEFAULT, 1..=N_MAX)?;
    let windows = Alternatives(HotWindow::ALL.map(HotWindow::name));
    let window = query.word("window", HotWindow::Decayed, HotWindow::from_name, windows)?;
    let scope = query.text("scope")?;
    let category = query.text("category")?;
    query.finish()?;
    let scope = match (scope.as_deref(), category.as_deref()) {
        (None | Some("all"), None) => Scope::All,
        (None, Some(category)) => Scope::Category(category),
        (Some(scope), None) if scope.starts_with("category=") => Scope::Category(&scope["category=".len()..]),
        (Some(scope), None) if scope.starts_with("segment=") => Scope::Segment(&scope["segment=".len()..]),
        (Some(_), None) => {
            return Err(ApiError::parameter("scope", "all, category=NAME or segment=AGES/GENDER"));
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::parameter("scope", "either `scope` or `category`, not both"));
        }
    };
    match (shared.recommendations()?.hot(scope, window, n), scope) {
        (Some(list), _) => Ok(json(StatusCode::OK, &list)),
        (None, Scope::Category(category)) => Err(unknown_category(category)),
        (None, Scope::Segment(_)) => {
            let expected = "segment=AGES/GENDER such as segment=25-34/female, with window=all-time";
            Err(ApiError::parameter("scope", expected))
        }
        (None, Scope::All) => unreachable!("the scope of everything is always known"),
    }
}

/// `GET /api/v1/items/{id}/similar?n=&metric=`
pub(super) async fn similar(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Body<'a> {
        item_id: &'a str,
        metric: &'static str,
        items: Vec<Similar>,
    }
    let item_id = id_of(id)?;
    let mut query = Query::new(query.as_deref());
    let n = query.number("n", N_DEFAULT, 1..=N_MAX)?;
    let metrics = Alternatives(Metric::ALL.map(Metric::name));
    let metric = query.word("metric", Metric::Cosine, Metric::from_name, metrics)?;
    query.finish()?;
    let items = shared.recommendations()?.similar(&item_id, n, metric).ok_or_else(|| {
        ApiError::unknown("unknown-item", format!("no event or attribute has named the item `{item_id}`"))
    })?;
    Ok(json(StatusCode::OK, &Body { item_id: &item_id, metric: metric.name(), items }))
}

/// `GET /api/v1/users/{id}/recommendations?n=&offset=&explain=&category=&filter=&per_category=&diversity=&exclude=&seen=&model=`
pub(super) async fn recommendations(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Body<'a> {
        user_id: &'a str,
        kind: AnswerKind,
        cold_start: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
        items: Vec<Recommended>,
    }
    let user_id = id_of(id)?;
    let mut query = Query::new(query.as_deref());
    let n = query.number("n", N_DEFAULT, 1..=N_MAX)?;
    let offset = query.number("offset", 0, 0..=OFFSET_MAX)?;
    let explain = query.flag("explain")?;
    let allow_seen = query.flag("seen")?;
    let category = query.text("category")?;
    let exclude = query.text("exclude")?.unwrap_or_default();
    let model = query.text("model")?;
    let filter = query.text("filter")?;
    let per_category = query.number("per_category", 0, 0..=N_MAX)?;
    let diversity = query.number("diversity", 0, 0..=100)?;
    query.finish()?;
    let filter = filter.as_deref().map(Filter::parse).transpose();
    let filter =
        filter.map_err(|error| ApiError::bad("bad-parameter", format!("parameter `filter`: {error}")))?;
    let optional = |model: &&str| Recommender::optional_models().any(|known| known == *model);
    let known = |model: &&str| Recommender::models().any(|known| known == *model) || optional(model);
    if let Some(model) = model.as_deref().filter(|model| !known(model)) {
        let known =
            Recommender::models().chain(Recommender::optional_models()).collect::<Vec<_>>().join(", ");
        return Err(ApiError::parameter("model", format_args!("one of {known}, not {model}")));
    }
    let exclude: Vec<&str> = exclude.split(',').filter(|id| !id.is_empty()).collect();
    if exclude.len() > EXCLUDE_MAX {
        return Err(ApiError::parameter("exclude", format_args!("at most {EXCLUDE_MAX} ids")));
    }
    let request = Request {
        offset,
        exclude: &exclude,
        category: category.as_deref(),
        filter: filter.as_ref(),
        per_category_max: (per_category > 0).then_some(per_category),
        diversity: diversity as f32 / 100.0,
        allow_seen,
        model: model.as_deref(),
        explain,
        ..Request::user(&user_id, n)
    };
    let answer = match (shared.recommendations()?.recommend(&request), request.category) {
        (Some(answer), _) => answer,
        (None, Some(category)) => return Err(unknown_category(category)),
        (None, None) if request.model.as_ref().is_some_and(optional) => {
            return Err(ApiError::parameter("model", "a model that recommender.models has switched on"));
        }
        (None, None) => Answer { kind: AnswerKind::UnknownUser, items: Vec::new() },
    };
    let reason = match answer.kind {
        AnswerKind::Personal => None,
        AnswerKind::ColdUser => Some("nothing this user did says what they like: these are hot items"),
        AnswerKind::UnknownUser => Some("no event has named this user: these are hot items"),
    };
    let body = Body {
        user_id: &user_id,
        kind: answer.kind,
        cold_start: reason.is_some(),
        reason,
        items: answer.items,
    };
    Ok(json(StatusCode::OK, &body))
}

fn unknown_category(category: &str) -> ApiError {
    ApiError::unknown("unknown-category", format!("no item is of the category `{category}`"))
}

fn id_of(path: Result<Path<String>, PathRejection>) -> Result<String, ApiError> {
    path.map(|Path(id)| id).map_err(|rejection| ApiError::bad("bad-path", rejection.body_text()))
}

/// "one of a, b, c".
struct Alternatives<const N: usize>([&'static str; N]);

impl<const N: usize> Display for Alternatives<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one of {}", self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
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
    async fn a_cold_user_gets_hot_items_and_is_told_so() {
        let stage = furnished().await;
        let answer = stage.call(Call::get("/api/v1/users/nobody/recommendations?n=1")).await;
        assert_eq!((answer.status, &answer.body["cold_start"]), (200, &true.into()));
        assert_eq!(answer.body["kind"], "unknown-user");
        assert!(answer.body["reason"].as_str().is_some_and(|reason| reason.contains("hot items")));
        assert_eq!(answer.ids(), ["lamp"]);
    }

    #[tokio::test]
    async fn without_a_recommender_the_answer_says_so() {
        let mut stage = Stage::new();
        stage.recommender = None;
        let answer = stage.call(Call::get("/api/v1/hot")).await;
        assert_eq!((answer.status, answer.error_code()), (503, Some("recommender-off")));
    }
}
