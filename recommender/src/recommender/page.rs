//! From scored candidates to the page asked for: rules, spread, exploration.
//!
//! | never shown | because |
//! |---|---|
//! | acted on | unless the request allows it, and never what was disliked |
//! | hidden, tired of | the user hid it, or was shown it too often in vain |
//! | own | the user offers it |
//! | withdrawn, expired, not yet published | nobody may have it |
//! | excluded, outside the category, unfit | the request says so |

use std::collections::BinaryHeap;

use super::Recommender;
use super::answer::Asked;
use crate::ids::ItemIdx;
use crate::ranking::candidates::Scratch;
use crate::ranking::explore::{Exploration, POOL};
use crate::ranking::spread;
use crate::serving::{History, Request};
use crate::state::items::owner_of;
use crate::state::ring::Ring;

/// An item on its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placed {
    pub(super) score: f32,
    pub(super) item: ItemIdx,
    /// The chance that it got there, where places are explored.
    pub(super) propensity: Option<f64>,
}

impl Recommender {
    /// How the places of an answer are explored, if they are.
    pub(super) fn exploration(&self, request: &Request<'_>) -> Option<Exploration> {
        let share = request.exploration.unwrap_or(self.config.exploration);
        match (request.rec_id, request.history) {
            (Some(id), _) | (None, History::User(id)) => Exploration::of(share, id),
            (None, History::Items(items)) => Exploration::of(share, &items.join("\n")),
        }
    }

    /// The page of candidates asked for, best first; equals by index.
    pub(super) fn page(
        &self,
        request: &Request<'_>,
        asked: &Asked<'_>,
        exploration: Option<Exploration>,
        scratch: &mut Scratch,
    ) -> Vec<Placed> {
        let end = request.offset + request.n;
        // What may still come to stand within the page.
        let reach = if exploration.is_some() { end + POOL } else { end };
        let reordered = request.per_category_max.is_some() || request.diversity > 0.0;
        let mut ranked = self.ranked(request, asked, if reordered { usize::MAX } else { reach }, scratch);
        if request.diversity > 0.0 {
            // With a cap, any of the pool may be needed.
            let needed = if request.per_category_max.is_some() { usize::MAX } else { reach };
            spread::diversify(&self.state, &mut ranked, request.diversity.min(1.0), needed);
        }
        if let Some(max) = request.per_category_max {
            spread::cap_categories(&self.state, &mut ranked, max);
        }
        let explored = exploration.map(|exploration| exploration.place(&self.state.items, &mut ranked, end));
        ranked.truncate(end);
        let propensity = |place: usize| explored.as_ref().map(|propensities| propensities[place]);
        let placed = ranked.iter().enumerate().map(|(place, &(score, item))| Placed {
            score,
            item,
            propensity: propensity(place),
        });
        placed.skip(request.offset).collect()
    }

    /// The `needed` best of the candidates that may be shown.
    fn ranked(
        &self,
        request: &Request<'_>,
        asked: &Asked<'_>,
        needed: usize,
        scratch: &mut Scratch,
    ) -> Vec<(f32, ItemIdx)> {
        let items = &self.state.items;
        let now_ms = request.now_ms.unwrap_or(self.state.newest_ms);
        let excluded: Vec<ItemIdx> = request.exclude.iter().filter_map(|id| items.find(id)).collect();
        let unwanted = self.unwanted(request, asked, now_ms, scratch);
        let own = match request.history {
            History::User(id) => Some(owner_of(id)),
            History::Items(_) => None,
        };
        let may_show = |item: ItemIdx| {
            asked.members.as_ref().is_none_or(|members| members.binary_search(&item).is_ok())
                && !excluded.contains(&item)
                && unwanted.binary_search(&item).is_err()
                && items.is_offered_to(item, own, now_ms)
                && request.filter.is_none_or(|filter| filter.fits(items, item))
        };
        let scored = scratch.scores.iter().zip(&scratch.items).filter(|&(&score, _)| score > 0.0);
        scratch.keys.clear();
        scratch.keys.extend(scored.map(|(&score, &item)| rank_key(score, item)));
        let mut left = BinaryHeap::from(std::mem::take(&mut scratch.keys));
        let mut ranked: Vec<(f32, ItemIdx)> = Vec::with_capacity(needed.min(left.len()));
        // Best first, so that only what comes up is looked up.
        while ranked.len() < needed
            && let Some(key) = left.pop()
        {
            let (score, item) = of_rank_key(key);
            if may_show(item) {
                ranked.push((score, item));
            }
        }
        scratch.keys = left.into_vec();
        if let (Some(members), Some(_)) = (&asked.members, request.among) {
            let listed: Vec<ItemIdx> = ranked.iter().map(|place| place.1).collect();
            let rest = members.iter().filter(|&&item| !listed.contains(&item) && may_show(item));
            ranked.extend(rest.map(|&item| (0.0, item)));
        }
        ranked
    }

    /// The items not to recommend to this user, in order of index: disliked and hidden ones, those it is tired of, and
    /// unless allowed those acted on.
    fn unwanted(
        &self,
        request: &Request<'_>,
        asked: &Asked<'_>,
        now_ms: i64,
        scratch: &Scratch,
    ) -> Vec<ItemIdx> {
        let ring = asked.user.map(|user| self.state.users.ring(user));
        let signs = ring.into_iter().flat_map(Ring::signs);
        let acted = signs.filter(|&(_, sign)| sign < 0 || (sign > 0 && !request.allow_seen));
        let mut unwanted: Vec<ItemIdx> = acted.map(|(item, _)| item).collect();
        if let Some(user) = asked.user {
            unwanted.extend(self.state.notes.unwanted(user, now_ms, self.config.fatigue));
        }
        if !request.allow_seen {
            unwanted.extend(ring.into_iter().flat_map(Ring::older));
            unwanted.extend(&scratch.history);
        }
        unwanted.sort_unstable();
        unwanted
    }
}

/// A score above 0 and its item as one number: the greater the score, and among equals the lower the index, the greater.
fn rank_key(score: f32, item: ItemIdx) -> u64 {
    u64::from(score.to_bits()) << 32 | u64::from(!item.0)
}

fn of_rank_key(key: u64) -> (f32, ItemIdx) {
    (f32::from_bits((key >> 32) as u32), ItemIdx(!(key as u32)))
}
