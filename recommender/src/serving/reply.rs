//! The JSON that questions are answered with, over HTTP and over topics alike.

use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{AnswerKind, HeavyHitters, HotList, Near, Recommended, Similar};

/// What a question is answered with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// Items for a user or a visit.
    Recommendations(Recommendations),
    /// Given items, ranked.
    Ranked(Ranked),
    /// Items for each of several users.
    Batch(Batch),
    /// What goes with an item.
    Similar(SimilarItems),
    /// Users of like taste.
    Neighbours(Neighbours),
    /// Hot items.
    Hot(HotList),
    /// The items most acted on of all time.
    HeavyHitters(HeavyHitters),
}

impl Reply {
    /// One reply of those to the parts of a question for many users.
    pub fn together(parts: Vec<Self>) -> Self {
        let one = |part| match part {
            Self::Recommendations(answer) => Some(answer),
            _ => None,
        };
        Self::Batch(Batch { answers: parts.into_iter().filter_map(one).collect() })
    }
}

/// Items for a user or a visit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Recommendations {
    /// For whom; a visit is nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user_id: Option<String>,
    /// Names the answer, to be sent along with what people do about it. As long as nothing is learnt, it stays the same:
    /// pages with the same `rec_id` are of the same list.
    pub rec_id: String,
    /// The newest event's time, in ms since 1970.
    pub as_of: i64,
    /// How the answer came about.
    pub kind: AnswerKind,
    /// Whether these are hot items for want of a history.
    pub cold_start: bool,
    /// Why, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<&'static str>,
    /// Best first.
    pub items: Vec<Recommended>,
}

/// Given items, ranked for a user or a visit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Ranked {
    /// For whom; a visit is nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user_id: Option<String>,
    /// Names the answer, to be sent along with what people do about it.
    pub rec_id: String,
    /// The newest event's time, in ms since 1970.
    pub as_of: i64,
    /// How the answer came about.
    pub kind: AnswerKind,
    /// Best first; items of which nothing speaks for the user come last, with score 0.
    pub items: Vec<Recommended>,
    /// Candidates that are known and may not be shown: withdrawn, disliked, or left out by an option.
    pub left_out: Vec<String>,
    /// Candidates that no event or attribute has named.
    pub unknown: Vec<String>,
}

/// Items for each of several users, in the order asked for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Batch {
    /// One answer for each user.
    pub answers: Vec<Recommendations>,
}

/// The neighbours of an item.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SimilarItems {
    /// Whose neighbours.
    pub item_id: String,
    /// What they are ranked by.
    pub metric: &'static str,
    /// The newest event's time, in ms since 1970.
    pub as_of: i64,
    /// Best first.
    pub items: Vec<Similar>,
}

/// Users of like taste.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Neighbours {
    /// Whose neighbours.
    pub user_id: String,
    /// The newest event's time, in ms since 1970.
    pub as_of: i64,
    /// Nearest first.
    pub users: Vec<Near>,
}
