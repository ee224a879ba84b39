//! Everything that is kept, each part with its bound.
//!
//! | part | holds | bound |
//! |---|---|---|
//! | [`Users`] | ids, rings of the last events, attributes | `users.max` × `user.history.max` |
//! | [`Items`] | ids, attributes, how many users came | `items.max` |
//! | [`Hot`] | decayed sums, windows | items |
//! | [`Pairs`] | co-occurrence rows | items × `cooccurrence.row.max` |
//! | postings | the last users of each item | items × 128 |
//! | notes | items hidden from a user, or shown in vain | 1,152 a user |
//! | segments | what people of an age and gender come to | items × 31 |
//! | sources | names of the streams that events came from | [`positions::SOURCES_MAX`] |
//!
//! Only `apply` changes state; models read it.

mod amounts;
pub(crate) mod bits;
pub mod decay;
pub mod items;
pub(crate) mod memory;
pub(crate) mod notes;
pub mod positions;
pub(crate) mod postings;
pub mod ring;
pub(crate) mod segments;
pub mod snapshot;
pub mod users;
pub mod window;

use crate::cooccurrence::Pairs;
use crate::hot::Hot;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::segment::Segment;
use items::Items;
use memory::{Bound, Dropped, to_free};
use notes::{Fatigue, Notes};
use positions::Sources;
use postings::Postings;
use ring::{Ring, Visit};
use segments::Segments;
use snapshot::{Reader, Snapshot, SnapshotError, Writer};
use users::{UserAttributes, Users};

/// All that was learnt.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) users: Users,
    pub(crate) items: Items,
    pub(crate) hot: Hot,
    pub(crate) pairs: Pairs,
    pub(crate) postings: Postings,
    pub(crate) notes: Notes,
    pub(crate) segments: Segments,
    pub(crate) sources: Sources,
    /// The newest event time seen: what "now" means when nobody says.
    pub(crate) newest_ms: i64,
}

/// One act, resolved to indexes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act {
    pub(crate) user: Option<UserIdx>,
    pub(crate) item: ItemIdx,
    pub(crate) weight: f32,
    pub(crate) visit: Visit,
    pub(crate) kind: Kind,
}

/// What an act asks for beside its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The item was shown, and nothing was done. It is no part of the history.
    Impression,
    /// The item is to be shown no more.
    Hide,
    /// Nothing.
    Other,
}

/// Bounds that learning needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) history_max: usize,
    pub(crate) window: usize,
    pub(crate) row_max: usize,
    pub(crate) fatigue: Fatigue,
}

impl State {
    /// Makes room among the users, if there are `max`. The renumbering, if there was need.
    pub(crate) fn make_room_for_user(&mut self, max: usize) -> Option<Renumbering> {
        let users = self.users.len();
        (users >= max).then(|| self.drop_idle_users(memory::twentieth(users)))
    }

    /// Makes room among the items, if there are `max`. The renumbering, if there was need.
    pub(crate) fn make_room_for_item(&mut self, max: usize) -> Option<Renumbering> {
        let items = self.items.len();
        (items >= max).then(|| self.drop_idle_items(memory::twentieth(items)))
    }

    /// Drops idle users or items, or the weakest neighbours of items that have many, whichever take most: as many as may
    /// take `excess` bytes. `None` if there are few of either.
    pub(crate) fn drop_idle(&mut self, excess: usize) -> Option<Dropped> {
        const FEW: usize = 20;
        let bound = self.size_bound();
        let (users, items) = (self.users.len(), self.items.len());
        if bound.pairs >= bound.users.max(bound.items)
            && self.pairs.thin(to_free(bound.pairs, bound.users.max(bound.items), excess))
        {
            return Some(Dropped::Neighbours);
        }
        if users > FEW && (bound.users >= bound.items || items <= FEW) {
            let share =
                to_free(bound.users, bound.items.max(bound.pairs), excess) as f64 / bound.users as f64;
            return Some(Dropped::Users(self.drop_idle_users(memory::share_of(users, share))));
        }
        let share = to_free(bound.items, bound.users.max(bound.pairs), excess) as f64 / bound.items as f64;
        (items > FEW).then(|| Dropped::Items(self.drop_idle_items(memory::share_of(items, share))))
    }

    /// Most bytes that the parts may take, told from lengths.
    pub(crate) fn size_bound(&mut self) -> Bound {
        self.hot.pack();
        Bound {
            users: self.users.size_bound() + self.notes.size_bound(),
            items: self.items.size_bound()
                + self.hot.size_bound()
                + self.segments.size_bound()
                + self.postings.size_bound(self.users.len()),
            pairs: self.pairs.size_bound(),
        }
    }

    /// Bytes held by each part, by capacity.
    pub(crate) fn size_bytes(&self) -> [(&'static str, usize); 9] {
        let [ids, histories, users] = self.users.size_bytes();
        [
            ("user-ids", ids),
            ("histories", histories),
            ("users", users),
            ("notes", self.notes.size_bytes()),
            ("items", self.items.size_bytes()),
            ("segments", self.segments.size_bytes()),
            ("hot", self.hot.size_bytes()),
            ("pairs", self.pairs.size_bytes()),
            ("postings", self.postings.size_bytes()),
        ]
    }

    fn drop_idle_users(&mut self, count: usize) -> Renumbering {
        let renumbering = self.users.idlest(count);
        self.users.renumber(&renumbering);
        self.postings.renumber_users(&renumbering);
        self.notes.renumber_users(&renumbering);
        renumbering
    }

    fn drop_idle_items(&mut self, count: usize) -> Renumbering {
        let renumbering = self.items.idlest(count, &self.hot);
        self.items.renumber(&renumbering);
        self.users.renumber_items(&renumbering);
        self.notes.renumber_items(&renumbering);
        self.segments.renumber_items(&renumbering);
        self.hot.renumber(&renumbering);
        self.pairs.renumber(&renumbering);
        self.postings.renumber_items(&renumbering);
        renumbering
    }

    /// Forgets a user, taking back what its kept history added everywhere.
    ///
    /// Exact as long as the history holds all the user ever did; what fell out of it before stays counted, without
    /// any trace of whose it was. `weight_of`: what an action weighed.
    pub(crate) fn forget(&mut self, user: UserIdx, limits: Limits, weight_of: impl Fn(&Visit) -> f32) {
        if let Some(segment) = self.segment(user) {
            self.segments.uncount(segment, &self.users.liked(user));
        }
        let history = self.users.forget(user);
        self.notes.forget(user);
        // The distinct liked items up to then, oldest first.
        let mut liked: Vec<ItemIdx> = Vec::new();
        for visit in history.oldest_first().filter(|visit| visit.sign > 0) {
            let item = visit.item;
            let known = liked.iter().position(|&earlier| earlier == item);
            known.map(|place| liked.remove(place));
            let new = known.is_none() && !history.is_older(item);
            let before: Vec<ItemIdx> = liked.iter().rev().take(limits.window).copied().collect();
            self.pairs.unlearn(item, &before, new);
            self.hot.remove(item, visit.time_ms, weight_of(&visit));
            if new {
                self.items.uncount_user(item);
            }
            liked.push(item);
        }
        let items = || history.signs().map(|(item, _)| item);
        items().chain(history.older()).for_each(|item| self.postings.remove(item, user));
        history.older().for_each(|item| self.items.uncount_user(item));
        self.pairs.drop_empty(items());
        self.hot.rebuild_tops();
    }

    /// Learns one act, and says whether it is the user's first in favour of the item. `before`: filled with the items it
    /// met, most recent first.
    pub(crate) fn learn(&mut self, act: Act, limits: Limits, before: &mut Vec<ItemIdx>) -> bool {
        before.clear();
        self.newest_ms = self.newest_ms.max(act.visit.time_ms);
        let liked = act.weight > 0.0;
        if liked {
            self.hot.add(act.item, act.visit.time_ms, act.weight);
        }
        self.items.seen(act.item, act.visit.time_ms);
        let Some(user) = act.user else { return false };
        self.note(user, act, limits.fatigue);
        if act.kind == Kind::Impression {
            self.users.seen(user, act.visit.time_ms);
            return false;
        }
        let ring = self.users.ring_mut(user);
        let new = liked && !ring.supersede(act.item);
        if liked {
            meet(ring, act.item, limits.window, before);
            if new {
                self.items.count_user(act.item);
                self.users.count_liked(user);
                self.postings.add(act.item, user);
            }
            self.pairs.learn(act.item, before, new, limits.row_max);
        }
        self.users.ring_mut(user).push(&act.visit, limits.history_max, self.newest_ms);
        self.users.seen(user, act.visit.time_ms);
        if let Some(segment) = self.segment(user).filter(|_| new) {
            self.segments.count(segment, act.item, self.users.likes(user) == 1);
        }
        new
    }
}

impl State {
    /// Replaces what is known of a user apart from behaviour.
    pub(crate) fn describe_user(&mut self, user: UserIdx, attributes: UserAttributes) {
        let old = self.segment(user);
        let new = self.segments.of(&attributes);
        self.users.set_attributes(user, Some(attributes));
        if old != new {
            let liked = self.users.liked(user);
            old.inspect(|&old| self.segments.uncount(old, &liked));
            new.inspect(|&new| self.segments.count_all(new, &liked));
        }
    }

    /// The segment a user is of, if anything is known.
    pub(crate) fn segment(&self, user: UserIdx) -> Option<Segment> {
        self.users.attributes(user).and_then(|attributes| self.segments.of(attributes))
    }

    /// Notes what must not be shown again, or may be.
    fn note(&mut self, user: UserIdx, act: Act, fatigue: Fatigue) {
        match act.kind {
            Kind::Impression if fatigue.times > 0 => {
                self.notes.show(user, act.item, act.visit.time_ms, fatigue);
            }
            Kind::Impression => {}
            Kind::Hide => self.notes.hide(user, act.item),
            Kind::Other => self.notes.react(user, act.item, act.weight > 0.0),
        }
    }
}

/// Fills `before` with the distinct liked items of a history other than `item`, most recent first.
fn meet(ring: &Ring, item: ItemIdx, window: usize, before: &mut Vec<ItemIdx>) {
    before.clear();
    before.extend(ring.liked().filter(|&met| met != item).take(window));
}

impl Snapshot for State {
    fn save(&self, out: &mut Writer) {
        self.users.save(out);
        self.items.save(out);
        self.hot.save(out);
        self.pairs.save(out);
        self.postings.save(out);
        self.notes.save(out);
        self.segments.save(out);
        self.sources.save(out);
        out.i64(self.newest_ms);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            users: Users::load(input)?,
            items: Items::load(input)?,
            hot: Hot::load(input)?,
            pairs: Pairs::load(input)?,
            postings: Postings::load(input)?,
            notes: Notes::load(input)?,
            segments: Segments::load(input)?,
            sources: Sources::load(input)?,
            newest_ms: input.i64()?,
        })
    }
}
