//! What is well-formed and yet must not be learnt: bad ids, impossible times, duplicates.
//!
//! Duplicates are recognised by `event_id` within a bounded window of the last ids, kept as 64-bit XXH3 hashes:
//! with a million remembered ids, a false alarm has a chance of about 5·10⁻¹⁴ per event. An event without an id
//! is never a duplicate.

use std::borrow::Cow;
use std::collections::VecDeque;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::action::ActionId;
use super::event::Event;
use super::rejection::{Rejection, shortened};
use crate::config::Config;
use crate::state::memory::doubling;
use crate::state::ring::FAR;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// The facts of an event that passed, as far as learning needs them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clean<'e> {
    /// The key under which the history is kept; `None` counts for hot items only.
    pub(crate) user: Option<Cow<'e, str>>,
    pub(crate) action: ActionId,
    /// The action's weight, after the event's rating.
    pub(crate) weight: f32,
}

/// Checks everything about an event that needs no memory.
///
/// `record_ms`: the record's own time, against which "too far ahead" is measured.
///
/// # Errors
/// The first [`Rejection`] that applies.
pub(crate) fn check<'e>(
    event: &'e Event<'_>,
    record_ms: i64,
    config: &Config,
) -> Result<Clean<'e>, Rejection> {
    let action = config.actions.find(&event.action);
    let action = action.ok_or_else(|| Rejection::UnknownAction { action: shortened(&event.action) })?;
    if event.consent == Some(false) {
        return Err(Rejection::NoConsent);
    }
    let user = user_key(event);
    if let Some(user) = &user {
        check_id("user_id", user, config)?;
    }
    let word = config.actions.word(action);
    if event.item_id.is_empty() {
        let of_order = word == "refund" && event.order_id.is_some();
        if word != "search" && word != "satisfaction" && !of_order {
            return Err(Rejection::MissingItemId);
        }
    } else {
        check_id("item_id", &event.item_id, config)?;
    }
    for (field, value) in [("value", event.value), ("price", event.price), ("quantity", event.quantity)] {
        if value.is_some_and(|value| !value.is_finite()) {
            return Err(Rejection::NotFinite { field });
        }
    }
    check_time(event.time_ms, record_ms, config)?;
    let weight = rated(config.actions.weight(action), word, event.value, config);
    Ok(Clean { user, action, weight })
}

/// The user, or the session in the user's place, marked so that the two cannot be mistaken.
fn user_key<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    match (&event.user_id, &event.session_id) {
        (Some(user), _) => Some(Cow::Borrowed(user)),
        (None, Some(session)) => Some(Cow::Owned(format!("session:{session}"))),
        (None, None) => None,
    }
}

/// Whether two events have the same key for their histories.
pub(crate) fn is_of_same_user(one: &Event<'_>, other: &Event<'_>) -> bool {
    one.tenant == other.tenant
        && one.user_id == other.user_id
        && (one.user_id.is_some() || one.session_id == other.session_id)
}

/// Checks that an id is usable.
///
/// # Errors
/// [`Rejection::IdTooLong`], [`Rejection::BadId`].
pub(crate) fn check_id(field: &'static str, id: &str, config: &Config) -> Result<(), Rejection> {
    let max_bytes = config.id_bytes_max;
    if id.len() > max_bytes {
        return Err(Rejection::IdTooLong { field, length_bytes: id.len(), max_bytes });
    }
    if id.trim().is_empty() || id.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(Rejection::BadId { field });
    }
    Ok(())
}

fn check_time(time_ms: i64, record_ms: i64, config: &Config) -> Result<(), Rejection> {
    if time_ms < 0 {
        return Err(Rejection::BeforeEpoch);
    }
    let (ahead_ms, max_ms) = (time_ms.saturating_sub(record_ms), config.time_ahead_max_ms);
    if ahead_ms > max_ms || time_ms > FAR { Err(Rejection::TooFarAhead { ahead_ms, max_ms }) } else { Ok(()) }
}

/// A rating says more than that it was given: a low one is a dislike, a middling one says little.
fn rated(weight: f32, word: &str, value: Option<f64>, config: &Config) -> f32 {
    match value {
        Some(value) if word == "rate" && value <= config.rating_negative_max => -weight,
        Some(value) if word == "rate" && value < config.rating_positive_min => 0.0,
        _ => weight,
    }
}

/// An event's id as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenId(u64);

/// The last event ids, oldest first, at most as many as configured.
#[derive(Debug, Default)]
pub(crate) struct SeenIds {
    order: VecDeque<u64>,
    table: HashTable<u64>,
}

impl SeenIds {
    /// What the event is to be remembered by; `None` if it has no id.
    ///
    /// # Errors
    /// [`Rejection::Duplicate`] if it is remembered already.
    pub(crate) fn check(&self, event: &Event<'_>, max: usize) -> Result<Option<SeenId>, Rejection> {
        let Some(id) = event.event_id.as_deref().filter(|_| max > 0) else { return Ok(None) };
        let hash = xxh3_64(id.as_bytes());
        if self.table.find(hash, |&known| known == hash).is_some() {
            return Err(Rejection::Duplicate { event_id: shortened(id) });
        }
        Ok(Some(SeenId(hash)))
    }

    /// Remembers what [`Self::check`] gave, forgetting the oldest beyond `max`.
    pub(crate) fn remember(&mut self, id: Option<SeenId>, max: usize) {
        let Some(SeenId(hash)) = id else { return };
        while self.order.len() >= max {
            self.forget_oldest();
        }
        self.insert(hash);
    }

    fn insert(&mut self, hash: u64) {
        self.order.push_back(hash);
        self.table.insert_unique(hash, hash, |&known| known);
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front()
            && let Ok(entry) = self.table.find_entry(oldest, |&known| known == oldest)
        {
            entry.remove();
        }
    }

    /// Most bytes that so many ids may take.
    pub(crate) fn size_bound(&self) -> usize {
        // 9 bytes a place, of which at least 7/16 are taken.
        doubling::<u64>(self.order.len()) + 64 + 21 * self.order.len()
    }

    /// Bytes held, by capacity.
    pub(crate) fn size_bytes(&self) -> usize {
        self.order.capacity() * 8 + self.table.capacity() * 9
    }
}

impl Snapshot for SeenIds {
    fn save(&self, out: &mut Writer) {
        out.u32(self.order.len() as u32);
        for &hash in &self.order {
            out.u64(hash);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut seen = Self::default();
        for _ in 0..input.count(8)? {
            seen.insert(input.u64()?);
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(change: impl FnOnce(&mut Event<'static>)) -> Event<'static> {
        let mut event = Event {
            user_id: Some("u".into()),
            item_id: "i".into(),
            action: "click".into(),
            time_ms: 1_000_000,
            ..Event::default()
        };
        change(&mut event);
        event
    }

    fn verdict(change: impl FnOnce(&mut Event<'static>)) -> &'static str {
        let config = Config::default();
        check(&event(change), 1_000_000, &config).map_or_else(|refused| refused.code(), |_| "ok")
    }

    #[test]
    fn each_rule_has_its_reason() {
        assert_eq!(verdict(|_| {}), "ok");
        assert_eq!(verdict(|e| e.action = "levitate".into()), "unknown-action");
        assert_eq!(verdict(|e| e.user_id = None), "ok");
        assert_eq!(verdict(|e| e.user_id = Some(" ".into())), "bad-id");
        assert_eq!(verdict(|e| e.item_id = "".into()), "missing-item-id");
        assert_eq!(verdict(|e| e.item_id = "a\tb".into()), "bad-id");
        assert_eq!(verdict(|e| e.item_id = "x".repeat(257).into()), "id-too-long");
        assert_eq!(verdict(|e| e.time_ms = -1), "before-epoch");
        assert_eq!(verdict(|e| e.time_ms = 1_000_000 + 3_600_000), "ok");
        assert_eq!(verdict(|e| e.time_ms = 1_000_000 + 3_600_001), "too-far-ahead");
        assert_eq!(verdict(|e| e.value = Some(f64::NAN)), "not-finite");
        assert_eq!(verdict(|e| e.consent = Some(false)), "no-consent");
        assert_eq!(
            verdict(|e| {
                e.action = "search".into();
                e.item_id = "".into();
            }),
            "ok"
        );
    }

    #[test]
    fn ratings_say_what_they_are() {
        let config = Config::default();
        let weight = |value| {
            let event = event(|e| {
                e.action = "rate".into();
                e.value = value;
            });
            check(&event, 1_000_000, &config).unwrap().weight
        };
        assert_eq!(weight(None), 1.0);
        assert_eq!(weight(Some(5.0)), 1.0);
        assert_eq!(weight(Some(3.0)), 0.0);
        assert_eq!(weight(Some(1.0)), -1.0);
    }

    #[test]
    fn a_session_stands_in_for_its_user() {
        let event = event(|e| {
            e.user_id = None;
            e.session_id = Some("s1".into());
        });
        assert_eq!(check(&event, 1_000_000, &Config::default()).unwrap().user.unwrap(), "session:s1");
    }

    #[test]
    fn duplicates_are_known_within_the_window() {
        let mut seen = SeenIds::default();
        let with_id = |id: &str| event(|e| e.event_id = Some(id.to_owned().into()));
        let mut admit = |event: Event<'_>| seen.check(&event, 2).map(|id| seen.remember(id, 2));
        assert_eq!(admit(with_id("a")), Ok(()));
        assert_eq!(admit(with_id("b")), Ok(()));
        assert!(matches!(admit(with_id("a")), Err(Rejection::Duplicate { .. })));
        assert_eq!(admit(with_id("c")), Ok(()), "a is forgotten");
        assert_eq!(admit(with_id("a")), Ok(()));
        assert_eq!(admit(event(|_| {})), Ok(()));
        assert_eq!(admit(event(|_| {})), Ok(()));
    }
}
