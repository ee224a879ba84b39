//! Risk: events that come too fast, or from too few for too many, are kept from the models and alerted of.
//!
//! ```text
//! clean event ─▶ subject (user, address and item, …) ─▶ events or different things in the window ─▶ more than the limit:
//!                                                              alert, once in a while; quarantine: a dead letter
//! ```
//! Subjects with a user, an item or a session in them are of a tenant; those of nothing but places are of all together, as an
//! address is. What is quarantined counts too: a subject is let through again once it has slowed down by itself. An event without
//! the subject is not the rule's business, nor is one that is older than the window.

mod rule;

use serde::Serialize;

use super::document::Document;
use super::emission::Emission;
use super::keyed::Keyed;
use super::operator::Operator;
use super::rates::{Distinct, Rate};
use super::topics;
use crate::config::Config;
use crate::ingest::rejection::Rejection;
use crate::recommender::{Recommender, Seen, tenant_key};
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};
pub(crate) use rule::RiskRule;

/// Between the tenant, or nothing, and the parts of a subject, where it is kept.
const SEPARATOR: &str = "\u{1f}";

/// Every rule.
#[derive(Debug)]
pub(super) struct Risk {
    guards: Vec<Guard>,
}

/// One rule and what it has seen.
#[derive(Debug)]
struct Guard {
    rule: RiskRule,
    subjects: Keyed<Subject>,
}

/// What was seen of one subject.
#[derive(Debug, Clone, PartialEq)]
struct Subject {
    tally: Tally,
    /// No alert before this.
    quiet_until_ms: i64,
}

#[derive(Debug, Clone, PartialEq)]
enum Tally {
    Events(Rate),
    Things(Distinct),
}

/// An alert, as it is written.
#[derive(Serialize)]
struct Alert<'a> {
    alert: &'static str,
    /// Whose subject it is, if a tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    rule: &'a str,
    subject: &'a str,
    /// What the parts of the subject are.
    by: Vec<String>,
    /// What was counted.
    counted: String,
    count: u32,
    limit: u32,
    window: Window,
    quarantined: bool,
    /// The event that was too much: topic, partition, offset.
    evidence: String,
}

/// From when up to when, ms since 1970.
#[derive(Serialize)]
struct Window {
    from: i64,
    to: i64,
}

impl Risk {
    pub(super) fn new(config: &Config) -> Self {
        let guard = |rule: &RiskRule| Guard { subjects: Keyed::new(rule.keys), rule: rule.clone() };
        Self { guards: config.risk.iter().map(guard).collect() }
    }
}

impl Operator for Risk {
    fn name(&self) -> &'static str {
        "risk"
    }

    fn admit(&mut self, seen: &Seen<'_>, _: &Recommender, out: &mut Vec<Emission>) -> Result<(), Rejection> {
        let document = Document::new(seen.message);
        let mut verdict = Ok(());
        // Every rule counts, whatever those before it say.
        for guard in self.guards.iter_mut().filter(|guard| guard.rule.covers(seen)) {
            let found = guard.look(seen, &document, out);
            verdict = verdict.and(found);
        }
        verdict
    }

    fn forget(&mut self, tenant: Option<&str>, user: &str) {
        for guard in &mut self.guards {
            guard.subjects.retain(|subject| {
                let (of, parts) = subject.split_once(SEPARATOR).unwrap_or_default();
                of != tenant.unwrap_or_default() || parts.split(SEPARATOR).all(|part| part != user)
            });
        }
    }

    fn size_bytes(&self) -> usize {
        let more = |subject: &Subject| match &subject.tally {
            Tally::Events(_) => 0,
            Tally::Things(things) => things.size_bytes(),
        };
        self.guards.iter().map(|guard| guard.subjects.size_bytes(more)).sum()
    }

    fn save(&self, out: &mut Writer) {
        self.guards.iter().for_each(|guard| guard.subjects.save(out));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for guard in &mut self.guards {
            guard.subjects.load(input)?;
            let is_of_things = guard.rule.distinct.is_some();
            let fits = |subject: &Subject| matches!(subject.tally, Tally::Things(_)) == is_of_things;
            if !guard.subjects.iter_mut().all(|(_, subject)| fits(subject)) {
                return Err(SnapshotError::Malformed("another kind of risk"));
            }
        }
        Ok(())
    }
}

impl Guard {
    /// Counts an event, and refuses it if that makes too many.
    fn look(
        &mut self,
        seen: &Seen<'_>,
        document: &Document<'_>,
        out: &mut Vec<Emission>,
    ) -> Result<(), Rejection> {
        let rule = &self.rule;
        let parts: Option<Vec<String>> = rule.by.iter().map(|part| part.of(seen, document)).collect();
        let Some(parts) = parts else { return Ok(()) };
        let thing = match &rule.distinct {
            None => None,
            Some(part) => match part.hash_of(seen, document) {
                None => return Ok(()),
                thing => thing,
            },
        };
        let time_ms = seen.event.time_ms;
        let tenant = rule.tenant_of(seen);
        let key = format!("{}{SEPARATOR}{}", tenant.unwrap_or_default(), parts.join(SEPARATOR));
        let subject = self.subjects.use_or_make(&key, || Subject::new(rule));
        let count = match &mut subject.tally {
            Tally::Events(rate) => rate.add(time_ms, rule.window_ms),
            Tally::Things(things) => {
                things.add(thing.unwrap_or_default(), time_ms, rule.window_ms, rule.limit)
            }
        };
        if count <= rule.limit {
            return Ok(());
        }
        let name = parts.join("/");
        if time_ms >= subject.quiet_until_ms {
            subject.quiet_until_ms = time_ms.saturating_add(rule.cooldown_ms);
            out.push(rule.alert(seen, tenant, &name, count));
        }
        if !rule.quarantines {
            return Ok(());
        }
        Err(Rejection::Quarantined {
            rule: rule.name.clone(),
            subject: name,
            limit: rule.limit,
            window_ms: rule.window_ms,
        })
    }
}

impl RiskRule {
    fn alert(&self, seen: &Seen<'_>, tenant: Option<&str>, subject: &str, count: u32) -> Emission {
        let (time_ms, position) = (seen.event.time_ms, seen.message.position);
        let alert = Alert {
            alert: "risk",
            tenant,
            rule: &self.name,
            subject,
            by: self.by.iter().map(ToString::to_string).collect(),
            counted: self.distinct.as_ref().map_or_else(|| "events".to_owned(), ToString::to_string),
            count,
            limit: self.limit,
            window: Window { from: time_ms.saturating_sub(self.window_ms), to: time_ms },
            quarantined: self.quarantines,
            evidence: format!("{}-{}", position.source, position.offset),
        };
        let key = format!("{}/{subject}", self.name);
        Emission::json(topics::ALERTS, &tenant_key(tenant, &key), &alert, seen.message.time_ms)
    }
}

impl Subject {
    fn new(rule: &RiskRule) -> Self {
        let tally = match rule.distinct {
            None => Tally::Events(Rate::default()),
            Some(_) => Tally::Things(Distinct::default()),
        };
        Self { tally, quiet_until_ms: i64::MIN }
    }
}

impl Snapshot for Subject {
    fn save(&self, out: &mut Writer) {
        out.i64(self.quiet_until_ms);
        match &self.tally {
            Tally::Events(rate) => {
                out.u8(0);
                rate.save(out);
            }
            Tally::Things(things) => {
                out.u8(1);
                things.save(out);
            }
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let quiet_until_ms = input.i64()?;
        let tally = match input.u8()? {
            0 => Tally::Events(Rate::load(input)?),
            _ => Tally::Things(Distinct::load(input)?),
        };
        Ok(Self { tally, quiet_until_ms })
    }
}

#[cfg(test)]
mod tests;
