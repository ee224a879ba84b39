//! What the click model is told about an item that is shown to a user.
//!
//! | feature | says |
//! |---|---|
//! | all | how often anything is clicked |
//! | item | the item |
//! | reach | how many users came to the item, by powers of two |
//! | category | the item's first category |
//! | user and category | whether this user clicks on such things |
//! | segment and category | whether people like this user do |
//! | last and item | the latest item of the history, with this one |
//! | likeness | ⌊10·cosine⌋ of those two |
//! | position | where in the list, up to 20 |
//! | scenario | the place in the product |
//! | again | shown already, and no answer yet |
//!
//! All are merely present, each under a name hashed from what it is.

use xxhash_rust::xxh3::xxh3_64;

use crate::cooccurrence::Margins;
use crate::ids::{ItemIdx, UserIdx};
use crate::models::random::mix;
use crate::online::Feature;
use crate::state::State;

/// How many features an item has.
pub(super) const FEATURES: usize = 11;

/// Positions beyond this are alike.
const POSITION_MAX: u32 = 20;

/// Where an item is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    /// From 1.
    pub(super) position: Option<u32>,
    /// Whether it waits for an answer already.
    pub(super) again: bool,
}

/// What all items shown at once have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    user: u64,
    segment: u64,
    scenario: u64,
    last: Option<ItemIdx>,
}

impl Asker {
    /// `last`: the newest item of the history, if it is not the user's own.
    pub(super) fn of(
        state: &State,
        user: Option<UserIdx>,
        last: Option<ItemIdx>,
        scenario: Option<&str>,
    ) -> Self {
        let of_user = || user.and_then(|user| state.users.ring(user).liked().next());
        Self {
            user: user.map_or(0, |user| hash(state.users.id(user))),
            segment: user.and_then(|user| state.segment(user)).map_or(0, |segment| segment.at() as u64),
            scenario: scenario.map_or(0, hash),
            last: last.or_else(of_user),
        }
    }

    /// The features of an item.
    pub(super) fn features(&self, state: &State, item: ItemIdx, about: About) -> [Feature; FEATURES] {
        let own = hash(state.items.id(item));
        let category = state.items.attributes(item).and_then(|known| known.categories.first());
        let category = category.map_or(0, |&number| 1 + u64::from(number));
        let last = self.last.map_or(0, |last| hash(state.items.id(last)));
        let names = [
            (0, 0),
            (own, 0),
            (u64::from(state.items.users(item).checked_ilog2().map_or(0, |log| log + 1)), 0),
            (category, 0),
            (self.user, category),
            (self.segment, category),
            (last, own),
            (self.last.map_or(0, |last| 1 + likeness(state, last, item)), 0),
            (about.position.map_or(0, |position| u64::from(position.clamp(1, POSITION_MAX))), 0),
            (self.scenario, 0),
            (u64::from(about.again), 0),
        ];
        let mut kind = 0;
        names.map(|(first, second)| {
            kind += 1;
            Feature::present(mix(mix(mix(kind) ^ first) ^ second))
        })
    }
}

/// ⌊10·cosine⌋.
fn likeness(state: &State, item: ItemIdx, other: ItemIdx) -> u64 {
    state.pairs.pair(item, other).map_or(0, |pair| {
        let (first, second) = (state.items.users(item), state.items.users(other));
        let margins = Margins { both: pair.count, first, second, total: state.users.with_likes() };
        (10.0 * margins.cosine()) as u64
    })
}

fn hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}
