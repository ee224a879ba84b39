//! Room for new users and items within the bounds, and what is held.

use super::Recommender;
use super::changes::Changed;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::memory::Dropped;

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
    /// What is kept, and what it costs; weights are those for users of no tenant.
    pub fn report(&self) -> Report {
        let state = &self.state;
        let tenants: Vec<Report> = self.tenants.values().map(Self::report).collect();
        let of_tenants = |count: fn(&Report) -> usize| tenants.iter().map(count).sum::<usize>();
        let bytes = of_tenants(|tenant| tenant.bytes.iter().map(|part| part.1).sum());
        Report {
            users: state.users.len() + of_tenants(|tenant| tenant.users),
            items: state.items.len() + of_tenants(|tenant| tenant.items),
            pairs: state.pairs.len() + of_tenants(|tenant| tenant.pairs),
            bytes: (state.size_bytes().into_iter())
                .chain([("changes", self.changed.size_bytes()), ("event-ids", self.seen.size_bytes())])
                .chain(self.models.bytes())
                .chain(self.hitters.iter().map(|hitters| ("heavy-hitters", hitters.size_bytes())))
                .chain(self.clicks.iter().map(|clicks| ("clicks", clicks.size_bytes())))
                .chain((bytes > 0).then_some(("tenants", bytes)))
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

    /// Drops what is idle if little room is left within `recommender.memory.max`, until an eighth is free. `added`: the most
    /// that was just added.
    ///
    /// To add up all there is takes milliseconds, so it waits until what was added since may have filled the rest.
    pub(super) fn keep_within_memory(&mut self, added: usize) {
        let max = self.config.memory_max;
        self.room = self.room.saturating_sub(added as u64);
        if max == 0 || self.room > 0 {
            return;
        }
        let mut bound = self.size_bound();
        let enough = if bound > max - max / 16 { max - max / 8 } else { bound };
        while bound > enough && self.drop_idle(bound - enough) {
            bound = self.size_bound();
        }
        // With a little to spare for rows that come to need two words a pair; where nothing more can be dropped, not at
        // every event.
        self.room = (max - max / 32).saturating_sub(bound).max(max / 1024) as u64;
    }

    /// Drops what is idle of the tenant that takes most, or of those who name none, which may be `excess` bytes. False if
    /// there is too little.
    fn drop_idle(&mut self, excess: usize) -> bool {
        let own = self.own_bound();
        let tenants = self.tenants.values_mut().map(|tenant| (tenant.own_bound(), tenant));
        let part = match tenants.max_by_key(|(bound, _)| *bound) {
            Some((bound, tenant)) if bound > own => tenant,
            _ => self,
        };
        match part.state.drop_idle(excess) {
            Some(Dropped::Users(renumbering)) => part.renumber_users(&renumbering),
            Some(Dropped::Items(renumbering)) => part.renumber_items(&renumbering),
            Some(Dropped::Neighbours) => {}
            None => return false,
        }
        true
    }

    /// Most bytes that what is learnt may take, for every tenant together, models with memory of their own aside.
    fn size_bound(&mut self) -> usize {
        self.own_bound() + self.tenants.values_mut().map(Self::own_bound).sum::<usize>()
    }

    /// The same of those who name no tenant.
    fn own_bound(&mut self) -> usize {
        let changed = Changed::size_bound(self.state.users.len(), self.state.items.len());
        self.state.size_bound().total() + changed + self.seen.size_bound()
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
