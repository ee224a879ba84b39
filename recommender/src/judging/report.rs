//! Figures as they are told, in topics and over HTTP.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::board::{ALL_TIME, Board, Origin, OriginIdx};
use super::currency::Currency;
use super::experiment::Experiment;
use super::tally::{Figure, JudgedBy};
use crate::recommender::tenant_key;
use crate::serving::ask::AskError;
use crate::serving::parameters::{Form, Parameter, Parameters};

static METRIC: Parameter = Parameter {
    name: "metric",
    form: Form::Word { words: || JudgedBy::ALL.map(JudgedBy::name).to_vec(), default: None },
    about: "One figure alone.",
};
static WINDOW: Parameter = Parameter {
    name: "window",
    form: Form::Text,
    about: "all for all time, each for every window kept, or when a window begins, in ms since 1970.",
};
static MODEL: Parameter =
    Parameter { name: "model", form: Form::Text, about: "Answers of one model alone; * for all together." };
static SCENARIO: Parameter =
    Parameter { name: "scenario", form: Form::Text, about: "Answers of one scenario alone." };
static EXPERIMENT: Parameter =
    Parameter { name: "experiment", form: Form::Text, about: "Answers of one experiment alone." };
static ARM: Parameter = Parameter { name: "arm", form: Form::Text, about: "Answers of one arm alone." };
static TENANT: Parameter =
    Parameter { name: "tenant", form: Form::Id, about: "Of which tenant; without it, of what names none." };

/// A figure of an origin in a window. In `model`, `scenario`, `experiment` and `arm`, `*` stands for all together, and
/// nothing for none.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Row {
    /// Whose, if a tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tenant: Option<String>,
    /// Which figure.
    pub metric: &'static str,
    /// What its money is in, if it is of money and events say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub currency: Option<String>,
    /// When its window begins, ms since 1970; none for all time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub window_start: Option<i64>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub window_end: Option<i64>,
    /// The model that answers were by.
    pub model: String,
    /// The place in the product.
    pub scenario: String,
    /// The experiment they were part of.
    pub experiment: String,
    /// The arm of that.
    pub arm: String,
    /// The figure.
    pub value: f64,
    /// What is divided: clicks, conversions, revenue, the sum of what users said, hits.
    pub sum: f64,
    /// By what: impressions, clicks, orders, answers of users, trials.
    pub count: u64,
    /// The lower end of the 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub low: Option<f64>,
    /// The upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub high: Option<f64>,
}

/// Two arms of an experiment, by all that was counted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// The experiment.
    pub experiment: String,
    /// Which figure.
    pub metric: &'static str,
    /// What its money is in, if it is of money and events say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub currency: Option<String>,
    /// The place in the product.
    pub scenario: String,
    /// The arm that is compared with.
    pub baseline: String,
    /// The arm that is compared.
    pub arm: String,
    /// Its figure less that of the baseline.
    pub difference: f64,
    /// z of two rates, t of two means.
    pub statistic: f64,
    /// The chance of a statistic at least as far from 0 if there were no difference, for a single look.
    pub p_value: f64,
}

/// Everything that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Evaluation {
    /// The newest event's time, ms since 1970.
    pub as_of: i64,
    /// The length of a window, ms.
    pub window_ms: i64,
    /// Figures, by window, all time last.
    pub figures: Vec<Row>,
    /// Arms of experiments against the first arm, over all time.
    pub comparisons: Vec<Comparison>,
}

/// Which windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Window {
    /// All time.
    #[default]
    AllTime,
    /// Every window that is kept, and all time.
    Each,
    /// The one that begins at this time.
    Starting(i64),
}

/// What is asked for; fields left out take everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Which windows.
    pub window: Window,
    /// One figure alone.
    pub metric: Option<JudgedBy>,
    /// One model alone.
    pub model: Option<String>,
    /// One scenario alone.
    pub scenario: Option<String>,
    /// One experiment alone.
    pub experiment: Option<String>,
    /// One arm alone.
    pub arm: Option<String>,
    /// Of which tenant; `None`: of what names none.
    pub tenant: Option<String>,
}

impl Wanted {
    /// What may be said about it.
    pub const PARAMETERS: &'static [&'static Parameter] =
        &[&METRIC, &WINDOW, &MODEL, &SCENARIO, &EXPERIMENT, &ARM, &TENANT];

    /// Reads it out of [`Wanted::PARAMETERS`].
    ///
    /// # Errors
    /// [`AskError`] naming the parameter.
    pub fn read(mut parameters: Parameters<'_>) -> Result<Self, AskError> {
        let metric = parameters.word(&METRIC, JudgedBy::from_name)?;
        let window = match parameters.text(&WINDOW)?.as_deref() {
            None | Some("all") => Window::AllTime,
            Some("each") => Window::Each,
            Some(start) => Window::Starting(
                start.parse().map_err(|_| AskError::expected(&WINDOW, "all, each or ms since 1970"))?,
            ),
        };
        let tenant = if parameters.has(&TENANT) { Some(parameters.id(&TENANT)?) } else { None };
        let mut text = |row| Ok(parameters.text(row)?.map(Cow::into_owned));
        Ok(Self {
            window,
            metric,
            model: text(&MODEL)?,
            scenario: text(&SCENARIO)?,
            experiment: text(&EXPERIMENT)?,
            arm: text(&ARM)?,
            tenant,
        })
    }

    fn takes(&self, origin: &Origin) -> bool {
        let one = |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|wanted| wanted == is);
        one(&self.model, &origin.model)
            && one(&self.scenario, &origin.scenario)
            && one(&self.experiment, &origin.experiment)
            && one(&self.arm, &origin.arm)
    }
}

impl Row {
    /// Its key in a topic: `metric|window|model|scenario|experiment|arm`, with `%` and `|` in names as `%25` and `%7C`, then
    /// `|` and the currency if it has one; of a tenant, behind its name and a unit separator.
    pub fn key(&self) -> String {
        let window = self.window_start.map_or("all".to_owned(), |start| start.to_string());
        let mut key = format!("{}|{window}", self.metric);
        let names = [&self.model, &self.scenario, &self.experiment, &self.arm];
        for name in names.into_iter().chain(&self.currency) {
            key.push('|');
            key.push_str(&name.replace('%', "%25").replace('|', "%7C"));
        }
        tenant_key(self.tenant.as_deref(), &key).into_owned()
    }
}

/// The figures of an origin in a window.
pub(crate) fn rows(
    board: &Board,
    tenant: Option<&str>,
    window: i64,
    place: OriginIdx,
) -> impl Iterator<Item = Row> {
    let window_start = (window != ALL_TIME).then_some(window);
    let row = move |metric: JudgedBy, currency: Currency, figure: Figure| {
        let Figure { value, sum, count, low, high } = figure;
        let Origin { model, scenario, experiment, arm } = board.origin(place).clone();
        Row {
            tenant: tenant.map(str::to_owned),
            metric: metric.name(),
            currency: told(currency),
            window_start,
            window_end: window_start.map(|start| start.saturating_add(board.window_ms())),
            model,
            scenario,
            experiment,
            arm,
            value,
            sum,
            count,
            low,
            high,
        }
    };
    let tally = board.tally(window, place);
    let metrics = JudgedBy::ALL.into_iter().flat_map(move |metric| {
        tally.into_iter().flat_map(move |tally| metric.of(tally)).map(move |figure| (metric, figure))
    });
    metrics.map(move |(metric, (currency, figure))| row(metric, currency, figure))
}

/// A currency's name, if it has one.
fn told(currency: Currency) -> Option<String> {
    (currency != Currency::NONE).then(|| currency.to_string())
}

/// What is asked for.
pub(crate) fn evaluation(
    board: &Board,
    tenant: Option<&str>,
    wanted: &Wanted,
    experiments: &[Experiment],
    as_of: i64,
) -> Evaluation {
    let is_wanted = |window: &i64| match wanted.window {
        Window::AllTime => *window == ALL_TIME,
        Window::Each => true,
        Window::Starting(start) => *window == start,
    };
    let mut figures = Vec::new();
    for window in board.windows().filter(is_wanted) {
        for place in board.places().filter(|place| wanted.takes(board.origin(*place))) {
            figures.extend(rows(board, tenant, window, place));
        }
    }
    figures.retain(|row| wanted.metric.is_none_or(|metric| metric.name() == row.metric));
    let comparisons = experiments.iter().flat_map(|experiment| compare(board, wanted, experiment)).collect();
    Evaluation { as_of, window_ms: board.window_ms(), figures, comparisons }
}

/// Every arm of an experiment against the first, in each scenario.
fn compare<'b>(
    board: &'b Board,
    wanted: &'b Wanted,
    experiment: &'b Experiment,
) -> impl Iterator<Item = Comparison> {
    let first = experiment.arms().next().unwrap_or_default();
    let of = move |place: &OriginIdx| board.origin(*place).experiment == experiment.name();
    board.places().filter(of).filter(|place| wanted.takes(board.origin(*place))).flat_map(move |place| {
        let origin = board.origin(place);
        let is_baseline = |other: &OriginIdx| {
            let other = board.origin(*other);
            other.scenario == origin.scenario && other.arm == first
        };
        let baseline = board.places().filter(of).find(is_baseline).filter(|other| *other != place);
        let metrics = JudgedBy::ALL.into_iter();
        metrics.filter(|metric| wanted.metric.is_none_or(|one| one == *metric)).flat_map(move |metric| {
            let tally = |place| board.tally(ALL_TIME, place);
            let both = baseline.and_then(tally).zip(tally(place));
            let tests = both.map_or_else(Vec::new, |(first, second)| metric.compare(first, second));
            tests.into_iter().map(move |(currency, test)| Comparison {
                experiment: origin.experiment.clone(),
                metric: metric.name(),
                currency: told(currency),
                scenario: origin.scenario.clone(),
                baseline: first.to_owned(),
                arm: origin.arm.clone(),
                difference: test.difference,
                statistic: test.statistic,
                p_value: test.p_value,
            })
        })
    })
}
