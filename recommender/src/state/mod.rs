//! Everything that is kept, each part with its bound.
//!
//! | part | holds | bound |
//! |---|---|---|
//! | [`Users`] | ids, rings of the last events, attributes | `users.max` × `user.history.max` |
//! | [`Items`] | ids, attributes, how many users came | `items.max` |
//! | [`Hot`] | decayed sums, windows | items |
//! | [`Pairs`] | co-occurrence rows | items × `cooccurrence.row.max` |
//! | postings | the last users of each item | items × 128 |
//! | sources | names of the streams that events came from | [`positions::SOURCES_MAX`] |
//!
//! Only `apply` changes state; models read it.

pub mod decay;
pub mod items;
pub mod positions;
pub(crate) mod postings;
pub mod ring;
pub mod snapshot;
pub mod users;
pub mod window;

use crate::cooccurrence::Pairs;
use crate::hot::Hot;
use crate::ids::{ItemIdx, UserIdx};
use items::Items;
use positions::Sources;
use postings::Postings;
use ring::Visit;
use snapshot::{Reader, Snapshot, SnapshotError, Writer};
use users::Users;

/// All that was learnt.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) users: Users,
    pub(crate) items: Items,
    pub(crate) hot: Hot,
    pub(crate) pairs: Pairs,
    pub(crate) postings: Postings,
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
}

/// Bounds that learning needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) history_max: usize,
    pub(crate) window: usize,
    pub(crate) row_max: usize,
}

impl State {
    /// Learns one act. `before`: filled with the items it met, most recent first.
    pub(crate) fn learn(&mut self, act: Act, limits: Limits, before: &mut Vec<ItemIdx>) {
        before.clear();
        self.newest_ms = self.newest_ms.max(act.visit.time_ms);
        let liked = act.weight > 0.0;
        if liked {
            self.hot.add(act.item, act.visit.time_ms, act.weight);
        }
        self.items.seen(act.item, act.visit.time_ms);
        let Some(user) = act.user else { return };
        let ring = self.users.ring_mut(user);
        if liked {
            let new = !ring.supersede(act.item);
            let met = ring.newest_first().filter(|visit| visit.is_liked() && visit.item != act.item);
            before.extend(met.map(|visit| visit.item).take(limits.window));
            if new {
                self.items.count_user(act.item);
                self.users.count_liked(user);
                self.postings.add(act.item, user);
            }
            self.pairs.learn(act.item, before, new, limits.row_max);
        }
        self.users.ring_mut(user).push(act.visit, limits.history_max);
        self.users.seen(user, act.visit.time_ms);
    }
}

impl Snapshot for State {
    fn save(&self, out: &mut Writer) {
        self.users.save(out);
        self.items.save(out);
        self.hot.save(out);
        self.pairs.save(out);
        self.postings.save(out);
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
            sources: Sources::load(input)?,
            newest_ms: input.i64()?,
        })
    }
}
