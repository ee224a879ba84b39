//! What is answered. Every type serialises to the JSON that topics and HTTP show.

use serde::Serialize;
use utoipa::ToSchema;

use super::request::History;

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerKind {
    /// From the user's own history.
    Personal,
    /// The user is known and has no history to go by: hot items.
    ColdUser,
    /// The user is unknown: hot items.
    UnknownUser,
}

impl AnswerKind {
    /// Why these are hot items, if they are.
    pub(super) fn reason(self, history: History<'_>) -> Option<&'static str> {
        match (self, history) {
            (Self::Personal, _) => None,
            (Self::UnknownUser, _) => Some("no event has named this user: these are hot items"),
            (Self::ColdUser, History::User(_)) => {
                Some("nothing this user did says what they like: these are hot items")
            }
            (Self::ColdUser, History::Items(_)) => {
                Some("no event has named any of these items: these are hot items")
            }
        }
    }
}

/// Ranked items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// How the answer came about.
    pub kind: AnswerKind,
    /// Best first. Scores do not depend on how many were asked for.
    pub items: Vec<Recommended>,
}

/// One recommended item.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Recommended {
    /// Which item.
    pub item_id: String,
    /// Its name for people, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// Comparable within one answer.
    pub score: f64,
    /// The chance that it stood on its place, given those before it; only where places are explored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub propensity: Option<f64>,
    /// The chance that it is acted on if it is shown first; only where there is a click model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click: Option<f64>,
    /// Why, strongest first; empty unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// Why an item was recommended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Reason {
    /// The model that says so.
    pub source: &'static str,
    /// For people.
    pub text: String,
    /// Its part of the score, 0 to 1.
    pub share: f64,
    /// The user's own items that led to it, strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Evidence>,
}

/// One item of the history that led to a recommendation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Evidence {
    /// The user's item.
    pub item_id: String,
    /// Its name for people, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// What the user did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub action: Option<String>,
    /// When, in ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ts: Option<i64>,
    /// The event itself: stream and offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub event: Option<String>,
    /// Users who came to both items.
    pub count: u32,
    /// Cosine of the two items.
    pub similarity: f64,
}

/// A neighbour of an item, with every metric.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Similar {
    /// Which item.
    pub item_id: String,
    /// Its name for people, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// The metric that was asked for.
    pub score: f64,
    /// Users who came to both.
    pub count: u32,
    /// Σ 1/√d over the times they met in a history.
    pub weight: f64,
    /// k / √(n_i·n_j).
    pub cosine: f64,
    /// k / (n_i + n_j − k).
    pub jaccard: f64,
    /// k / n_i.
    pub confidence: f64,
    /// k·N / (n_i·n_j).
    pub lift: f64,
    /// Signed G².
    pub llr: f64,
}

/// A user of like taste.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Near {
    /// Which user.
    pub user_id: String,
    /// How near: comparable within one answer.
    pub score: f64,
    /// How many items both are known to have liked.
    pub common: usize,
}

/// Hot items of a scope and window, or trending ones.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HotList {
    /// `all`, `category=...` or `segment=...`.
    pub scope: String,
    /// The window's name.
    pub window: &'static str,
    /// The half-life that the `decayed` window stands for at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub half_life_ms: Option<f64>,
    /// As of when, in ms since 1970.
    pub as_of: i64,
    /// Best first.
    pub items: Vec<HotItem>,
}

/// One hot item.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HotItem {
    /// Which item.
    pub item_id: String,
    /// Its name for people, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// The decayed sum, the count of a window, or how many deviations more than usual.
    pub score: f64,
    /// Events: of the window if it slides, else of all time; of the window's present twelfth if trending.
    pub count: u32,
}

/// The items most acted on of all time, counted in a fixed number of counters: see [`crate::online::SpaceSaving`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeavyHitters {
    /// The newest event's time, in ms since 1970.
    pub as_of: i64,
    /// Acts counted.
    pub total: u64,
    /// What no error is above.
    pub error_max: u64,
    /// Most first.
    pub items: Vec<HeavyHitter>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeavyHitter {
    /// Which item.
    pub item_id: String,
    /// Acts in favour of it, or fewer.
    pub count: u64,
    /// How many fewer, at most.
    pub error: u64,
}
