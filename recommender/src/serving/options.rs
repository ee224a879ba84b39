//! What may be asked for beside whose list it is: the same for every way of asking.

use std::borrow::Cow;

use super::ask::AskError;
use super::parameters::{Form, Parameter, Parameters};
use super::rec_id::RecId;
use super::request::{History, Request};
use crate::judging::experiment::Assignment;
use crate::ranking::filter::Filter;
use crate::recommender::Recommender;

/// Items answered unless `n` says otherwise.
const N_DEFAULT: usize = 10;
/// Items answered at most.
pub(super) const N_MAX: usize = 1000;
/// The furthest page.
const OFFSET_MAX: usize = 10_000;
/// Ids in one `exclude`.
const EXCLUDE_MAX: usize = 1000;

pub(super) static N: Parameter = Parameter {
    name: "n",
    form: Form::Whole { least: 1, most: N_MAX, default: Some(N_DEFAULT) },
    about: "How many, at most.",
};
pub(super) static OFFSET: Parameter = Parameter {
    name: "offset",
    form: Form::Whole { least: 0, most: OFFSET_MAX, default: Some(0) },
    about: "How many of the best to leave out: the next page. Pages with the same rec_id are of the same list.",
};
pub(super) static REC_ID: Parameter = Parameter {
    name: "rec_id",
    form: Form::Text,
    about: "The name of the answer that this is a further page of: it keeps the name, and the chances of exploration.",
};
pub(super) static EXPLAIN: Parameter =
    Parameter { name: "explain", form: Form::Flag, about: "Whether to give each item's reasons." };
pub(super) static SEEN: Parameter = Parameter {
    name: "seen",
    form: Form::Flag,
    about: "Whether items that the user already acted on may come back.",
};
pub(super) static CATEGORY: Parameter =
    Parameter { name: "category", form: Form::Text, about: "Only items of this category." };
pub(super) static FILTER: Parameter = Parameter {
    name: "filter",
    form: Form::Text,
    about: "Only items that fit an expression, such as: category = 'lamps' and price < 20.",
};
pub(super) static PER_CATEGORY: Parameter = Parameter {
    name: "per_category",
    form: Form::Whole { least: 1, most: N_MAX, default: None },
    about: "At most so many items of any one category.",
};
pub(super) static DIVERSITY: Parameter = Parameter {
    name: "diversity",
    form: Form::Whole { least: 0, most: 100, default: Some(0) },
    about: "How much being unlike the items before it counts for an item, in percent.",
};
pub(super) static SCENARIO: Parameter = Parameter {
    name: "scenario",
    form: Form::Text,
    about: "The place in the product where they will be shown, as events name it: for the click model, experiments, and judging the answer.",
};
pub(super) static EXPLORATION: Parameter = Parameter {
    name: "exploration",
    form: Form::Whole { least: 0, most: 100, default: None },
    about: "The share of places to explore, in percent, instead of recommender.exploration.",
};
pub(super) static EXCLUDE: Parameter =
    Parameter { name: "exclude", form: Form::Ids { most: EXCLUDE_MAX }, about: "Items never to be shown." };
pub(super) static MODEL: Parameter = Parameter {
    name: "model",
    form: Form::Word { words: models, default: None },
    about: "Rank by one model alone instead of all together; some are known only where recommender.models has them.",
};

fn models() -> Vec<&'static str> {
    Recommender::models().chain(Recommender::optional_models()).collect()
}

/// Whether two names of answers differ in nothing but what was learnt by then.
fn is_of_the_same_question(one: &str, other: &str) -> bool {
    let question = |name| RecId::parse(name).map(|id| RecId { events: 0, entities: 0, ..id });
    question(one).is_some_and(|one| Some(one) == question(other))
}

/// The options of one question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    n: usize,
    offset: usize,
    explain: bool,
    seen: bool,
    category: Option<String>,
    filter: Option<Filter>,
    per_category: Option<usize>,
    diversity: usize,
    scenario: Option<String>,
    rec_id: Option<String>,
    exploration: Option<usize>,
    exclude: Vec<String>,
    model: Option<&'static str>,
}

impl Options {
    /// Reads every option; one that `parameters` does not know has its default.
    pub(super) fn read(parameters: &mut Parameters<'_>) -> Result<Self, AskError> {
        let filter = parameters.text(&FILTER)?.as_deref().map(Filter::parse).transpose();
        Ok(Self {
            n: parameters.whole(&N)?.unwrap_or_default(),
            offset: parameters.whole(&OFFSET)?.unwrap_or_default(),
            explain: parameters.flag(&EXPLAIN)?,
            seen: parameters.flag(&SEEN)?,
            category: parameters.text(&CATEGORY)?.map(Cow::into_owned),
            filter: filter
                .map_err(|error| AskError::Parameter { name: FILTER.name, problem: error.to_string() })?,
            per_category: parameters.whole(&PER_CATEGORY)?,
            diversity: parameters.whole(&DIVERSITY)?.unwrap_or_default(),
            scenario: parameters.text(&SCENARIO)?.map(Cow::into_owned),
            rec_id: parameters.text(&REC_ID)?.map(Cow::into_owned),
            exploration: parameters.whole(&EXPLORATION)?,
            exclude: parameters.ids(&EXCLUDE)?,
            model: parameters.word(&MODEL, |word| models().into_iter().find(|known| *known == word))?,
        })
    }

    /// The same for a list of given candidates: all of them, whether they were seen or not.
    pub(super) fn of_candidates(self, count: usize) -> Self {
        Self { n: count, seen: true, ..self }
    }

    /// By which model to answer a history, and what to call the answer.
    ///
    /// # Errors
    /// [`AskError`] if the name given is that of an answer to another question.
    pub(super) fn assign<'a>(
        &'a self,
        recommender: &'a Recommender,
        history: History<'_>,
    ) -> Result<(Assignment<'a>, String), AskError> {
        let whose = match history {
            History::User(id) => Some(id),
            History::Items(_) => None,
        };
        let scenario = self.scenario.as_deref();
        let by = recommender.assign(whose, scenario, self.model);
        let name = recommender.rec_id(history, scenario, &by);
        match &self.rec_id {
            None => Ok((by, name)),
            Some(earlier) if is_of_the_same_question(earlier, &name) => Ok((by, earlier.clone())),
            Some(_) => Err(AskError::expected(&REC_ID, "the name of an answer to the same question")),
        }
    }

    /// Hands `ask` the request that these options make of a history, whose answer will be called `rec_id`.
    pub(super) fn request<T>(
        &self,
        history: History<'_>,
        (by, rec_id): (Assignment<'_>, &str),
        among: Option<&[&str]>,
        ask: impl FnOnce(&Request<'_>) -> T,
    ) -> T {
        let exclude: Vec<&str> = self.exclude.iter().map(String::as_str).collect();
        ask(&Request {
            history,
            n: self.n,
            offset: self.offset,
            now_ms: None,
            among,
            exclude: &exclude,
            category: self.category.as_deref(),
            filter: self.filter.as_ref(),
            per_category_max: self.per_category,
            diversity: self.diversity as f32 / 100.0,
            scenario: self.scenario.as_deref(),
            rec_id: Some(rec_id),
            exploration: self.exploration.map(|percent| percent as f64 / 100.0),
            allow_seen: self.seen,
            model: by.model,
            explain: self.explain,
        })
    }

    /// Why a request made of these options has no answer.
    pub(super) fn unanswered(&self) -> AskError {
        match (&self.category, self.model) {
            (_, Some(_)) => AskError::expected(&MODEL, "a model that recommender.models has switched on"),
            (category, None) => AskError::UnknownCategory(category.clone().unwrap_or_default()),
        }
    }
}
