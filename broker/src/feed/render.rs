//! The JSON of the output topics: the recommender's own answers, each with its key.

use recommender::{
    AnswerKind, History, HotList, HotWindow, Recommended, Recommender, Request, Scope, Similar, tenant_key,
};
use serde::Serialize;

/// Items in one hot list.
const HOT_ITEMS: usize = 50;
/// Neighbours in one list of similar items.
const SIMILAR_ITEMS: usize = 50;
/// Recommendations for one user.
const RECOMMENDATIONS: usize = 20;

/// Whose list it is and what it holds.
#[derive(Serialize)]
struct Listed<'a, L> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(flatten)]
    list: L,
}

#[derive(Serialize)]
struct SimilarItems<'a> {
    item_id: &'a str,
    as_of: i64,
    items: Vec<Similar>,
}

#[derive(Serialize)]
struct Recommendations<'a> {
    user_id: &'a str,
    rec_id: String,
    as_of: i64,
    kind: AnswerKind,
    items: Vec<Recommended>,
}

/// The key of a list: what it is about, after the tenant's name and a unit separator, which no id has.
pub(super) fn key(tenant: Option<&str>, about: &str) -> Vec<u8> {
    tenant_key(tenant, about).into_owned().into_bytes()
}

/// Every hot list: all items and each category, over every window, of those who name no tenant and of each tenant. The
/// key is `scope/window`.
pub(super) fn hot(recommender: &Recommender) -> Vec<(Vec<u8>, Vec<u8>)> {
    let tenants = std::iter::once(None).chain(recommender.tenants().map(Some));
    let of = |tenant| recommender.tenant(tenant).into_iter().flat_map(move |own| hot_of(own, tenant));
    tenants.flat_map(of).collect()
}

fn hot_of(recommender: &Recommender, tenant: Option<&str>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let categories = recommender.categories().map(Scope::Category);
    let scopes = std::iter::once(Scope::All).chain(categories);
    let lists =
        scopes.flat_map(|scope| HotWindow::ALL.map(|window| recommender.hot(scope, window, HOT_ITEMS)));
    lists.flatten().map(|list| (key(tenant, &hot_key(&list)), json(&Listed { tenant, list }))).collect()
}

fn hot_key(list: &HotList) -> String {
    format!("{}/{}", list.scope, list.window)
}

/// The neighbours of an item, the closest first; `None`, which makes a tombstone, if it has none.
pub(super) fn similar(recommender: &Recommender, tenant: Option<&str>, item_id: &str) -> Option<Vec<u8>> {
    let items = recommender.similar(item_id, SIMILAR_ITEMS, recommender::Metric::Cosine)?;
    let as_of = recommender.newest_ms();
    let list = SimilarItems { item_id, as_of, items };
    (!list.items.is_empty()).then(|| json(&Listed { tenant, list }))
}

/// The recommendations for a user, with reasons; `None`, which makes a tombstone, if there are none.
pub(super) fn recommendations(
    recommender: &Recommender,
    tenant: Option<&str>,
    user_id: &str,
) -> Option<Vec<u8>> {
    let by = recommender.assign(Some(user_id), None, None);
    let rec_id = recommender.rec_id(History::User(user_id), None, &by);
    let (model, rec_id_of) = (by.model, Some(&*rec_id));
    let request =
        Request { explain: true, model, rec_id: rec_id_of, ..Request::user(user_id, RECOMMENDATIONS) };
    let answer = recommender.recommend(&request)?;
    if answer.items.is_empty() {
        return None;
    }
    let as_of = recommender.newest_ms();
    let list = Recommendations { user_id, rec_id, as_of, kind: answer.kind, items: answer.items };
    Some(json(&Listed { tenant, list }))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text, numbers and lists always serialise")
}
