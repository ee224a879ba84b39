//! Room for new users and items within the bounds, and what is held.

use super::Recommender;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::memory::{self, Dropped};

/// What is kept, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Users kept.
    pub users: usize,
    /// Items kept.
    pub items: usize,
    /// Ordered pairs of items kept.
    pub pairs: usize,
    /// Bytes by part.
    pub bytes: Vec<(&'static str, usize)>,
    /// The newest event's time, ms since 1970.
    pub newest_ms: i64,
    /// The weight of each model in the fusion, at present.
    pub weights: Vec<(&'static str, f64)>,
}

impl Recommender {
    /// What is kept, and what it costs.
    pub fn report(&self) -> Report {
        let state = &self.state;
        Report {
            users: state.users.len(),
            items: state.items.len(),
            pairs: state.pairs.len(),
            bytes: (state.size_bytes().into_iter())
                .chain([("event-ids", self.seen.size_bytes())])
                .chain(self.models.bytes())
                .chain(self.clicks.iter().map(|clicks| ("clicks", clicks.size_bytes())))
                .collect(),
            newest_ms: state.newest_ms,
            weights: self.fusion.report(&self.models),
        }
    }

    /// The index of a user, making room for a new one if there is none.
    pub(super) fn intern_user(&mut self, id: &str) -> Option<UserIdx> {
        if let Some(user) = self.state.users.find(id) {
            return Some(user);
        }
        if let Some(renumbering) = self.state.make_room_for_user(self.config.users_max) {
            self.renumber_users(&renumbering);
        }
        self.state.users.intern(id)
    }

    /// The index of an item, making room for a new one if there is none.
    pub(super) fn intern_item(&mut self, id: &str) -> Option<ItemIdx> {
        if let Some(item) = self.state.items.find(id) {
            return Some(item);
        }
        if let Some(renumbering) = self.state.make_room_for_item(self.config.items_max) {
            self.renumber_items(&renumbering);
        }
        self.state.items.intern(id)
    }

    /// Drops what is idle if little room is left within `recommender.memory.max`, until an eighth is free.
    pub(super) fn keep_within_memory(&mut self) {
        let max = self.config.memory_max;
        let taken_in = self.counters.events + self.counters.entities;
        if max == 0 || taken_in < self.next_look {
            return;
        }
        let mut bound = self.size_bound();
        let enough = if bound > max - max / 16 { max - max / 8 } else { bound };
        while bound > enough
            && let Some(dropped) = self.state.drop_idle()
        {
            match dropped {
                Dropped::Users(renumbering) => self.renumber_users(&renumbering),
                Dropped::Items(renumbering) => self.renumber_items(&renumbering),
            }
            bound = self.size_bound();
        }
        self.next_look = taken_in + memory::look_after(max, bound);
    }

    /// Most bytes that what is learnt may take, models with memory of their own aside.
    fn size_bound(&mut self) -> usize {
        self.state.size_bound().total() + self.seen.size_bound()
    }

    fn renumber_users(&mut self, renumbering: &Renumbering) {
        self.changed.renumber_users(renumbering);
        self.models.renumber_users(renumbering);
    }

    fn renumber_items(&mut self, renumbering: &Renumbering) {
        self.changed.items.renumber(renumbering);
        self.models.renumber_items(&self.state, renumbering);
    }
}
