//! What is too much of whom.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use crate::config::rules::Rule;
use crate::processor::document::{Document, Place};
use crate::recommender::{Seen, tenant_key};

/// Longest window: a week.
const WINDOW_MAX_MS: i64 = 7 * 86_400_000;

/// One rule of `recommender.risk`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RiskRule {
    pub(super) name: String,
    /// Whose events are counted together: those that agree in all of these.
    pub(super) by: Vec<Part>,
    /// What is counted, each once; without it events are.
    pub(super) distinct: Option<Part>,
    /// The actions that count, in the spelling of the settings; all if there is none.
    pub(super) actions: Vec<String>,
    /// The most that may be in a window.
    pub(super) limit: u32,
    pub(super) window_ms: i64,
    pub(super) quarantines: bool,
    pub(super) cooldown_ms: i64,
    pub(super) keys: usize,
}

/// Something of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    User,
    Item,
    Session,
    Place(Place),
}

impl RiskRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong, naming the field.
    pub(crate) fn read(rule: &mut Rule) -> Result<Self, String> {
        let by = rule.words("by");
        let by: Vec<Part> = by.iter().map(|word| Part::read("by", word)).collect::<Result<_, _>>()?;
        if by.is_empty() {
            return Err("field `by` is missing".to_owned());
        }
        let distinct = rule.text("distinct");
        let distinct = distinct.map(|word| Part::read("distinct", &word)).transpose()?;
        if distinct.as_ref().is_some_and(|distinct| by.contains(distinct)) {
            return Err("field `distinct` is in `by` too, so there is only one of it".to_owned());
        }
        let window_ms = rule.millis("window", 60_000, 1, WINDOW_MAX_MS)?;
        let limit = rule.required_number("limit", 1, 100_000)?;
        Ok(Self {
            name: rule.name.clone(),
            by,
            distinct,
            actions: rule.words("actions"),
            limit,
            window_ms,
            quarantines: rule.choice("then", &[("quarantine", true), ("alert", false)])?,
            cooldown_ms: rule.millis("cooldown", window_ms, 0, WINDOW_MAX_MS)?,
            keys: rule.number("keys", 10_000, 1, 1_000_000)?,
        })
    }

    /// The tenant that an event's subject is of: where it goes by what is a tenant's own.
    pub(super) fn tenant_of<'s>(&self, seen: &Seen<'s>) -> Option<&'s str> {
        seen.tenant.filter(|_| self.by.iter().any(Part::is_of_tenant))
    }

    /// Whether an event is one of those that count.
    pub(super) fn covers(&self, seen: &Seen<'_>) -> bool {
        self.actions.is_empty() || self.actions.iter().any(|action| action == seen.action)
    }
}

impl Part {
    fn read(field: &str, word: &str) -> Result<Self, String> {
        match word {
            "user" => Ok(Self::User),
            "item" => Ok(Self::Item),
            "session" => Ok(Self::Session),
            _ => word.parse().map(Self::Place).map_err(|()| {
                format!("field `{field}` has `{word}`, not `user`, `item`, `session`, {}", Place::EXPECTED)
            }),
        }
    }

    /// The text of it that an event has, if it has any.
    pub(super) fn of(&self, seen: &Seen<'_>, document: &Document<'_>) -> Option<String> {
        let text = match self {
            Self::User => seen.user.map(str::to_owned),
            Self::Item => Some(seen.event.item_id.to_string()),
            Self::Session => seen.event.session_id.as_deref().map(str::to_owned),
            Self::Place(place) => document.text(place),
        };
        text.filter(|text| !text.is_empty())
    }

    /// Whether tenants have their own.
    fn is_of_tenant(&self) -> bool {
        !matches!(self, Self::Place(_))
    }

    /// The same, hashed: those of two tenants are two.
    pub(super) fn hash_of(&self, seen: &Seen<'_>, document: &Document<'_>) -> Option<u64> {
        let tenant = seen.tenant.filter(|_| self.is_of_tenant());
        self.of(seen, document).map(|text| xxh3_64(tenant_key(tenant, &text).as_bytes()))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Item => f.write_str("item"),
            Self::Session => f.write_str("session"),
            Self::Place(place) => place.fmt(f),
        }
    }
}
