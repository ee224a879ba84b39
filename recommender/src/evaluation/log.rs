//! A log of events in memory, to be replayed.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::ids::IdMap;
use crate::ingest::event::Event;

/// One event: who, what, when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Number of the user.
    pub user: u32,
    /// Number of the item.
    pub item: u32,
    /// When, in ms since 1970.
    pub time_ms: i64,
    /// Number of the action's word.
    pub action: u32,
    /// A rating, if there was one.
    pub value: Option<f64>,
}

/// Events with their ids, in the order they were added.
#[derive(Debug, Clone, Default)]
pub struct Log {
    users: IdMap,
    items: IdMap,
    actions: IdMap,
    entries: Vec<Entry>,
}

impl Log {
    /// Adds an event. False if there are more ids than can be numbered.
    pub fn push(&mut self, user: &str, item: &str, time_ms: i64, action: &str, value: Option<f64>) -> bool {
        let (user, item) = (self.users.get_or_insert(user), self.items.get_or_insert(item));
        let (Some((user, _)), Some((item, _))) = (user, item) else { return false };
        let Some((action, _)) = self.actions.get_or_insert(action) else { return false };
        self.entries.push(Entry { user, item, time_ms, action, value });
        true
    }

    /// The events, in the order they were added.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The id of a user.
    pub fn user(&self, entry: &Entry) -> &str {
        self.users.text_of(entry.user)
    }

    /// The id of an item.
    pub fn item(&self, entry: &Entry) -> &str {
        self.items.text_of(entry.item)
    }

    /// The event as the recommender takes it.
    pub fn event(&self, entry: &Entry) -> Event<'_> {
        Event {
            user_id: Some(Cow::Borrowed(self.users.text_of(entry.user))),
            item_id: Cow::Borrowed(self.items.text_of(entry.item)),
            action: Cow::Borrowed(self.actions.text_of(entry.action)),
            time_ms: entry.time_ms,
            value: entry.value,
            ..Event::default()
        }
    }

    /// The events by time; those of one time in the order they were added.
    pub fn by_time(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.sort_by_key(|entry| entry.time_ms);
        entries
    }

    /// Sorts by time, user and item, ids that are numbers as such and before the others.
    pub(super) fn sort_by_ids(&mut self) {
        fn key(id: &str) -> (bool, u64, &str) {
            let number = id.parse();
            (number.is_err(), number.unwrap_or(0), id)
        }
        let Self { users, items, entries, .. } = self;
        entries.sort_by_cached_key(|entry| {
            (entry.time_ms, key(users.text_of(entry.user)), key(items.text_of(entry.item)))
        });
    }

    /// Sorts by time and drops each event on the item of the same user's event before.
    pub(super) fn drop_immediate_repeats(&mut self) {
        let mut last = HashMap::new();
        self.entries.sort_by_key(|entry| entry.time_ms);
        self.entries.retain(|entry| last.insert(entry.user, entry.item) != Some(entry.item));
    }
}

/// Keeps the first event of each user and item.
pub(crate) fn first_of_each_pair(entries: &mut Vec<Entry>) {
    let mut seen = std::collections::HashSet::new();
    entries.retain(|entry| seen.insert((entry.user, entry.item)));
}
