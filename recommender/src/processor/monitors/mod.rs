//! Anomalies: numbers and counts of any topic that are far from what they used to be, to `kindred.alerts`.
//!
//! ```text
//! message ─▶ number, key, time ─▶ bucket of the key ─▶ z = (x − μ)/σ ─▶ |z| ≥ threshold: alert
//!                                    │ time moves on       ▲
//!                                    └─▶ closed: judged ───┴─▶ learnt: μ, σ, by season
//! ```
//! A bucket is judged when a message with a later time closes it, and every bucket between that had no message at all, as
//! zero. A count that is too high already is alerted of at once. Every observation is learnt after it was judged, an
//! anomaly too, so that a change that lasts becomes the rule.
//!
//! What comes late counts in the open bucket, so that nothing is lost. With `idle` set, messages of other topics close
//! buckets too. Where time jumps over more than [`GAP_MAX`]
//! buckets, only so many of them count as quiet.

mod rule;
mod series;

use serde::Serialize;

use super::document::{Document, Observation};
use super::emission::Emission;
use super::keyed::Keyed;
use super::operator::Operator;
use super::{dead_letter, topics};
use crate::config::Config;
use crate::recommender::Incoming;
use crate::state::positions::Sources;
use crate::state::ring::Origin;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use rule::Measure;
pub(crate) use rule::MonitorRule;
use series::{Series, Verdict};

/// Most quiet buckets that count where time jumps.
const GAP_MAX: i64 = 1000;

/// Every monitor.
#[derive(Debug)]
pub(super) struct Monitors {
    monitors: Vec<Monitor>,
    sources: Sources,
    time_ahead_max_ms: i64,
}

/// One rule and what it has seen.
#[derive(Debug)]
struct Monitor {
    rule: MonitorRule,
    /// The open bucket, counted from 1970.
    open: Option<i64>,
    series: Keyed<Series>,
}

/// An alert, as it is written.
#[derive(Serialize)]
struct Alert<'a> {
    alert: &'static str,
    rule: &'a str,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    measure: &'static str,
    value: f64,
    mean: f64,
    deviation: f64,
    z: f64,
    window: Window,
    /// The last message that counted: topic, partition, offset.
    evidence: String,
}

/// From when up to but not including when, ms since 1970.
#[derive(Serialize, Clone, Copy)]
struct Window {
    from: i64,
    to: i64,
}

impl Monitors {
    pub(super) fn new(config: &Config) -> Self {
        let monitor = |rule: &MonitorRule| Monitor {
            series: Keyed::new(if rule.places.by.is_some() { rule.keys } else { 1 }),
            rule: rule.clone(),
            open: None,
        };
        Self {
            monitors: config.monitors.iter().map(monitor).collect(),
            sources: Sources::default(),
            time_ahead_max_ms: config.time_ahead_max_ms,
        }
    }
}

impl Operator for Monitors {
    fn name(&self) -> &'static str {
        "monitors"
    }

    fn listens(&self, topic: &str) -> bool {
        self.monitors.iter().any(|monitor| monitor.rule.topic == topic)
    }

    fn hear(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) {
        let document = Document::new(message);
        for monitor in self.monitors.iter_mut().filter(|monitor| monitor.rule.topic == message.topic) {
            let rule = &monitor.rule;
            match document.observation(&rule.places, &rule.name, self.time_ahead_max_ms) {
                Ok(Some(seen)) => monitor.observe(&seen, message, &mut self.sources, out),
                Ok(None) => {}
                Err(rejection) => out.push(dead_letter::whole(message, &rejection)),
            }
        }
    }

    fn pass(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) {
        let time_ms = message.time_ms;
        let others = |monitor: &&mut Monitor| monitor.open.is_some() && monitor.rule.topic != message.topic;
        for monitor in self.monitors.iter_mut().filter(others) {
            if let Some(idle_ms) = monitor.rule.idle_ms {
                monitor.move_on(time_ms.saturating_sub(idle_ms), time_ms, &self.sources, out);
            }
        }
    }

    fn forget(&mut self, _: Option<&str>, user: &str) {
        self.monitors.iter_mut().for_each(|monitor| monitor.series.remove(user));
    }

    fn size_bytes(&self) -> usize {
        self.monitors.iter().map(|monitor| monitor.series.size_bytes(Series::size_bytes)).sum()
    }

    fn save(&self, out: &mut Writer) {
        self.sources.save(out);
        for monitor in &self.monitors {
            out.i64(monitor.open.unwrap_or(i64::MIN));
            monitor.series.save(out);
        }
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.sources = Sources::load(input)?;
        for monitor in &mut self.monitors {
            monitor.open = Some(input.i64()?).filter(|&open| open != i64::MIN);
            monitor.series.load(input)?;
            let slots = monitor.rule.season.slots();
            if monitor.series.iter_mut().any(|(_, series)| series.slots.len() != slots) {
                return Err(SnapshotError::Malformed("another season"));
            }
        }
        Ok(())
    }
}

impl Monitor {
    fn observe(
        &mut self,
        seen: &Observation,
        message: &Incoming<'_>,
        sources: &mut Sources,
        out: &mut Vec<Emission>,
    ) {
        let position = message.position;
        let origin = Origin { source: sources.intern(position.source), offset: position.offset };
        if self.rule.measure != Measure::Value {
            self.move_on(seen.time_ms, message.time_ms, sources, out);
        }
        let rule = &self.rule;
        let series = self.series.use_or_make(&seen.key, || Series::new(rule.season.slots()));
        series.last = origin;
        let window = match self.open {
            Some(open) => rule.window(open),
            None => Window { from: seen.time_ms, to: seen.time_ms },
        };
        let slot = rule.season.slot(window.from);
        let found = match rule.measure {
            Measure::Value => {
                let found = series.slots[slot].judge(seen.number, rule);
                series.slots[slot].learn(seen.number, rule.alpha);
                found
            }
            Measure::Count => {
                series.count(seen.number);
                // A count only grows: what is too much already needs not wait for the end.
                let count = series.present(rule.measure).filter(|_| !series.alerted);
                let found = count.and_then(|count| series.slots[slot].judge(count, rule));
                found.filter(|verdict| verdict.z > 0.0)
            }
            Measure::Sum | Measure::Mean => {
                series.count(seen.number);
                None
            }
        };
        if let Some(verdict) = found {
            let herald = Herald { rule, sources, time_ms: message.time_ms };
            out.extend(herald.alert(&seen.key, series, &verdict, window));
        }
    }

    /// Closes the buckets before the one that a time is in, because of a message of `record_ms`.
    fn move_on(&mut self, time_ms: i64, record_ms: i64, sources: &Sources, out: &mut Vec<Emission>) {
        let bucket = time_ms.div_euclid(self.rule.bucket_ms);
        let open = *self.open.get_or_insert(bucket);
        if bucket <= open {
            return;
        }
        let quiet = (bucket - GAP_MAX).max(open + 1)..bucket;
        for ended in std::iter::once(open).chain(quiet) {
            self.close(ended, sources, record_ms, out);
        }
        self.open = Some(bucket);
    }

    /// Judges and learns what a bucket came to, for every key in turn, and begins the next.
    fn close(&mut self, bucket: i64, sources: &Sources, time_ms: i64, out: &mut Vec<Emission>) {
        let rule = &self.rule;
        let window = rule.window(bucket);
        let slot = rule.season.slot(window.from);
        let herald = Herald { rule, sources, time_ms };
        for (key, series) in self.series.iter_mut() {
            if let Some(value) = series.present(rule.measure) {
                let found = series.slots[slot].judge(value, rule).filter(|_| !series.alerted);
                series.slots[slot].learn(value, rule.alpha);
                out.extend(found.and_then(|verdict| herald.alert(key, series, &verdict, window)));
            }
            series.turn();
        }
    }
}

impl MonitorRule {
    /// The time of a bucket, counted from 1970.
    fn window(&self, bucket: i64) -> Window {
        let from = bucket.saturating_mul(self.bucket_ms);
        Window { from, to: from.saturating_add(self.bucket_ms) }
    }
}

/// Makes alerts of what was found.
struct Herald<'a> {
    rule: &'a MonitorRule,
    sources: &'a Sources,
    /// The time of the message that showed it.
    time_ms: i64,
}

impl Herald<'_> {
    /// An alert, unless one was given just before.
    fn alert(&self, key: &str, series: &mut Series, verdict: &Verdict, window: Window) -> Option<Emission> {
        if window.from < series.quiet_until_ms {
            return None;
        }
        series.alerted = true;
        series.quiet_until_ms = window.from.saturating_add(self.rule.cooldown_ms);
        let rule = self.rule;
        let Verdict { value, mean, deviation, z } = *verdict;
        let alert = Alert {
            alert: "anomaly",
            rule: &rule.name,
            topic: &rule.topic,
            key: rule.places.by.is_some().then_some(key),
            measure: rule.measure.word(),
            value,
            mean,
            deviation,
            z,
            window,
            evidence: self.sources.describe(series.last),
        };
        let subject =
            if rule.places.by.is_some() { format!("{}/{key}", rule.name) } else { rule.name.clone() };
        Some(Emission::json(topics::ALERTS, &subject, &alert, self.time_ms))
    }
}

#[cfg(test)]
mod tests;
