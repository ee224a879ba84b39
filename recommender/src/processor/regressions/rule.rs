//! What is predicted from what.

use crate::config::rules::Rule;
use crate::processor::document::Place;

/// Most features: a model keeps the square of that.
const FEATURES_MAX: usize = 64;

/// Most numbers of a row that the next one is predicted from.
const LAGS_MAX: usize = FEATURES_MAX - 1;

/// One rule of `recommender.regressions`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RegressionRule {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) output: String,
    pub(super) target: Place,
    pub(super) features: Features,
    pub(super) kind: Kind,
    /// What each key of has a model of its own.
    pub(super) by: Option<Place>,
    pub(super) forgetting: f64,
    pub(super) ridge: f64,
    pub(super) keys: usize,
}

/// What the target is predicted from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Features {
    /// Fields of the same message.
    Fields(Vec<Place>),
    /// The target's own last values: so many.
    Row(usize),
}

/// How it is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number, by recursive least squares.
    Linear,
    /// A chance, by logistic regression that follows the regularised leader.
    Logistic,
}

impl RegressionRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub(crate) fn read(rule: &mut Rule) -> Result<Self, String> {
        let topic = rule.required_topic("topic")?;
        let target = rule.place("target")?;
        let fields = rule.places("features")?;
        let kind = rule.choice("kind", &[("linear", Kind::Linear), ("logistic", Kind::Logistic)])?;
        if fields.len() > FEATURES_MAX {
            return Err(format!("field `features` has more than {FEATURES_MAX} of them"));
        }
        if target.is_none() && !fields.is_empty() {
            return Err("field `target` is missing, which `features` are to predict".to_owned());
        }
        let target = target.unwrap_or(Place::Whole);
        if fields.contains(&target) {
            return Err("field `features` has the target itself".to_owned());
        }
        let is_row = fields.is_empty();
        if is_row && kind == Kind::Logistic {
            return Err("field `features` is missing, from which a chance is to be predicted".to_owned());
        }
        let features = match is_row {
            true => Features::Row(rule.number("lags", 3, 1, LAGS_MAX)?),
            false => Features::Fields(fields),
        };
        let output = rule.topic("output")?.unwrap_or_else(|| format!("{topic}.predictions"));
        if output == topic {
            return Err(format!("field `output` is `{output}`, the topic that is read"));
        }
        Ok(Self {
            name: rule.name.clone(),
            topic,
            output,
            target,
            features,
            kind,
            by: rule.place("by")?,
            forgetting: rule.number("forgetting", 1.0, 0.5, 1.0)?,
            ridge: rule.number("ridge", if is_row { 0.1 } else { 1e-6 }, 1e-12, 1e12)?,
            keys: rule.number("keys", 1000, 1, 100_000)?,
        })
    }
}
