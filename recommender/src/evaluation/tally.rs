//! Sums of the metrics over the questions of one model.

use super::metrics::coverage::Coverage;
use super::metrics::mrr::reciprocal_rank;
use super::metrics::ndcg::ndcg;
use super::metrics::novelty::Novelty;
use super::metrics::rating_error::RatingError;
use super::metrics::recall::{hit, recall};
use crate::Recommender;
use crate::ids::ItemIdx;

/// The sums of one model, at every length of list.
#[derive(Debug)]
pub(crate) struct Tally {
    at: Vec<(usize, Sums)>,
    ratings: u64,
    errors: RatingError,
}

/// How well ratings were predicted.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RatingScores {
    /// Ratings met.
    pub ratings: u64,
    /// Those of them that the model had a prediction for.
    pub predicted: u64,
    /// Root of the mean squared error of those.
    pub rmse: f64,
    /// Mean absolute error of those.
    pub mae: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Sums {
    questions: u64,
    hit: f64,
    recall: f64,
    ndcg: f64,
    mrr: f64,
    warm: u64,
    warm_recall: f64,
    coverage: Coverage<u32>,
    novelty: Novelty,
}

/// The means of one model at one length.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Scores {
    /// Length of list.
    pub at: usize,
    /// Questions asked.
    pub questions: u64,
    /// Share of lists with at least one relevant item.
    pub hit_rate: f64,
    /// Mean share of the relevant items in the list.
    pub recall: f64,
    /// Questions about users with a history.
    pub warm_questions: u64,
    /// Mean recall over those.
    pub warm_recall: f64,
    /// Mean NDCG.
    pub ndcg: f64,
    /// Mean reciprocal rank.
    pub mrr: f64,
    /// Share of the catalogue that was ever shown.
    pub coverage: f64,
    /// Mean self-information of what was shown, in bits.
    pub novelty: f64,
}

impl Tally {
    pub(crate) fn new(at: &[usize]) -> Self {
        let at = at.iter().map(|&n| (n, Sums::default())).collect();
        Self { at, ratings: 0, errors: RatingError::default() }
    }

    /// Counts one rating and what was predicted for it.
    pub(crate) fn rate(&mut self, predicted: Option<f64>, actual: f64) {
        self.ratings += 1;
        if let Some(predicted) = predicted {
            self.errors.add(predicted, actual);
        }
    }

    /// The errors of predicted ratings; `None` if none was predicted.
    pub(crate) fn rating_scores(&self) -> Option<RatingScores> {
        let errors = &self.errors;
        (errors.count() > 0).then(|| RatingScores {
            ratings: self.ratings,
            predicted: errors.count(),
            rmse: errors.rmse(),
            mae: errors.mae(),
        })
    }

    /// Counts one list shown, for coverage and novelty.
    pub(crate) fn show(&mut self, ranked: &[ItemIdx], recommender: &Recommender) {
        let state = recommender.state();
        for (n, sums) in &mut self.at {
            let shown = &ranked[..ranked.len().min(*n)];
            sums.coverage.add(&shown.iter().map(|item| item.0).collect::<Vec<_>>());
            for &item in shown {
                sums.novelty.add(state.items.users(item), state.users.with_likes());
            }
        }
    }

    /// Counts one question. `relevant`: the items the user did come to. `warm`: the user has a history.
    pub(crate) fn ask(&mut self, ranked: &[ItemIdx], relevant: &[ItemIdx], warm: bool) {
        for (n, sums) in &mut self.at {
            sums.questions += 1;
            sums.hit += hit(ranked, relevant, *n);
            let recall = recall(ranked, relevant, *n);
            sums.recall += recall;
            if warm {
                sums.warm += 1;
                sums.warm_recall += recall;
            }
            sums.ndcg += ndcg(ranked, relevant, *n);
            sums.mrr += reciprocal_rank(ranked, relevant, *n);
        }
    }

    /// The means. `items`: the size of the catalogue.
    pub(crate) fn scores(&self, items: usize) -> Vec<Scores> {
        let scores = |(n, sums): &(usize, Sums)| {
            let questions = sums.questions.max(1) as f64;
            Scores {
                at: *n,
                questions: sums.questions,
                hit_rate: sums.hit / questions,
                recall: sums.recall / questions,
                warm_questions: sums.warm,
                warm_recall: sums.warm_recall / sums.warm.max(1) as f64,
                ndcg: sums.ndcg / questions,
                mrr: sums.mrr / questions,
                coverage: sums.coverage.value(items),
                novelty: sums.novelty.value(),
            }
        };
        self.at.iter().map(scores).collect()
    }
}
