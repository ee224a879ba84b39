//! What is counted of answers, and the figures made of it.

use super::currency::Currency;
use super::statistics::{Moments, Test, two_proportions, welch, wilson};
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Most currencies told apart; orders in others are not counted.
const CURRENCIES_MAX: usize = 32;

/// Counts of one origin in one window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) impressions: u64,
    pub(crate) clicks: u64,
    pub(crate) conversions: u64,
    /// What each order came to, of those that say, by currency, in order of that.
    orders: Vec<(Currency, Moments)>,
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
    /// Revenue by orders, each currency by itself.
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

    /// What there is of it, each currency by itself if it is of money; nothing where nothing was counted.
    pub(crate) fn of(self, tally: &Tally) -> impl Iterator<Item = (Currency, Figure)> {
        self.parts(tally).into_iter().filter_map(|(currency, parts)| Some((currency, parts.figure()?)))
    }

    /// Tests the second against the first, each currency by itself if it is of money.
    pub(crate) fn compare(self, first: &Tally, second: &Tally) -> Vec<(Currency, Test)> {
        let second = self.parts(second);
        let test = |(currency, first): (Currency, Parts)| {
            let (_, second) = second.iter().find(|(other, _)| *other == currency)?;
            Some((currency, first.compare(second)?))
        };
        self.parts(first).into_iter().filter_map(test).collect()
    }

    fn parts(self, tally: &Tally) -> Vec<(Currency, Parts)> {
        let one = match self {
            Self::Ctr => Parts::Rate(tally.clicks, tally.impressions),
            Self::Cvr => Parts::Rate(tally.conversions, tally.clicks),
            Self::Aov => {
                return tally
                    .orders
                    .iter()
                    .map(|(currency, orders)| (*currency, Parts::Mean(*orders)))
                    .collect();
            }
            Self::Satisfaction => Parts::Mean(tally.satisfaction),
            Self::HitRate => Parts::Rate(tally.hits, tally.trials),
        };
        vec![(Currency::NONE, one)]
    }
}

/// What a figure is made of.
#[derive(Debug, Clone, Copy)]
enum Parts {
    /// Hits and trials.
    Rate(u64, u64),
    Mean(Moments),
}

impl Parts {
    fn figure(self) -> Option<Figure> {
        match self {
            Self::Rate(_, 0) => None,
            Self::Rate(hits, trials) => {
                let (low, high) = ends(wilson(hits, trials));
                let (sum, count) = (hits as f64, trials);
                Some(Figure { value: sum / count as f64, sum, count, low, high })
            }
            Self::Mean(moments) => {
                let (low, high) = ends(moments.interval());
                let (sum, count) = (moments.sum, moments.count);
                moments.mean().map(|value| Figure { value, sum, count, low, high })
            }
        }
    }

    fn compare(self, second: &Self) -> Option<Test> {
        match (self, second) {
            (Self::Rate(hits, trials), Self::Rate(others, of)) => {
                two_proportions((hits, trials), (*others, *of))
            }
            (Self::Mean(first), Self::Mean(second)) => welch(&first, second),
            _ => None,
        }
    }
}

fn ends(interval: Option<(f64, f64)>) -> (Option<f64>, Option<f64>) {
    interval.map_or((None, None), |(low, high)| (Some(low), Some(high)))
}

impl Snapshot for Tally {
    fn save(&self, out: &mut Writer) {
        for count in [self.impressions, self.clicks, self.conversions, self.trials, self.hits] {
            out.u64(count);
        }
        save_moments(&self.satisfaction, out);
        out.u32(self.orders.len() as u32);
        for (currency, orders) in &self.orders {
            out.text(currency.name());
            save_moments(orders, out);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (impressions, clicks, conversions) = (input.u64()?, input.u64()?, input.u64()?);
        let (trials, hits) = (input.u64()?, input.u64()?);
        let satisfaction = load_moments(input)?;
        let mut tally =
            Self { impressions, clicks, conversions, satisfaction, trials, hits, orders: Vec::new() };
        for _ in 0..input.count(28)? {
            let (currency, loaded) = (Currency::named(input.text()?), load_moments(input)?);
            if let Some(orders) = tally.orders_in(currency) {
                *orders = loaded;
            }
        }
        Ok(tally)
    }
}

fn save_moments(moments: &Moments, out: &mut Writer) {
    out.u64(moments.count);
    out.f64(moments.sum);
    out.f64(moments.squares);
}

fn load_moments(input: &mut Reader<'_>) -> Result<Moments, SnapshotError> {
    Ok(Moments { count: input.u64()?, sum: input.f64()?, squares: input.f64()? })
}

impl Tally {
    /// Bytes in a snapshot, at least.
    pub(crate) const SAVED_BYTES: usize = 5 * 8 + 24 + 4;

    /// What orders of a currency came to; `None` where there are too many currencies for one more.
    pub(crate) fn orders_in(&mut self, currency: Currency) -> Option<&mut Moments> {
        let place = match self.orders.binary_search_by_key(&currency, |(known, _)| *known) {
            Ok(place) => place,
            Err(_) if self.orders.len() >= CURRENCIES_MAX => return None,
            Err(place) => {
                self.orders.insert(place, (currency, Moments::default()));
                place
            }
        };
        self.orders.get_mut(place).map(|(_, orders)| orders)
    }

    /// Bytes held elsewhere.
    pub(crate) fn size_bytes_of_orders(&self) -> usize {
        self.orders.capacity() * size_of::<(Currency, Moments)>()
    }
}
