//! What is made of a topic's numbers over which windows, and where it goes.

use crate::config::rules::Rule;
use crate::processor::document::Places;
use crate::processor::topics;
use crate::windows::{Cut, Fading, Figure, Settings};

/// The longest length of time in a rule: a year.
const SPAN_MAX_MS: i64 = 366 * 86_400_000;
/// Most windows that one number is in.
const OVERLAP_MAX: i64 = 1000;

/// One rule of `recommender.windows`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowRule {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) output: String,
    pub(super) places: Places,
    pub(super) aggregate: Aggregate,
    pub(super) over: Over,
    /// Time goes on with the records of other topics, so far behind them, ms; `None`: with the rule's own topic alone.
    pub(super) idle_ms: Option<i64>,
    pub(super) late_is_dead: bool,
}

/// A figure and its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Aggregate {
    pub(super) name: &'static str,
    pub(super) figure: Figure,
}

/// What a figure is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Over {
    /// The numbers of a window.
    Windows(Settings),
    /// All numbers of a key so far, each counting half as much one half-life later.
    Ewm(EwmSettings),
}

/// How numbers fade, and when they are taken in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EwmSettings {
    pub(super) half_life_ms: i64,
    /// How far the watermark is behind the newest time.
    pub(super) delay_ms: i64,
    /// How far behind the watermark a number may be.
    pub(super) grace_ms: i64,
    /// Most keys, and most numbers that wait for the watermark.
    pub(super) keys_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Tumbling,
    Hopping,
    Sliding,
    Rolling,
    Session,
    Ewm,
}

const KINDS: [(&str, Kind); 6] = [
    ("tumbling", Kind::Tumbling),
    ("hopping", Kind::Hopping),
    ("sliding", Kind::Sliding),
    ("rolling", Kind::Rolling),
    ("session", Kind::Session),
    ("ewm", Kind::Ewm),
];

/// The figures there are, by name.
const FIGURES: [(&str, Figure); 7] = [
    ("count", Figure::Count),
    ("sum", Figure::Sum),
    ("avg", Figure::Average),
    ("min", Figure::Least),
    ("max", Figure::Greatest),
    ("first", Figure::First),
    ("last", Figure::Last),
];

impl WindowRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(rule: &mut Rule) -> Result<Self, String> {
        let topic = rule.required_topic("topic")?;
        let output = rule.topic("output")?.unwrap_or_else(|| topics::WINDOWS.to_owned());
        let places = Places::read(rule)?;
        let kind = rule.choice("window", &KINDS)?;
        let aggregate = Aggregate::read(rule, kind, places.field.is_some())?;
        let over = match kind {
            Kind::Ewm => Over::Ewm(EwmSettings::read(rule)?),
            _ => Over::Windows(settings(rule, kind)?),
        };
        Ok(Self {
            name: rule.name.clone(),
            topic,
            output,
            places,
            aggregate,
            over,
            idle_ms: rule.optional_millis("idle", 0, SPAN_MAX_MS)?,
            late_is_dead: rule.choice("late", &[("count", false), ("dead-letter", true)])?,
        })
    }
}

impl Aggregate {
    fn read(rule: &mut Rule, kind: Kind, has_field: bool) -> Result<Self, String> {
        let named = |figure: Figure| FIGURES.into_iter().find(|(_, known)| *known == figure);
        let figures: Vec<_> = match kind {
            // What the field is for, first: it is taken if none is named.
            Kind::Ewm if has_field => Fading::FIGURES.into_iter().filter_map(named).collect(),
            Kind::Ewm => Fading::FIGURES.into_iter().rev().filter_map(named).collect(),
            _ => FIGURES.to_vec(),
        };
        let choices: Vec<_> =
            figures.into_iter().map(|(name, figure)| (name, Self { name, figure })).collect();
        let chosen = rule.choice("aggregate", &choices)?;
        if !has_field && chosen.figure != Figure::Count {
            return Err(format!("field `field` is missing: {} of what?", chosen.name));
        }
        Ok(chosen)
    }
}

fn settings(rule: &mut Rule, kind: Kind) -> Result<Settings, String> {
    let size_ms = rule.millis("size", 60_000, 1, SPAN_MAX_MS)?;
    let advance_ms = rule.millis("advance", size_ms, 1, SPAN_MAX_MS)?;
    if advance_ms > size_ms || size_ms / advance_ms > OVERLAP_MAX {
        return Err(format!("field `advance` is more than `size`, or less than its {OVERLAP_MAX}th"));
    }
    if rule.text("halflife").is_some() {
        return Err("field `halflife` is for `window=ewm`".to_owned());
    }
    let cut = match kind {
        Kind::Hopping => Cut::Hopping { size_ms, advance_ms },
        _ if advance_ms != size_ms => return Err("field `advance` is for `window=hopping`".to_owned()),
        Kind::Sliding => Cut::Sliding { size_ms },
        // The earlier end is not in it.
        Kind::Rolling => Cut::Sliding { size_ms: size_ms - 1 },
        Kind::Session => Cut::Session { gap_ms: size_ms },
        Kind::Tumbling | Kind::Ewm => Cut::Tumbling { size_ms },
    };
    let (delay_ms, grace_ms, windows_max) = lateness(rule)?;
    Ok(Settings { cut, delay_ms, grace_ms, windows_max })
}

impl EwmSettings {
    fn read(rule: &mut Rule) -> Result<Self, String> {
        for field in ["size", "advance"] {
            if rule.text(field).is_some() {
                return Err(format!("field `{field}` is not for `window=ewm`, which has a `halflife`"));
            }
        }
        let half_life_ms = rule.optional_millis("halflife", 1, SPAN_MAX_MS)?;
        let half_life_ms = half_life_ms.ok_or("field `halflife` is missing")?;
        let (delay_ms, grace_ms, keys_max) = lateness(rule)?;
        Ok(Self { half_life_ms, delay_ms, grace_ms, keys_max })
    }
}

/// How far the watermark is behind, how far behind that numbers may be, and how much is kept at most.
fn lateness(rule: &mut Rule) -> Result<(i64, i64, usize), String> {
    let delay_ms = rule.millis("delay", 0, 0, SPAN_MAX_MS)?;
    let grace_ms = rule.millis("grace", 60_000, 0, SPAN_MAX_MS)?;
    Ok((delay_ms, grace_ms, rule.number("windows", 100_000, 1, 10_000_000)?))
}
