//! What a monitor watches, and what it takes to be out of the ordinary.

use crate::config::rules::Rule;
use crate::processor::document::Places;

/// Longest bucket, cool-down: a year.
const SPAN_MAX_MS: i64 = 366 * 86_400_000;

/// One rule of `recommender.monitors`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MonitorRule {
    pub(super) name: String,
    pub(crate) topic: String,
    pub(super) measure: Measure,
    /// Where number, key and time stand; [`Measure::Count`] needs no number, and each key is watched by itself.
    pub(super) places: Places,
    pub(super) bucket_ms: i64,
    pub(super) season: Season,
    /// How much of mean and variance one observation makes, once 1/`alpha` were learnt.
    pub(super) alpha: f64,
    /// Observations to be learnt before one is judged.
    pub(super) warmup: u32,
    /// The least |z| of an alert.
    pub(super) threshold: f64,
    pub(super) side: Side,
    pub(super) cooldown_ms: i64,
    /// Buckets end with the records of other topics too, so far behind them, ms; `None`: with the rule's own topic alone.
    pub(super) idle_ms: Option<i64>,
    /// The least deviation.
    pub(super) floor: f64,
    pub(super) keys: usize,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Messages of a bucket.
    Count,
    /// The sum of a bucket's numbers.
    Sum,
    /// The mean of a bucket's numbers; a bucket without any is passed over.
    Mean,
    /// Each number.
    Value,
}

/// What is compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Season {
    /// All with all.
    None,
    /// The same hours of days, UTC.
    HourOfDay,
    /// The same days of weeks, UTC.
    DayOfWeek,
    /// The same hours of weeks, UTC.
    HourOfWeek,
}

/// What is alerted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Too much and too little.
    Both,
    /// Too much.
    Up,
    /// Too little.
    Down,
}

impl MonitorRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub(crate) fn read(rule: &mut Rule) -> Result<Self, String> {
        let topic = rule.required_topic("topic")?;
        let places = Places::read(rule)?;
        let measures = match places.field {
            None => &[("count", Measure::Count)][..],
            Some(_) => &[("value", Measure::Value), ("sum", Measure::Sum), ("mean", Measure::Mean)],
        };
        let measure = rule.choice("measure", measures)?;
        let seasons = [
            ("none", Season::None),
            ("hour-of-day", Season::HourOfDay),
            ("day-of-week", Season::DayOfWeek),
            ("hour-of-week", Season::HourOfWeek),
        ];
        let season = rule.choice("season", &seasons)?;
        let bucket_ms = rule.millis("bucket", 60_000, 1, SPAN_MAX_MS)?;
        Ok(Self {
            name: rule.name.clone(),
            topic,
            measure,
            places,
            bucket_ms,
            season,
            alpha: rule.number("alpha", 0.05, 1e-6, 1.0)?,
            warmup: rule.number("warmup", if season == Season::None { 20 } else { 5 }, 1, 1_000_000)?,
            threshold: rule.number("threshold", 4.0, 0.1, 1e9)?,
            side: rule.choice("side", &[("both", Side::Both), ("up", Side::Up), ("down", Side::Down)])?,
            cooldown_ms: rule.millis(
                "cooldown",
                bucket_ms.saturating_mul(10).min(SPAN_MAX_MS),
                0,
                SPAN_MAX_MS,
            )?,
            idle_ms: rule.optional_millis("idle", 0, SPAN_MAX_MS)?,
            floor: rule.number("floor", 0.0, 0.0, 1e100)?,
            keys: rule.number("keys", 1000, 1, 1_000_000)?,
        })
    }
}

impl Measure {
    /// The word for it in an alert.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Value => "value",
        }
    }

    /// The deviation below which nothing is believed: what chance alone makes of a count, and rounding of a number.
    pub(super) fn least_deviation(self, mean: f64) -> f64 {
        match self {
            Self::Count => mean.max(1.0).sqrt(),
            Self::Sum | Self::Mean | Self::Value => (mean.abs() * 1e-6).max(1e-9),
        }
    }
}

impl Season {
    /// How many parts of it are told apart.
    pub(super) const fn slots(self) -> usize {
        match self {
            Self::None => 1,
            Self::HourOfDay => 24,
            Self::DayOfWeek => 7,
            Self::HourOfWeek => 168,
        }
    }

    /// Which of them a time is in.
    pub(super) fn slot(self, time_ms: i64) -> usize {
        let part_ms = match self {
            Self::None => return 0,
            Self::HourOfDay | Self::HourOfWeek => 3_600_000,
            Self::DayOfWeek => 86_400_000,
        };
        time_ms.div_euclid(part_ms).rem_euclid(self.slots() as i64) as usize
    }
}
