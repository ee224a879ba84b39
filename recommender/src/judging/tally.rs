//! What is counted of answers, and the figures made of it.

use super::statistics::{Moments, Test, two_proportions, welch, wilson};
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Counts of one origin in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) impressions: u64,
    pub(crate) clicks: u64,
    pub(crate) conversions: u64,
    /// What each order came to, of those that say.
    pub(crate) orders: Moments,
    pub(crate) satisfaction: Moments,
    /// Lists that were looked at before an event was learnt, and those that had its item.
    pub(crate) trials: u64,
    pub(crate) hits: u64,
}

/// A figure that answers are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedBy {
    /// Clicks by impressions.
    Ctr,
    /// Conversions by clicks.
    Cvr,
    /// Revenue by orders.
    Aov,
    /// The mean of what users said.
    Satisfaction,
    /// How often a model's ten best have what the user takes next.
    HitRate,
}

/// A figure, from what, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// What is divided: clicks, conversions, revenue, the sum of what users said, hits.
    pub sum: f64,
    /// By what: impressions, clicks, orders, answers of users, trials.
    pub count: u64,
    /// The lower end of the 95 % interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

impl JudgedBy {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Ctr, Self::Cvr, Self::Aov, Self::Satisfaction, Self::HitRate];

    /// Its name in topics and over HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ctr => "ctr",
            Self::Cvr => "cvr",
            Self::Aov => "aov",
            Self::Satisfaction => "satisfaction",
            Self::HitRate => "hit-rate",
        }
    }

    /// The figure of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// What there is of it; `None` where nothing was counted.
    pub(crate) fn of(self, tally: &Tally) -> Option<Figure> {
        let spread = |moments: &Moments| {
            let interval = moments.interval();
            let (sum, count) = (moments.sum, moments.count);
            moments.mean().map(|value| Figure {
                value,
                sum,
                count,
                low: ends(interval).0,
                high: ends(interval).1,
            })
        };
        match self.parts(tally) {
            Parts::Rate((_, 0)) => None,
            Parts::Rate((hits, trials)) => {
                let (low, high) = ends(wilson(hits, trials));
                let (sum, count) = (hits as f64, trials);
                Some(Figure { value: sum / count as f64, sum, count, low, high })
            }
            Parts::Mean(moments) => spread(moments),
        }
    }

    /// Tests the second against the first.
    pub(crate) fn compare(self, first: &Tally, second: &Tally) -> Option<Test> {
        match (self.parts(first), self.parts(second)) {
            (Parts::Rate(first), Parts::Rate(second)) => two_proportions(first, second),
            (Parts::Mean(first), Parts::Mean(second)) => welch(first, second),
            _ => None,
        }
    }

    fn parts(self, tally: &Tally) -> Parts<'_> {
        match self {
            Self::Ctr => Parts::Rate((tally.clicks, tally.impressions)),
            Self::Cvr => Parts::Rate((tally.conversions, tally.clicks)),
            Self::Aov => Parts::Mean(&tally.orders),
            Self::Satisfaction => Parts::Mean(&tally.satisfaction),
            Self::HitRate => Parts::Rate((tally.hits, tally.trials)),
        }
    }
}

enum Parts<'t> {
    /// Hits and trials.
    Rate((u64, u64)),
    Mean(&'t Moments),
}

fn ends(interval: Option<(f64, f64)>) -> (Option<f64>, Option<f64>) {
    interval.map_or((None, None), |(low, high)| (Some(low), Some(high)))
}

impl Snapshot for Tally {
    fn save(&self, out: &mut Writer) {
        for count in [self.impressions, self.clicks, self.conversions, self.trials, self.hits] {
            out.u64(count);
        }
        for moments in [&self.orders, &self.satisfaction] {
            out.u64(moments.count);
            out.f64(moments.sum);
            out.f64(moments.squares);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (impressions, clicks, conversions) = (input.u64()?, input.u64()?, input.u64()?);
        let (trials, hits) = (input.u64()?, input.u64()?);
        let mut moments = || Ok(Moments { count: input.u64()?, sum: input.f64()?, squares: input.f64()? });
        let (orders, satisfaction) = (moments()?, moments()?);
        Ok(Self { impressions, clicks, conversions, orders, satisfaction, trials, hits })
    }
}

impl Tally {
    /// Bytes in a snapshot.
    pub(crate) const SAVED_BYTES: usize = 5 * 8 + 2 * 24;
}
