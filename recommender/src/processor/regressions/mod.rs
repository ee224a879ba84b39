//! Predictions from any topic: a number or a chance from fields of a message, or the next number of a row, to a topic.
//!
//! ```text
//! message ─▶ features, target ─▶ predict ─▶ compare with the target, learn it ─▶ prediction topic
//! ```
//! Each record is predicted before it is learnt, so the running error is that of predictions about what was not yet
//! known. A record without target is predicted only.

mod learner;
mod row;
mod rule;

use std::borrow::Cow;

use serde::Serialize;

use super::dead_letter;
use super::document::{Document, Place};
use super::emission::{Body, Emission, json};
use super::keyed::Keyed;
use super::operator::Operator;
use crate::config::Config;
use crate::ingest::rejection::Rejection;
use crate::recommender::Incoming;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use learner::{Account, Input, Learner};
use row::Row;
pub(crate) use rule::RegressionRule;
use rule::{Features, Kind};

/// Every regression.
#[derive(Debug)]
pub(super) struct Regressions {
    regressions: Vec<Regression>,
}

/// One rule and what it has learnt.
#[derive(Debug)]
struct Regression {
    rule: RegressionRule,
    models: Keyed<Model>,
}

/// What was learnt of one key.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    learner: Learner,
    account: Account,
    row: Row,
}

/// A prediction, as it is written.
#[derive(Debug, Default, Serialize)]
struct Prediction<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// What was expected of this record before it was learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    prediction: Option<f64>,
    /// What it turned out to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<f64>,
    /// Prediction less truth.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
    /// Of a row: what is expected next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<f64>,
    /// How many predictions were compared so far.
    compared: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rmse: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_loss: Option<f64>,
    /// The record: topic, partition, offset.
    evidence: String,
}

impl Regressions {
    pub(super) fn new(config: &Config) -> Self {
        let regression = |rule: &RegressionRule| Regression {
            models: Keyed::new(if rule.by.is_some() { rule.keys } else { 1 }),
            rule: rule.clone(),
        };
        Self { regressions: config.regressions.iter().map(regression).collect() }
    }
}

impl Operator for Regressions {
    fn name(&self) -> &'static str {
        "regressions"
    }

    fn listens(&self, topic: &str) -> bool {
        self.regressions.iter().any(|regression| regression.rule.topic == topic)
    }

    fn hear(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) {
        let document = Document::new(message);
        let concerned = self.regressions.iter_mut().filter(|one| one.rule.topic == message.topic);
        for regression in concerned {
            out.push(match regression.take(&document, message) {
                Ok(prediction) => prediction,
                Err(rejection) => dead_letter::whole(message, &rejection),
            });
        }
    }

    fn forget(&mut self, _: Option<&str>, user: &str) {
        self.regressions.iter_mut().for_each(|regression| regression.models.remove(user));
    }

    fn size_bytes(&self) -> usize {
        let more = |model: &Model| model.learner.size_bytes() + model.row.size_bytes();
        self.regressions.iter().map(|regression| regression.models.size_bytes(more)).sum()
    }

    fn save(&self, out: &mut Writer) {
        self.regressions.iter().for_each(|regression| regression.models.save(out));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for Regression { rule, models } in &mut self.regressions {
            models.load(input)?;
            let fresh = Learner::new(rule);
            if !models.iter_mut().all(|(_, model)| model.learner.is_like(&fresh)) {
                return Err(SnapshotError::Malformed("another kind of regression"));
            }
        }
        Ok(())
    }
}

impl Regression {
    /// Predicts a message, and learns it if it has its target.
    fn take(&mut self, document: &Document<'_>, message: &Incoming<'_>) -> Result<Emission, Rejection> {
        let rule = &self.rule;
        let key = match &rule.by {
            Some(place) => Some(document.text(place).ok_or_else(|| rule.missing(place))?),
            None => None,
        };
        let truth = rule.truth(document)?;
        let fields = match &rule.features {
            Features::Fields(places) => {
                let inputs: Result<Vec<Input>, _> =
                    places.iter().map(|place| rule.input(document, place)).collect();
                Some(inputs?)
            }
            Features::Row(_) => None,
        };
        let fresh =
            || Model { learner: Learner::new(rule), account: Account::default(), row: Row::default() };
        let model = self.models.use_or_make(key.as_deref().unwrap_or_default(), fresh);
        let mut prediction =
            Prediction { model: &rule.name, key: key.as_deref(), truth, ..Prediction::default() };
        match (&rule.features, fields, truth) {
            (Features::Row(lags), _, Some(number)) => {
                prediction.prediction = model.go_on(*lags, number, rule)?;
                prediction.next = model.next(*lags);
            }
            (Features::Row(_), _, None) => return Err(rule.missing(&rule.target)),
            (_, fields, truth) => {
                let inputs = fields.unwrap_or_default();
                prediction.prediction = Some(model.learner.predict(&inputs));
                if let Some(truth) = truth
                    && !model.learner.learn(&inputs, truth)
                {
                    return Err(rule.overflow());
                }
            }
        }
        if let Some((predicted, truth)) = prediction.prediction.zip(truth) {
            model.account.note(rule.kind, predicted, truth);
            prediction.error = Some(predicted - truth);
        }
        prediction.compared = model.account.compared;
        let score = model.account.score(rule.kind);
        match rule.kind {
            Kind::Linear => prediction.rmse = score,
            Kind::Logistic => prediction.log_loss = score,
        }
        prediction.evidence = format!("{}-{}", message.position.source, message.position.offset);
        let key = message.key.map(<[u8]>::to_vec);
        Ok(Emission {
            topic: Cow::Owned(rule.output.clone()),
            body: Body::Own { key, value: Some(json(&prediction)), time_ms: message.time_ms },
            headers: Vec::new(),
        })
    }
}

impl RegressionRule {
    /// What is to be predicted, if the message knows it.
    fn truth(&self, document: &Document<'_>) -> Result<Option<f64>, Rejection> {
        let truth = document.number(&self.target, &self.name)?;
        match truth {
            Some(number) if self.kind == Kind::Logistic && number != 0.0 && number != 1.0 => {
                let detail = format!("rule {}: {} is {number}, not 0 or 1", self.name, self.target);
                Err(Rejection::Malformed { detail })
            }
            truth => Ok(truth),
        }
    }

    fn input(&self, document: &Document<'_>, place: &Place) -> Result<Input, Rejection> {
        match document.number(place, &self.name) {
            Ok(Some(number)) => Ok(Input::Number(number)),
            Ok(None) => Err(self.missing(place)),
            Err(Rejection::NotANumber { .. }) if self.kind == Kind::Logistic => {
                document.text(place).map(Input::Word).ok_or_else(|| self.missing(place))
            }
            Err(rejection) => Err(rejection),
        }
    }

    fn missing(&self, place: &Place) -> Rejection {
        Rejection::MissingField { rule: self.name.clone(), field: place.to_string() }
    }

    fn overflow(&self) -> Rejection {
        Rejection::Overflow { rule: self.name.clone(), field: "one of the features".to_owned() }
    }
}

impl Model {
    /// What a number of a row was expected to be; learns it, and goes on behind it. `None` of the first.
    fn go_on(&mut self, lags: usize, number: f64, rule: &RegressionRule) -> Result<Option<f64>, Rejection> {
        let expected = self.next(lags);
        if let Some(last) = self.row.last()
            && !self.learner.learn(&self.row.inputs(lags), number - last)
        {
            return Err(rule.overflow());
        }
        self.row.push(number, lags);
        Ok(expected)
    }

    /// What is expected behind the last number.
    fn next(&mut self, lags: usize) -> Option<f64> {
        let last = self.row.last()?;
        Some(last + self.learner.predict(&self.row.inputs(lags)))
    }
}

impl Snapshot for Model {
    fn save(&self, out: &mut Writer) {
        self.learner.save(out);
        self.account.save(out);
        self.row.save(out);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self { learner: Learner::load(input)?, account: Account::load(input)?, row: Row::load(input)? })
    }
}

#[cfg(test)]
mod tests;
