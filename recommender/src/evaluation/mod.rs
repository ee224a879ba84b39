//! How good the answers are: protocols, metrics, reports. It runs the very code that serves.
//!
//! ```text
//! CSV ──▶ Log ──▶ protocol: what is learnt, when is asked ──▶ Recommender ──▶ lists ──▶ metrics ──▶ Report
//! ```
//!
//! | protocol | learns | asks | counts |
//! |---|---|---|---|
//! | [`Protocol::Prequential`] | everything, in order of time | before each event | every positive event |
//! | [`Protocol::Split`] | the first part by time | each user with events on both sides, once | items new to the user |
//! | [`Protocol::LeaveLastOut`] | all but each user's last event | each user, once | that event |
//! | [`Protocol::NextItem`] | train sessions | every prefix of every test session | the next item |
//!
//! Rankings are always over all items: sampled negatives flatter and mislead (Krichene & Rendle, KDD 2020).
//! `docs/evaluation.md` has the formulas and what leaks where.

pub mod csv;
mod format;
pub mod log;
pub mod metrics;
mod offline;
mod prequential;
pub mod report;
mod sessions;
mod tally;

use thiserror::Error;

use crate::Config;
use crate::ranking::fuse::ModelChoice;
pub use format::Format;
pub use log::Log;
pub use report::Report;
use tally::Tally;

/// What is asked when. The table at the head of the module says what each one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Ask, then learn, event by event.
    Prequential,
    /// Learn the first part, ask for the rest.
    Split,
    /// Learn all but each user's last event, ask for that.
    LeaveLastOut,
    /// Learn sessions, ask along other sessions.
    NextItem,
}

impl Protocol {
    const NAMES: [(&'static str, Self); 4] = [
        ("prequential", Self::Prequential),
        ("split", Self::Split),
        ("leave-last-out", Self::LeaveLastOut),
        ("next-item", Self::NextItem),
    ];

    /// The protocol of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|entry| entry.1 == self).map_or("", |entry| entry.0)
    }
}

/// How to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What is asked when.
    pub protocol: Protocol,
    /// Models by name; `fused` is the default of the product.
    pub models: Vec<String>,
    /// Lengths of list that count.
    pub at: Vec<usize>,
    /// Whether items may be recommended and counted again. Without: seen items are left out, and only the first
    /// event of each user and item counts.
    pub repeats: bool,
    /// Whether events of one user with one time are asked for and learnt one by one. Without: all of them are
    /// asked for before any is learnt, because lines of one invoice give each other away.
    pub ungrouped: bool,
    /// The part of the events that is learnt first, for [`Protocol::Split`] without a separate test log.
    pub train_share: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protocol: Protocol::Prequential,
            models: vec![FUSED.to_owned()],
            at: vec![10, 20],
            repeats: false,
            ungrouped: false,
            train_share: 0.8,
        }
    }
}

/// The name of the product's own ranking.
pub const FUSED: &str = "fused";

/// What cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// No such model.
    #[error("unknown model {name:?}; there are {known}")]
    UnknownModel {
        /// As asked for.
        name: String,
        /// Every name.
        known: String,
    },
    /// Nothing to do.
    #[error("{0}")]
    Nothing(&'static str),
}

/// Evaluates `log`, or learns `log` and evaluates `test` where a separate test log is given.
///
/// # Errors
/// [`EvaluationError`] if the options ask for what there is not.
pub fn run(
    options: &Options,
    config: Config,
    log: &Log,
    test: Option<&Log>,
) -> Result<Report, EvaluationError> {
    if options.at.is_empty() || options.at.contains(&0) {
        return Err(EvaluationError::Nothing("lists of no length: --at takes numbers from 1 on"));
    }
    if log.is_empty() {
        return Err(EvaluationError::Nothing("the log has no events"));
    }
    let choices = choices(&options.models)?;
    let mut tallies: Vec<Tally> = choices.iter().map(|_| Tally::new(&options.at)).collect();
    let counts = match options.protocol {
        Protocol::Prequential => prequential::run(options, config, log, test, &choices, &mut tallies),
        Protocol::Split => offline::split(options, config, log, test, &choices, &mut tallies),
        Protocol::LeaveLastOut => offline::leave_last_out(options, config, log, &choices, &mut tallies),
        Protocol::NextItem => {
            let test = test.ok_or(EvaluationError::Nothing("next-item needs train and test sessions"))?;
            sessions::next_item(config, log, test, &choices, &mut tallies)
        }
    };
    Ok(Report::new(options, &counts, &tallies))
}

/// What an evaluation went through.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) learnt: usize,
    pub(crate) asked: usize,
    pub(crate) users: usize,
    pub(crate) items: usize,
    pub(crate) weights: Vec<(&'static str, f64)>,
}

fn choices(names: &[String]) -> Result<Vec<ModelChoice>, EvaluationError> {
    let known = || {
        let names: Vec<&str> = std::iter::once(FUSED)
            .chain(crate::Recommender::models())
            .chain(crate::Recommender::optional_models())
            .collect();
        names.join(", ")
    };
    let one = |name: &String| {
        ModelChoice::from_name(name)
            .ok_or_else(|| EvaluationError::UnknownModel { name: name.clone(), known: known() })
    };
    names.iter().map(one).collect()
}

/// A recommender in which every model to be measured learns; only those of the settings are fused.
pub(crate) fn recommender(config: Config, choices: &[ModelChoice]) -> crate::Recommender {
    let optional = |choice: &ModelChoice| match choice {
        ModelChoice::Optional(place) => Some(*place),
        ModelChoice::Column(_) | ModelChoice::Fused => None,
    };
    crate::Recommender::observing(config, &choices.iter().filter_map(optional).collect::<Vec<_>>())
}
