//! What may be asked for.

use crate::ranking::filter::Filter;

/// Whose taste to go by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum History<'a> {
    /// A user's, as learnt.
    User(&'a str),
    /// Items of a visit, oldest first, of a person who need not be known.
    Items(&'a [&'a str]),
}

/// A request for recommendations. [`Request::user`] and [`Request::items`] fill in the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// Whose taste to go by.
    pub history: History<'a>,
    /// How many items, at most.
    pub n: usize,
    /// How many of the best to leave out, for paging.
    pub offset: usize,
    /// As of when, in ms since 1970. Unless given: the newest event's time.
    pub now_ms: Option<i64>,
    /// Only these, and every one of them that may be shown: those of which nothing is known to speak for the user come
    /// last, with score 0.
    pub among: Option<&'a [&'a str]>,
    /// Never recommend these.
    pub exclude: &'a [&'a str],
    /// Only of this category.
    pub category: Option<&'a str>,
    /// Only items that fit.
    pub filter: Option<&'a Filter>,
    /// At most so many of any one category, on all pages together.
    pub per_category_max: Option<usize>,
    /// How much an item counts for being unlike those before it, 0 to 1; 0 ranks by score alone. Items keep their
    /// scores and lose their order.
    pub diversity: f32,
    /// The place in the product where the items will be shown, for the click model.
    pub scenario: Option<&'a str>,
    /// The answer's id, from which the chances of exploration come: asked for again, or page by page, the answer is the
    /// same as long as what was learnt is. Without one they come from whose taste is asked for.
    pub rec_id: Option<&'a str>,
    /// The share of places to explore, 0 to 1. Unless given: the setting `recommender.exploration`.
    pub exploration: Option<f64>,
    /// Whether items the user has already acted on may come back.
    pub allow_seen: bool,
    /// Rank by one model instead of all fused. See [`crate::Recommender::models`].
    pub model: Option<&'a str>,
    /// Whether to say why.
    pub explain: bool,
}

impl<'a> Request<'a> {
    /// The `n` best new items for a user, as of the newest event.
    pub fn user(id: &'a str, n: usize) -> Self {
        Self::of(History::User(id), n)
    }

    /// The `n` best items after these, oldest first.
    pub fn items(items: &'a [&'a str], n: usize) -> Self {
        Self::of(History::Items(items), n)
    }

    fn of(history: History<'a>, n: usize) -> Self {
        Self {
            history,
            n,
            offset: 0,
            now_ms: None,
            among: None,
            exclude: &[],
            category: None,
            filter: None,
            per_category_max: None,
            diversity: 0.0,
            scenario: None,
            rec_id: None,
            exploration: None,
            allow_seen: false,
            model: None,
            explain: false,
        }
    }
}

/// Which items a hot list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Every item.
    All,
    /// The items of a category.
    Category(&'a str),
    /// What the people of an age band, a gender or both came to, such as `age:25-34,gender:F` or `gender:unknown`: of all
    /// time only, each person counting once.
    Segment(&'a str),
}
