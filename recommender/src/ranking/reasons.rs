//! Why an item was recommended: the models that spoke for it, and the user's own items that made them speak.

use super::candidates::HISTORY_ASKED;
use crate::cooccurrence::Margins;
use crate::hot::HALF_LIVES_MS;
use crate::ids::ItemIdx;
use crate::ingest::action::Actions;
use crate::models::{COLUMNS, PERSONAL, any_name};
use crate::ranking::fuse::Parts;
use crate::serving::{Evidence, Reason};
use crate::state::State;
use crate::state::ring::Visit;

/// Most reasons given for an item.
const REASONS_MAX: usize = 3;

/// Most items of the history cited for one reason.
const EVIDENCE_MAX: usize = 3;

/// Parts of the score below this share are not worth saying.
const SHARE_MIN: f32 = 0.05;

/// What reasons are looked up in.
pub(crate) struct Witness<'a> {
    pub(crate) state: &'a State,
    pub(crate) actions: &'a Actions,
    /// What the user did, newest first.
    pub(crate) visits: Vec<Visit>,
    /// Newest first.
    pub(crate) history: &'a [ItemIdx],
}

impl Witness<'_> {
    /// The reasons for `item`, whose score has these `parts`.
    pub(crate) fn reasons(&self, item: ItemIdx, parts: &Parts) -> Vec<Reason> {
        let total: f32 = parts.iter().map(|part| part.max(0.0)).sum();
        let mut order: Vec<usize> =
            (0..parts.len()).filter(|&c| parts[c] > SHARE_MIN * total && total > 0.0).collect();
        order.sort_by(|&a, &b| parts[b].total_cmp(&parts[a]));
        order.truncate(REASONS_MAX);
        let related = self.related(item);
        order.into_iter().map(|column| self.reason(item, column, parts[column] / total, &related)).collect()
    }

    /// `related`: the history's items to cite.
    fn reason(&self, item: ItemIdx, column: usize, share: f32, related: &[(ItemIdx, Margins)]) -> Reason {
        // Popularity is nobody's in particular.
        let personal = !(PERSONAL..COLUMNS).contains(&column);
        let cited = if personal { related } else { &[] };
        let because: Vec<Evidence> = cited.iter().map(|&(own, margins)| self.cite(own, margins)).collect();
        let text = match because.first() {
            Some(first) => {
                let name = first.title.as_deref().unwrap_or(&first.item_id);
                format!("{} people came to both this and {name}", first.count)
            }
            None if personal => "goes with the history".to_owned(),
            None => popularity(HALF_LIVES_MS[column - PERSONAL], self.state.hot.count(item)),
        };
        Reason { source: any_name(column), text, share: f64::from(share), because }
    }

    /// The history's items that a pair model goes by, strongest first.
    fn related(&self, item: ItemIdx) -> Vec<(ItemIdx, Margins)> {
        let state = self.state;
        let total = state.users.with_likes();
        let mut found: Vec<(f32, ItemIdx, Margins)> = Vec::new();
        for (back, &own) in self.history.iter().enumerate().take(HISTORY_ASKED) {
            let Some(pair) = state.pairs.pair(own, item) else { continue };
            let (first, second) = (state.items.users(own), state.items.users(item));
            let margins = Margins { both: pair.count, first, second, total };
            let value = 0.9f32.powi(back as i32) * margins.cosine() as f32;
            if value > 0.0 {
                found.push((value, own, margins));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(EVIDENCE_MAX);
        found.into_iter().map(|(_, own, margins)| (own, margins)).collect()
    }

    fn cite(&self, own: ItemIdx, margins: Margins) -> Evidence {
        let visit = self.visits.iter().find(|visit| visit.item == own && visit.is_liked());
        Evidence {
            item_id: self.state.items.id(own).to_owned(),
            title: self.state.items.title(own).map(str::to_owned),
            action: visit.map(|visit| self.actions.word(visit.action).to_owned()),
            ts: visit.map(|visit| visit.time_ms),
            event: visit.and_then(|visit| visit.origin).map(|origin| self.state.sources.describe(origin)),
            count: margins.both,
            similarity: margins.cosine(),
        }
    }
}

fn popularity(half_life_ms: f64, count: u32) -> String {
    if half_life_ms.is_infinite() {
        return format!("popular of all time: {count} events");
    }
    let hours = half_life_ms / 3_600_000.0;
    if hours < 24.0 {
        return format!("popular in the last hours (half-life {hours} h)");
    }
    format!("popular lately (half-life {} d)", hours / 24.0)
}
