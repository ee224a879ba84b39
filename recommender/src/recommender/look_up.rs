//! What is known of items and users without ranking for anyone: neighbours, hot items, who is known.

use super::Recommender;
use crate::cooccurrence::{Margins, Metric, Pair, counts::UNIT};
use crate::hot::{HALF_LIVES_MS, HotWindow};
use crate::ids::ItemIdx;
use crate::serving::{HotItem, HotList, Scope, Similar};

impl Recommender {
    /// The neighbours of an item, best by `metric` first. `None` if the item is unknown.
    pub fn similar(&self, item_id: &str, n: usize, metric: Metric) -> Option<Vec<Similar>> {
        let state = &self.state;
        let item = state.items.find(item_id)?;
        let mut found: Vec<(f64, &Pair, Margins)> = Vec::new();
        for pair in state.pairs.neighbours(item) {
            let margins = Margins {
                both: pair.count,
                first: state.items.users(item),
                second: state.items.users(pair.item),
                total: state.users.with_likes(),
            };
            if pair.count > 0 && state.items.is_offered(pair.item, state.newest_ms) {
                found.push((value(metric, pair, margins), pair, margins));
            }
        }
        let best_first = |a: &(f64, &Pair, Margins), b: &(f64, &Pair, Margins)| {
            b.0.total_cmp(&a.0).then(b.1.weight.cmp(&a.1.weight)).then(a.1.item.cmp(&b.1.item))
        };
        found.sort_unstable_by(best_first);
        found.truncate(n);
        let similar = found.into_iter().map(|(score, pair, margins)| Similar {
            item_id: state.items.id(pair.item).to_owned(),
            title: state.items.title(pair.item).map(str::to_owned),
            score,
            count: pair.count,
            weight: f64::from(pair.weight) / f64::from(UNIT),
            cosine: margins.cosine(),
            jaccard: margins.jaccard(),
            confidence: margins.confidence(),
            lift: margins.lift(),
            llr: margins.llr(),
        });
        Some(similar.collect())
    }

    /// The hot items of a scope and window. `None` if the category is unknown.
    pub fn hot(&self, scope: Scope<'_>, window: HotWindow, n: usize) -> Option<HotList> {
        let state = &self.state;
        let now_ms = state.newest_ms;
        let (name, members) = match scope {
            Scope::All => ("all".to_owned(), None),
            Scope::Category(category) => {
                (format!("category={category}"), Some(state.items.category(category)?))
            }
        };
        let life = self.best_life();
        let keep = |item: ItemIdx| {
            state.items.is_offered(item, now_ms)
                && members.is_none_or(|members| members.binary_search(&item).is_ok())
        };
        let items =
            state.hot.rank(window, life, now_ms, n, keep).into_iter().map(|(item, score, count)| HotItem {
                item_id: state.items.id(item).to_owned(),
                title: state.items.title(item).map(str::to_owned),
                score,
                count,
            });
        Some(HotList {
            scope: name,
            window: window.name(),
            half_life_ms: (window == HotWindow::Decayed).then_some(HALF_LIVES_MS[life]),
            as_of: now_ms,
            items: items.collect(),
        })
    }

    /// Whether a user is known.
    pub fn knows_user(&self, id: &str) -> bool {
        self.state.users.find(id).is_some()
    }

    /// Whether there is anything in a user's history to go by.
    pub fn has_history(&self, id: &str) -> bool {
        let ring = self.state.users.find(id).map(|user| self.state.users.ring(user));
        ring.is_some_and(|ring| ring.liked().next().is_some())
    }

    /// Whether an item is known.
    pub fn knows_item(&self, id: &str) -> bool {
        self.state.items.find(id).is_some()
    }

    /// The half-life that "decayed" stands for at present.
    fn best_life(&self) -> usize {
        self.fusion.best_life()
    }
}

fn value(metric: Metric, pair: &Pair, margins: Margins) -> f64 {
    match metric {
        Metric::Count => f64::from(pair.count),
        Metric::Weight => f64::from(pair.weight) / f64::from(UNIT),
        Metric::Cosine => margins.cosine(),
        Metric::Jaccard => margins.jaccard(),
        Metric::Confidence => margins.confidence(),
        Metric::Lift => margins.lift(),
        Metric::Llr => margins.llr(),
    }
}
