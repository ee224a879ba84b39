//! The JSON of the output topics: the recommender's own answers, each with its key.

use recommender::{
    AnswerKind, History, HotList, HotWindow, Recommended, Recommender, Request, Scope, Similar,
};
use serde::Serialize;

/// Items in one hot list.
const HOT_ITEMS: usize = 50;
/// Neighbours in one list of similar items.
const SIMILAR_ITEMS: usize = 50;
/// Recommendations for one user.
const RECOMMENDATIONS: usize = 20;

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

/// Every hot list: all items and each category, over every window. The key is `scope/window`.
pub(super) fn hot(recommender: &Recommender) -> Vec<(String, Vec<u8>)> {
    let categories = recommender.categories().map(Scope::Category);
    let scopes = std::iter::once(Scope::All).chain(categories);
    let lists =
        scopes.flat_map(|scope| HotWindow::ALL.map(|window| recommender.hot(scope, window, HOT_ITEMS)));
    lists.flatten().map(|list| (hot_key(&list), json(&list))).collect()
}

fn hot_key(list: &HotList) -> String {
    format!("{}/{}", list.scope, list.window)
}

/// The neighbours of an item, the closest first; `None`, which makes a tombstone, if it has none.
pub(super) fn similar(recommender: &Recommender, item_id: &str) -> Option<Vec<u8>> {
    let items = recommender.similar(item_id, SIMILAR_ITEMS, recommender::Metric::Cosine)?;
    let as_of = recommender.newest_ms();
    (!items.is_empty()).then(|| json(&SimilarItems { item_id, as_of, items }))
}

/// The recommendations for a user, with reasons; `None`, which makes a tombstone, if there are none.
pub(super) fn recommendations(recommender: &Recommender, user_id: &str) -> Option<Vec<u8>> {
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
    Some(json(&Recommendations { user_id, rec_id, as_of, kind: answer.kind, items: answer.items }))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text, numbers and lists always serialise")
}
