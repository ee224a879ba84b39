//! Questions as they come from outside, and their answers: the same over HTTP and over topics.
//!
//! ```text
//! parameters ─▶ Ask::read(kind) ─▶ Ask ─▶ answer(&Recommender) ─▶ Reply ─▶ JSON
//! ```
//! A [`Kind`] is a way of asking; its rows are all that it takes. A message that names no kind is of the kind that its
//! members make it: see [`Ask::from_json`].

use thiserror::Error;

use super::options::{self, Options};
use super::parameters::{Form, Parameter, Parameters};
use super::reply::{Batch, Neighbours, Ranked, Recommendations, Reply, SimilarItems};
use super::request::{History, Scope};
use crate::cooccurrence::Metric;
use crate::hot::HotWindow;
use crate::recommender::Recommender;

/// Items of one visit.
const ITEMS_MAX: usize = 1000;
/// Candidates of one question.
const CANDIDATES_MAX: usize = 1000;
/// Users of one question.
const USERS_MAX: usize = 100;

static USER: Parameter = Parameter { name: "user_id", form: Form::Id, about: "Whose taste to go by." };
static ITEM: Parameter = Parameter { name: "item_id", form: Form::Id, about: "Which item." };
static ITEMS: Parameter = Parameter {
    name: "items",
    form: Form::Ids { most: ITEMS_MAX },
    about: "The items of a visit to go by, oldest first; no user is needed.",
};
static CANDIDATES: Parameter = Parameter {
    name: "candidates",
    form: Form::Ids { most: CANDIDATES_MAX },
    about: "The items to be ranked.",
};
static USERS: Parameter =
    Parameter { name: "users", form: Form::Ids { most: USERS_MAX }, about: "Whose lists to give." };
static METRIC: Parameter = Parameter {
    name: "metric",
    form: Form::Word {
        words: || Metric::ALL.map(Metric::name).to_vec(),
        default: Some(Metric::Cosine.name()),
    },
    about: "What the list is ranked by.",
};
static WINDOW: Parameter = Parameter {
    name: "window",
    form: Form::Word {
        words: || HotWindow::ALL.map(HotWindow::name).to_vec(),
        default: Some(HotWindow::Decayed.name()),
    },
    about: "Over which time events count.",
};
static SCOPE: Parameter = Parameter {
    name: "scope",
    form: Form::Text,
    about: "Which items: all, category=NAME, or of people segment=age:25-34,gender:F or one of the two, over all-time.",
};
static TRENDING: Parameter = Parameter {
    name: "trending",
    form: Form::Flag,
    about: "Rank by how much more happens to an item at present than used to, within a window that slides.",
};
static TENANT: Parameter =
    Parameter { name: "tenant", form: Form::Id, about: "Whose events to go by, as events name it." };
static KIND: Parameter = Parameter {
    name: "ask",
    form: Form::Word { words: || Kind::ALL.map(Kind::name).to_vec(), default: None },
    about: "What is asked for, where that does not follow from the other members.",
};

/// Rows of a kind that ranks by taste: its own, then the options.
macro_rules! with_options {
    ($($own:expr),+) => {
        &[
            $($own,)+
            &TENANT,
            &options::N,
            &options::OFFSET,
            &options::REC_ID,
            &options::EXPLAIN,
            &options::SEEN,
            &options::CATEGORY,
            &options::FILTER,
            &options::PER_CATEGORY,
            &options::DIVERSITY,
            &options::SCENARIO,
            &options::EXPLORATION,
            &options::EXCLUDE,
            &options::MODEL,
        ]
    };
}

static OF_USER: &[&Parameter] = with_options![&USER];
static OF_SESSION: &[&Parameter] = with_options![&ITEMS];
static OF_BATCH: &[&Parameter] = with_options![&USERS];
static OF_RANK: &[&Parameter] = &[
    &USER,
    &ITEMS,
    &CANDIDATES,
    &TENANT,
    &options::EXPLAIN,
    &options::CATEGORY,
    &options::FILTER,
    &options::PER_CATEGORY,
    &options::DIVERSITY,
    &options::SCENARIO,
    &options::EXPLORATION,
    &options::EXCLUDE,
    &options::MODEL,
];
static OF_SIMILAR: &[&Parameter] = &[&ITEM, &TENANT, &options::N, &METRIC];
static OF_NEIGHBOURS: &[&Parameter] = &[&USER, &TENANT, &options::N];
static OF_HEAVY_HITTERS: &[&Parameter] = &[&TENANT, &options::N];
static OF_HOT: &[&Parameter] = &[&TENANT, &options::N, &WINDOW, &SCOPE, &options::CATEGORY, &TRENDING];

/// A way of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Items for a user.
    Recommendations,
    /// Items for a visit of anybody's.
    Session,
    /// Given items, ranked for a user or a visit.
    Rank,
    /// Items for each of several users.
    Batch,
    /// What goes with an item.
    Similar,
    /// Users of like taste.
    Neighbours,
    /// Hot items.
    Hot,
    /// The items most acted on of all time, those dropped for want of room included.
    HeavyHitters,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Recommendations,
        Self::Session,
        Self::Rank,
        Self::Batch,
        Self::Similar,
        Self::Neighbours,
        Self::Hot,
        Self::HeavyHitters,
    ];

    /// Its name, as `ask` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recommendations => "recommendations",
            Self::Session => "session",
            Self::Rank => "rank",
            Self::Batch => "batch",
            Self::Similar => "similar",
            Self::Neighbours => "neighbours",
            Self::Hot => "hot",
            Self::HeavyHitters => "heavy-hitters",
        }
    }

    /// What it takes.
    pub fn parameters(self) -> &'static [&'static Parameter] {
        match self {
            Self::Recommendations => OF_USER,
            Self::Session => OF_SESSION,
            Self::Rank => OF_RANK,
            Self::Batch => OF_BATCH,
            Self::Similar => OF_SIMILAR,
            Self::Neighbours => OF_NEIGHBOURS,
            Self::Hot => OF_HOT,
            Self::HeavyHitters => OF_HEAVY_HITTERS,
        }
    }

    /// What of that has to be there.
    pub fn required(self) -> &'static [&'static str] {
        match self {
            Self::Recommendations | Self::Neighbours => &["user_id"],
            Self::Session => &["items"],
            Self::Rank => &["candidates"],
            Self::Batch => &["users"],
            Self::Similar => &["item_id"],
            Self::Hot | Self::HeavyHitters => &[],
        }
    }

    /// The kind of a message that does not name one.
    fn of(message: &Parameters<'_>) -> Result<Self, AskError> {
        let kinds = [
            (&CANDIDATES, Self::Rank),
            (&USERS, Self::Batch),
            (&ITEMS, Self::Session),
            (&USER, Self::Recommendations),
            (&ITEM, Self::Similar),
            (&WINDOW, Self::Hot),
        ];
        let found = kinds.into_iter().find(|(member, _)| message.has(member));
        found.map(|(_, kind)| kind).ok_or_else(|| {
            AskError::expected(&KIND, "it, or one of user_id, items, candidates, users, item_id, window")
        })
    }
}

/// Whose taste to go by.
#[derive(Debug, Clone, PartialEq)]
enum Whom {
    User(String),
    Items(Vec<String>),
}

/// Which items a hot list is about.
#[derive(Debug, Clone, PartialEq)]
enum Among {
    All,
    Category(String),
    Segment(String),
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    tenant: Option<String>,
    asked: Asked,
}

#[derive(Debug, Clone, PartialEq)]
enum Asked {
    Recommend { whom: Whom, options: Options },
    Rank { whom: Whom, candidates: Vec<String>, options: Options },
    Batch { users: Vec<String>, options: Options },
    Similar { item_id: String, n: usize, metric: Metric },
    Neighbours { user_id: String, n: usize },
    Hot { scope: Among, window: HotWindow, trending: bool, n: usize },
    HeavyHitters { n: usize },
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// A parameter that cannot be used.
    #[error("parameter `{name}`: {problem}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A parameter that nothing looks at.
    #[error("parameter `{name}` is unknown here; known: {known}")]
    UnknownParameter {
        /// Its name.
        name: String,
        /// Those that are looked at.
        known: String,
    },
    /// No object in JSON.
    #[error("not the JSON expected here: {0}")]
    NotJson(String),
    /// Nothing has named the item.
    #[error("no event or attribute has named the item `{0}`")]
    UnknownItem(String),
    /// No item is of the category.
    #[error("no item is of the category `{0}`")]
    UnknownCategory(String),
    /// Heavy hitters are off.
    #[error("heavy hitters are not counted: `recommender.heavy.hitters.max` is 0")]
    NotCounted,
    /// Nothing was learnt for the tenant.
    #[error("no event or attribute has named the tenant `{0}`")]
    UnknownTenant(String),
    /// Nothing has named the user.
    #[error("no event or attribute has named the user `{0}`")]
    UnknownUser(String),
}

impl AskError {
    pub(crate) fn expected(parameter: &Parameter, expected: impl std::fmt::Display) -> Self {
        Self::Parameter { name: parameter.name, problem: format!("expected {expected}") }
    }

    /// For programs: stays as it is.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parameter { .. } => "bad-parameter",
            Self::UnknownParameter { .. } => "unknown-parameter",
            Self::NotJson(_) => "bad-json",
            Self::UnknownItem(_) => "unknown-item",
            Self::UnknownCategory(_) => "unknown-category",
            Self::NotCounted => "not-counted",
            Self::UnknownTenant(_) => "unknown-tenant",
            Self::UnknownUser(_) => "unknown-user",
        }
    }

    /// Whether the question is good, and is about something that is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::UnknownItem(_)
                | Self::UnknownCategory(_)
                | Self::NotCounted
                | Self::UnknownTenant(_)
                | Self::UnknownUser(_)
        )
    }
}

impl Ask {
    /// Reads a question of a kind out of its parameters.
    ///
    /// # Errors
    /// [`AskError`] naming the parameter.
    pub fn read(kind: Kind, mut parameters: Parameters<'_>) -> Result<Self, AskError> {
        let given = &mut parameters;
        let tenant = if given.has(&TENANT) { Some(given.id(&TENANT)?) } else { None };
        let asked = match kind {
            Kind::Recommendations => {
                Asked::Recommend { whom: Whom::User(given.id(&USER)?), options: Options::read(given)? }
            }
            Kind::Session => {
                Asked::Recommend { whom: Whom::Items(some(given, &ITEMS)?), options: Options::read(given)? }
            }
            Kind::Rank => {
                let whom = match (given.has(&USER), given.has(&ITEMS)) {
                    (true, false) => Whom::User(given.id(&USER)?),
                    (false, true) => Whom::Items(some(given, &ITEMS)?),
                    _ => return Err(AskError::expected(&USER, "either `user_id` or `items`")),
                };
                let candidates = some(given, &CANDIDATES)?;
                let options = Options::read(given)?.of_candidates(candidates.len());
                Asked::Rank { whom, candidates, options }
            }
            Kind::Batch => Asked::Batch { users: some(given, &USERS)?, options: Options::read(given)? },
            Kind::Similar => Asked::Similar {
                item_id: given.id(&ITEM)?,
                n: count(given)?,
                metric: given.word(&METRIC, Metric::from_name)?.unwrap_or(Metric::Cosine),
            },
            Kind::Neighbours => Asked::Neighbours { user_id: given.id(&USER)?, n: count(given)? },
            Kind::Hot => {
                let trending = given.flag(&TRENDING)?;
                let scope = scope(given)?;
                let window = window(given, &scope, trending)?;
                Asked::Hot { n: count(given)?, window, scope, trending }
            }
            Kind::HeavyHitters => Asked::HeavyHitters { n: count(given)? },
        };
        Ok(Self { tenant, asked })
    }

    /// Reads a question that came as a message: the same object as over HTTP, with what HTTP has in the path. Its kind
    /// is the one that `ask` names, or the first of these that it has a member for: `candidates` rank, `users` batch,
    /// `items` session, `user_id` recommendations, `item_id` similar, `window` hot.
    ///
    /// # Errors
    /// [`AskError`] naming the parameter.
    pub fn from_json(json: &[u8]) -> Result<Self, AskError> {
        let mut message = Parameters::members_of(json)?;
        let named = message.word(&KIND, |word| Kind::ALL.into_iter().find(|kind| kind.name() == word))?;
        let kind = named.map_or_else(|| Kind::of(&message), Ok)?;
        Self::read(kind, message.knowing(kind.parameters())?)
    }

    /// The questions that this one is made of, if it is for many users: for who wants to put them one after another, and
    /// the replies [together](Reply::together) again.
    pub fn parts(&self) -> Option<Vec<Self>> {
        let Asked::Batch { users, options } = &self.asked else { return None };
        let one =
            |user: &String| Asked::Recommend { whom: Whom::User(user.clone()), options: options.clone() };
        Some(users.iter().map(|user| Self { tenant: self.tenant.clone(), asked: one(user) }).collect())
    }

    /// The answer.
    ///
    /// # Errors
    /// [`AskError`] if the question is about something that is not there.
    pub fn answer(&self, recommender: &Recommender) -> Result<Reply, AskError> {
        let tenant = || AskError::UnknownTenant(self.tenant.clone().unwrap_or_default());
        let recommender = recommender.tenant(self.tenant.as_deref()).ok_or_else(tenant)?;
        match &self.asked {
            Asked::Recommend { whom, options } => {
                Ok(Reply::Recommendations(recommend(recommender, whom, options)?))
            }
            Asked::Batch { users, options } => {
                let one = |user: &String| recommend(recommender, &Whom::User(user.clone()), options);
                Ok(Reply::Batch(Batch { answers: users.iter().map(one).collect::<Result<_, _>>()? }))
            }
            Asked::Rank { whom, candidates, options } => {
                Ok(Reply::Ranked(rank(recommender, whom, candidates, options)?))
            }
            Asked::Similar { item_id, n, metric } => {
                let items = recommender.similar(item_id, *n, *metric);
                Ok(Reply::Similar(SimilarItems {
                    item_id: item_id.clone(),
                    metric: metric.name(),
                    as_of: recommender.newest_ms(),
                    items: items.ok_or_else(|| AskError::UnknownItem(item_id.clone()))?,
                }))
            }
            Asked::Neighbours { user_id, n } => {
                let users = recommender.neighbours(user_id, *n);
                Ok(Reply::Neighbours(Neighbours {
                    user_id: user_id.clone(),
                    as_of: recommender.newest_ms(),
                    users: users.ok_or_else(|| AskError::UnknownUser(user_id.clone()))?,
                }))
            }
            Asked::Hot { scope, window, trending, n } => {
                let list = match trending {
                    true => recommender.trending(scope.as_scope(), *window, *n),
                    false => recommender.hot(scope.as_scope(), *window, *n),
                };
                list.map(Reply::Hot).ok_or_else(|| scope.unknown())
            }
            Asked::HeavyHitters { n } => {
                recommender.heavy_hitters(*n).map(Reply::HeavyHitters).ok_or(AskError::NotCounted)
            }
        }
    }
}

impl Among {
    fn as_scope(&self) -> Scope<'_> {
        match self {
            Self::All => Scope::All,
            Self::Category(name) => Scope::Category(name),
            Self::Segment(name) => Scope::Segment(name),
        }
    }

    /// Why there is no list.
    fn unknown(&self) -> AskError {
        match self {
            Self::Category(name) => AskError::UnknownCategory(name.clone()),
            Self::All | Self::Segment(_) => AskError::expected(&SCOPE, SEGMENT),
        }
    }
}

impl Whom {
    /// Hands `then` the history that is meant.
    fn history<T>(&self, then: impl FnOnce(History<'_>) -> T) -> T {
        match self {
            Self::User(id) => then(History::User(id)),
            Self::Items(items) => {
                let items: Vec<&str> = items.iter().map(String::as_str).collect();
                then(History::Items(&items))
            }
        }
    }

    fn user_id(&self) -> Option<String> {
        match self {
            Self::User(id) => Some(id.clone()),
            Self::Items(_) => None,
        }
    }
}

fn recommend(recommender: &Recommender, whom: &Whom, options: &Options) -> Result<Recommendations, AskError> {
    whom.history(|history| {
        let (by, rec_id) = options.assign(recommender, history)?;
        let answer = options.request(history, (by, &rec_id), None, |request| recommender.recommend(request));
        let answer = answer.ok_or_else(|| options.unanswered())?;
        let reason = answer.kind.reason(history);
        Ok(Recommendations {
            user_id: whom.user_id(),
            rec_id,
            as_of: recommender.newest_ms(),
            kind: answer.kind,
            cold_start: reason.is_some(),
            reason,
            items: answer.items,
        })
    })
}

fn rank(
    recommender: &Recommender,
    whom: &Whom,
    candidates: &[String],
    options: &Options,
) -> Result<Ranked, AskError> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for id in candidates {
        let list = if recommender.knows_item(id) { &mut known } else { &mut unknown };
        if !list.contains(&id.as_str()) {
            list.push(id);
        }
    }
    whom.history(|history| {
        let (by, rec_id) = options.assign(recommender, history)?;
        let answer =
            options.request(history, (by, &rec_id), Some(&known), |request| recommender.recommend(request));
        let answer = answer.ok_or_else(|| options.unanswered())?;
        let listed = |id: &str| answer.items.iter().any(|item| item.item_id == id);
        let left_out = known.iter().filter(|id| !listed(id)).map(|id| (*id).to_owned()).collect();
        Ok(Ranked {
            user_id: whom.user_id(),
            rec_id,
            as_of: recommender.newest_ms(),
            kind: answer.kind,
            left_out,
            unknown: unknown.iter().map(|id| (*id).to_owned()).collect(),
            items: answer.items,
        })
    })
}

/// How many are asked for.
fn count(given: &mut Parameters<'_>) -> Result<usize, AskError> {
    Ok(given.whole(&options::N)?.unwrap_or_default())
}

/// Ids of which there has to be one.
fn some(given: &mut Parameters<'_>, parameter: &Parameter) -> Result<Vec<String>, AskError> {
    let ids = given.ids(parameter)?;
    if ids.is_empty() { Err(AskError::expected(parameter, "at least one id")) } else { Ok(ids) }
}

/// The window of a hot list; one that slides if it is to say what is trending. People are counted for all time only.
fn window(given: &mut Parameters<'_>, scope: &Among, trending: bool) -> Result<HotWindow, AskError> {
    let chosen = given.has(&WINDOW);
    let window = given.word(&WINDOW, HotWindow::from_name)?.unwrap_or(HotWindow::Decayed);
    match (scope, trending, window) {
        (Among::Segment(_), false, window) if !chosen || window == HotWindow::AllTime => {
            Ok(HotWindow::AllTime)
        }
        (Among::Segment(_), ..) => Err(AskError::expected(&SCOPE, SEGMENT)),
        (_, true, _) if !chosen => Ok(HotWindow::Hour),
        (_, true, HotWindow::Decayed | HotWindow::AllTime) => {
            Err(AskError::expected(&WINDOW, "one that slides, such as 1h, with `trending`"))
        }
        (_, _, window) => Ok(window),
    }
}

/// What a segment's list is asked for with.
const SEGMENT: &str =
    "segment=age:25-34,gender:F or one of the two, with window=all-time and without trending";

/// The items that a hot list is about.
fn scope(given: &mut Parameters<'_>) -> Result<Among, AskError> {
    let scope = match (given.text(&SCOPE)?, given.text(&options::CATEGORY)?) {
        (Some(_), Some(_)) => {
            return Err(AskError::expected(&SCOPE, "either `scope` or `category`, not both"));
        }
        (None, None) => return Ok(Among::All),
        (None, Some(category)) => return Ok(Among::Category(category.into())),
        (Some(scope), None) => scope,
    };
    if scope == "all" {
        return Ok(Among::All);
    }
    match scope.split_once('=') {
        Some(("category", name)) => Ok(Among::Category(name.to_owned())),
        Some(("segment", name)) => Ok(Among::Segment(name.to_owned())),
        _ => Err(AskError::expected(&SCOPE, "all, category=NAME or segment=age:AGES,gender:GENDER")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;
    use crate::ingest::event::Position;
    use crate::recommender::Incoming;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// Ann, Bob and Cid saw lamp and desk, Ann also a chair; a bed is known and was seen by nobody, a cot is withdrawn.
    fn furnished() -> Recommender {
        let mut config = Config::default();
        config.set("recommender.heavy.hitters.max", "10").expect("a good setting");
        let mut recommender = Recommender::new(config);
        let seen = [
            ("ann", "lamp"),
            ("ann", "desk"),
            ("bob", "lamp"),
            ("bob", "desk"),
            ("cid", "lamp"),
            ("ann", "chair"),
        ];
        let event = |(user, item)| {
            ("events", format!(r#"{{"user_id":"{user}","item_id":"{item}","action":"view"}}"#))
        };
        let items = [
            ("items", r#"{"item_id":"bed","categories":["sleep"]}"#.to_owned()),
            ("items", r#"{"item_id":"cot","available":false}"#.to_owned()),
        ];
        for (offset, (topic, value)) in (0..).zip(seen.map(event).into_iter().chain(items)) {
            let position = Position { source: topic, offset };
            let value = Some(value.as_bytes());
            let message = Incoming { topic, position, key: None, value, headers: &[], time_ms: NOW_MS };
            recommender.ingest(&message).expect("a good message");
        }
        recommender
    }

    fn asked(question: &Value) -> Result<Value, AskError> {
        let ask = Ask::from_json(question.to_string().as_bytes())?;
        ask.answer(&furnished()).map(|reply| serde_json::to_value(reply).expect("JSON"))
    }

    fn ids(answer: &Value) -> Vec<&str> {
        let items = answer["items"].as_array().expect("items");
        items.iter().filter_map(|item| item["item_id"].as_str()).collect()
    }

    #[test]
    fn a_message_is_of_the_kind_that_its_members_make_it() {
        for (question, member) in [
            (json!({"user_id": "cid"}), "kind"),
            (json!({"items": ["lamp"]}), "kind"),
            (json!({"user_id": "cid", "candidates": ["desk"]}), "left_out"),
            (json!({"users": ["cid"]}), "answers"),
            (json!({"item_id": "lamp"}), "metric"),
            (json!({"window": "1h"}), "scope"),
            (json!({"ask": "hot"}), "scope"),
            (json!({"ask": "heavy-hitters"}), "error_max"),
            (json!({"ask": "hot", "trending": true}), "scope"),
            (json!({"window": "all-time", "scope": "segment=gender:male"}), "scope"),
            (json!({"ask": "hot", "scope": "segment=gender:F,age:25-34"}), "scope"),
            (json!({"ask": "neighbours", "user_id": "cid"}), "users"),
        ] {
            let answer = asked(&question).unwrap_or_else(|error| panic!("{question}: {error}"));
            assert!(answer.get(member).is_some(), "{question}: {answer}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_told_by_name() {
        for (question, code, about) in [
            (json!({}), "bad-parameter", "`ask`"),
            (
                json!({"ask": "everything"}),
                "bad-parameter",
                "`ask`: expected one of recommendations, session",
            ),
            (json!({"user_id": "cid", "candidates": []}), "bad-parameter", "`candidates`"),
            (json!({"candidates": ["desk"]}), "bad-parameter", "`user_id`"),
            (json!({"user_id": "cid", "items": ["a"], "candidates": ["desk"]}), "bad-parameter", "`user_id`"),
            (json!({"user_id": "cid", "filter": "colour = 1"}), "bad-parameter", "`filter`: at byte 0"),
            (json!({"user_id": "cid", "model": "oracle"}), "bad-parameter", "`model`: expected one of"),
            (json!({"user_id": "cid", "model": "als"}), "bad-parameter", "switched on"),
            (json!({"user_id": "cid", "metric": "llr"}), "unknown-parameter", "`metric` is unknown here"),
            (json!({"user_id": "cid", "category": "garden"}), "unknown-category", "garden"),
            (json!({"user_id": "cid", "tenant": "t"}), "unknown-tenant", "`t`"),
            (json!({"user_id": "cid", "rec_id": "mine"}), "bad-parameter", "same question"),
            (json!({"item_id": "sofa"}), "unknown-item", "sofa"),
            (json!({"ask": "neighbours", "user_id": "eve"}), "unknown-user", "eve"),
            (json!({"ask": "hot", "category": "garden"}), "unknown-category", "garden"),
            (json!({"ask": "hot", "scope": "segment=25-34"}), "bad-parameter", "`scope`"),
            (json!({"window": "1h", "scope": "segment=gender:F"}), "bad-parameter", "`scope`"),
            (json!({"ask": "hot", "scope": "all", "category": "sleep"}), "bad-parameter", "not both"),
            (
                json!({"window": "all-time", "trending": true}),
                "bad-parameter",
                "`window`: expected one that slides",
            ),
            (json!([]), "bad-json", "object"),
        ] {
            let error = asked(&question).expect_err("an error");
            assert_eq!(error.code(), code, "{question}: {error}");
            assert!(error.to_string().contains(about), "{question}: {error}");
        }
    }

    #[test]
    fn a_page_asked_for_by_name_keeps_its_name_and_its_chances() {
        let all = asked(&json!({"user_id": "eve", "exploration": 60, "n": 4})).expect("an answer");
        // The name of the same answer when other things were known: other chances, but they stay.
        let name = all["rec_id"].as_str().expect("a name");
        let (_, question) = name.split_once('.').expect("a name in parts");
        let earlier = format!("1-0.{question}");
        let page = |offset: usize, n: usize| {
            let question =
                json!({"user_id": "eve", "exploration": 60, "rec_id": earlier, "offset": offset, "n": n});
            let answer = asked(&question).expect("an answer");
            assert_eq!(answer["rec_id"], *earlier);
            answer["items"].as_array().expect("items").clone()
        };
        assert_eq!([page(0, 2), page(2, 2)].concat(), page(0, 4));
        assert!(page(0, 1)[0]["propensity"].is_number());
        let other = asked(&json!({"user_id": "eve", "rec_id": earlier, "scenario": "home"}));
        assert_eq!(other.expect_err("another question").code(), "bad-parameter");
    }

    #[test]
    fn a_visit_of_anybody_is_answered() {
        let answer = asked(&json!({"items": ["lamp"]})).expect("an answer");
        assert_eq!((ids(&answer)[0], &answer["kind"]), ("desk", &"personal".into()));
        assert!(answer.get("user_id").is_none() && answer["rec_id"].is_string());
        let cold = asked(&json!({"items": ["sofa"]})).expect("an answer");
        assert_eq!(cold["cold_start"], true);
        assert_eq!(cold["reason"], "no event has named any of these items: these are hot items");
    }

    #[test]
    fn candidates_are_ranked_and_the_rest_accounted_for() {
        let candidates = json!(["bed", "cot", "chair", "desk", "sofa", "desk"]);
        let answer = asked(&json!({"user_id": "cid", "candidates": candidates})).expect("an answer");
        assert_eq!(ids(&answer), ["desk", "chair", "bed"]);
        assert_eq!((&answer["left_out"], &answer["unknown"]), (&json!(["cot"]), &json!(["sofa"])));
        let seen = asked(&json!({"user_id": "ann", "candidates": ["desk"], "exclude": ["lamp"]}));
        assert_eq!(ids(&seen.expect("an answer")), ["desk"], "who names it wants it ranked");
        let one = asked(&json!({"items": ["lamp"], "candidates": candidates, "model": "item-cosine"}));
        let one = one.expect("an answer");
        assert_eq!(ids(&one)[0], "desk");
        let bed = one["items"].as_array().expect("items").iter().find(|item| item["item_id"] == "bed");
        assert_eq!(bed.expect("every known candidate")["score"], 0.0);
        let sleep = asked(&json!({"user_id": "cid", "candidates": ["bed", "desk"], "category": "sleep"}));
        assert_eq!(ids(&sleep.expect("an answer")), ["bed"]);
    }

    #[test]
    fn many_users_are_answered_as_each_alone() {
        let together = asked(&json!({"users": ["cid", "eve"], "n": 2})).expect("an answer");
        let alone = ["cid", "eve"].map(|user| asked(&json!({"user_id": user, "n": 2})).expect("an answer"));
        assert_eq!(together["answers"], json!(alone));
        let ask = Ask::from_json(br#"{"users": ["cid", "eve"], "n": 2}"#).expect("a question");
        let recommender = furnished();
        let parts = ask.parts().expect("a part for each user");
        let replies = parts.iter().map(|part| part.answer(&recommender)).collect::<Result<_, _>>();
        assert_eq!(replies.map(Reply::together), ask.answer(&recommender));
        assert_eq!(parts[0].parts(), None);
    }
}
