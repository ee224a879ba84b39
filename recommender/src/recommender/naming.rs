//! Which model answers whom, and what the answer is called.

use super::Recommender;
use crate::judging::experiment::Assignment;
use crate::serving::History;
use crate::serving::rec_id::RecId;

/// A scenario with a longer name, in bytes, is not in the names of answers.
const SCENARIO_BYTES_MAX: usize = 256;

impl Recommender {
    /// By which model to answer: the one asked for, else that of the arm which `whose` (a user or a visit) is in, in the
    /// first experiment that covers the scenario; else all fused.
    pub fn assign<'a>(
        &'a self,
        whose: Option<&str>,
        scenario: Option<&str>,
        model: Option<&'a str>,
    ) -> Assignment<'a> {
        let experiment = self.config.experiments.iter().find(|experiment| experiment.covers(scenario));
        match (model, whose, experiment) {
            (None, Some(whose), Some(experiment)) => experiment.assign(whose),
            _ => Assignment { model, arm: None },
        }
    }

    /// Names an answer given now: see [`RecId`]. As long as nothing is learnt, the same name stands for the same list.
    pub fn rec_id(&self, history: History<'_>, scenario: Option<&str>, by: &Assignment<'_>) -> String {
        let id = RecId {
            events: self.counters.events,
            entities: self.counters.entities,
            who: RecId::hash_of(history),
            model: by.model.unwrap_or("fused").into(),
            experiment: by.arm.map(|(experiment, _)| experiment.into()),
            arm: by.arm.map(|(_, arm)| arm.into()),
            scenario: scenario.filter(|scenario| scenario.len() <= SCENARIO_BYTES_MAX).map(Into::into),
        };
        id.to_string()
    }
}
