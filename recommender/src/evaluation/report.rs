//! The outcome of an evaluation, as Markdown for people and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use super::tally::{RatingScores, Scores, Tally};
use super::{Counts, Options};

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The protocol's name.
    pub protocol: &'static str,
    /// Whether items could come again.
    pub repeats: &'static str,
    /// Whether events of one user and time were asked for together.
    pub grouped: bool,
    /// Events learnt.
    pub learnt: usize,
    /// Questions asked of each model.
    pub asked: usize,
    /// Users known at the end.
    pub users: usize,
    /// Items known at the end.
    pub items: usize,
    /// By model.
    pub models: Vec<ModelReport>,
    /// The weights that the fusion had learnt by the end.
    pub weights: Vec<(&'static str, f64)>,
}

/// What came out for one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// Its name.
    pub model: String,
    /// By length of list.
    pub scores: Vec<Scores>,
    /// Of models that predict ratings, on logs that have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratings: Option<RatingScores>,
}

impl Report {
    pub(super) fn new(options: &Options, counts: &Counts, tallies: &[Tally]) -> Self {
        let model = |(name, tally): (&String, &Tally)| ModelReport {
            model: name.clone(),
            scores: tally.scores(counts.items),
            ratings: tally.rating_scores(),
        };
        Self {
            protocol: options.protocol.name(),
            repeats: if options.repeats { "allow" } else { "skip" },
            grouped: !options.ungrouped,
            learnt: counts.learnt,
            asked: counts.asked,
            users: counts.users,
            items: counts.items,
            models: options.models.iter().zip(tallies).map(model).collect(),
            weights: counts.weights.clone(),
        }
    }

    /// The scores of a model at a length of list.
    pub fn scores(&self, model: &str, at: usize) -> Option<&Scores> {
        let model = self.models.iter().find(|report| report.model == model)?;
        model.scores.iter().find(|scores| scores.at == at)
    }

    /// A table for people.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        let grouped = if self.grouped { "grouped by user and time" } else { "ungrouped" };
        let _ = writeln!(
            out,
            "{}, repeats {}, {grouped}: {} events learnt, {} questions, {} users, {} items\n",
            self.protocol, self.repeats, self.learnt, self.asked, self.users, self.items
        );
        out.push_str(
            "| model | n | hit rate | recall | recall, known users | NDCG | MRR | coverage | novelty |\n",
        );
        out.push_str("|---|---|---|---|---|---|---|---|---|\n");
        for model in &self.models {
            for s in &model.scores {
                let _ = writeln!(
                    out,
                    "| {} | {} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} | {:.2} |",
                    model.model,
                    s.at,
                    s.hit_rate,
                    s.recall,
                    s.warm_recall,
                    s.ndcg,
                    s.mrr,
                    s.coverage,
                    s.novelty
                );
            }
        }
        let rated = self.models.iter().filter_map(|model| Some((&model.model, model.ratings?)));
        for (at, (model, errors)) in rated.enumerate() {
            if at == 0 {
                out.push_str("\n| model | ratings | predicted | RMSE | MAE |\n|---|---|---|---|---|\n");
            }
            let RatingScores { ratings, predicted, rmse, mae } = errors;
            let _ = writeln!(out, "| {model} | {ratings} | {predicted} | {rmse:.4} | {mae:.4} |");
        }
        out
    }

    /// The same as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
