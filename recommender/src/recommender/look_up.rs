//! What is known of items and users without ranking for anyone: neighbours, hot items, who is known.

use super::Recommender;
use crate::cooccurrence::{Margins, Metric, Pair, counts::UNIT};
use crate::hot::{HALF_LIVES_MS, HotWindow};
use crate::ids::ItemIdx;
use crate::models::{Question, content, optional_of};
use crate::online::space_saving::Counter;
use crate::segment::Group;
use crate::serving::{HeavyHitter, HeavyHitters, HotItem, HotList, Scope, Similar};

impl Recommender {
    /// The neighbours of an item, best by `metric` first; of an item nobody has come to, those most like it if `content` is
    /// on, which have a cosine and no counts. `None` if the item is unknown.
    pub fn similar(&self, item_id: &str, n: usize, metric: Metric) -> Option<Vec<Similar>> {
        let state = &self.state;
        let item = state.items.find(item_id)?;
        let mut found: Vec<(f64, Pair, Margins)> = Vec::new();
        for pair in state.pairs.neighbours(item) {
            let margins = Margins {
                both: pair.count,
                first: state.items.users(item),
                second: state.items.users(pair.item),
                total: state.users.with_likes(),
            };
            if pair.count > 0 && state.items.is_offered(pair.item, state.newest_ms) {
                found.push((value(metric, &pair, margins), pair, margins));
            }
        }
        let best_first = |a: &(f64, Pair, Margins), b: &(f64, Pair, Margins)| {
            b.0.total_cmp(&a.0).then(b.1.weight.cmp(&a.1.weight)).then(a.1.item.cmp(&b.1.item))
        };
        if found.is_empty() && state.items.users(item) == 0 {
            return Some(self.alike(item, n));
        }
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

    /// The items whose words are most like an item's, as far as `content` knows any.
    fn alike(&self, item: ItemIdx, n: usize) -> Vec<Similar> {
        let question = Question { state: &self.state, user: None, history: &[item] };
        let mut scored = Vec::new();
        if let Some(content) = optional_of(content::NAME) {
            self.models.score(content, &question, &mut scored);
        }
        let now_ms = self.state.newest_ms;
        scored.retain(|&(other, score)| {
            other != item && score > 0.0 && self.state.items.is_offered(other, now_ms)
        });
        scored.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scored.truncate(n);
        let similar = |(other, score): (ItemIdx, f32)| Similar {
            item_id: self.state.items.id(other).to_owned(),
            title: self.state.items.title(other).map(str::to_owned),
            score: f64::from(score),
            count: 0,
            weight: 0.0,
            cosine: f64::from(score),
            jaccard: 0.0,
            confidence: 0.0,
            lift: 0.0,
            llr: 0.0,
        };
        scored.into_iter().map(similar).collect()
    }

    /// The hot items of a scope and window. `None` if the category or segment is unknown, or the window is not one that is
    /// counted for it.
    pub fn hot(&self, scope: Scope<'_>, window: HotWindow, n: usize) -> Option<HotList> {
        if let Scope::Segment(name) = scope {
            return self.hot_of_segment(name, window, n);
        }
        let members = self.members(scope)?;
        let now_ms = self.state.newest_ms;
        let life = self.best_life();
        let ranked = self.state.hot.rank(window, life, now_ms, n, self.shown(members));
        let half_life_ms = (window == HotWindow::Decayed).then_some(HALF_LIVES_MS[life]);
        Some(self.list(scope, window, half_life_ms, ranked))
    }

    /// The items of a scope that are trending in a window, by how many deviations more happens to them in its present
    /// twelfth than used to: see [`crate::trending`]. `None` if the category is unknown, or the window does not
    /// slide, or for a segment.
    pub fn trending(&self, scope: Scope<'_>, window: HotWindow, n: usize) -> Option<HotList> {
        let members = self.members(scope)?;
        let now_ms = self.state.newest_ms;
        let ranked = self.state.hot.rank_trending(window, now_ms, n, self.shown(members))?;
        Some(self.list(scope, window, None, ranked))
    }

    fn hot_of_segment(&self, name: &str, window: HotWindow, n: usize) -> Option<HotList> {
        let group = self.state.segments.bands().group(name).filter(|_| window == HotWindow::AllTime)?;
        Some(self.hot_of_group(group, n))
    }

    /// What most of a group of people came to, of all time.
    pub(crate) fn hot_of_group(&self, group: Group, n: usize) -> HotList {
        let segments = &self.state.segments;
        let top = segments.top(group, self.config.segment_people_min, n, self.shown(None));
        let ranked = top.into_iter().map(|(item, count)| (item, f64::from(count), count)).collect();
        self.list(Scope::Segment(&segments.bands().name(group)), HotWindow::AllTime, None, ranked)
    }

    /// The items most acted on of all time, those dropped for want of room included; `None` if they are not counted.
    pub fn heavy_hitters(&self, n: usize) -> Option<HeavyHitters> {
        let hitters = self.hitters.as_ref()?;
        let item = |counter: &Counter| HeavyHitter {
            item_id: counter.name.clone(),
            count: counter.count,
            error: counter.error,
        };
        let items = hitters.counters().iter().take(n).map(item).collect();
        let as_of = self.state.newest_ms;
        Some(HeavyHitters { as_of, total: hitters.total(), error_max: hitters.error_max(), items })
    }

    /// The items of a scope, in order of index, or `None` for all; nothing if there is no such scope.
    fn members(&self, scope: Scope<'_>) -> Option<Option<&[ItemIdx]>> {
        match scope {
            Scope::All => Some(None),
            Scope::Category(category) => self.state.items.category(category).map(Some),
            Scope::Segment(_) => None,
        }
    }

    /// Whether an item may be in a list of these.
    fn shown(&self, members: Option<&[ItemIdx]>) -> impl Fn(ItemIdx) -> bool {
        move |item| {
            self.state.items.is_offered(item, self.state.newest_ms)
                && members.is_none_or(|members| members.binary_search(&item).is_ok())
        }
    }

    fn list(
        &self,
        scope: Scope<'_>,
        window: HotWindow,
        half_life_ms: Option<f64>,
        ranked: Vec<(ItemIdx, f64, u32)>,
    ) -> HotList {
        let items = ranked.into_iter().map(|(item, score, count)| HotItem {
            item_id: self.state.items.id(item).to_owned(),
            title: self.state.items.title(item).map(str::to_owned),
            score,
            count,
        });
        HotList {
            scope: match scope {
                Scope::All => "all".to_owned(),
                Scope::Category(category) => format!("category={category}"),
                Scope::Segment(segment) => format!("segment={segment}"),
            },
            window: window.name(),
            half_life_ms,
            as_of: self.state.newest_ms,
            items: items.collect(),
        }
    }

    /// The segment of a user, as the end of a topic's name.
    pub(crate) fn segment_of(&self, user: Option<&str>) -> String {
        let user = user.and_then(|user| self.state.users.find(user));
        let attributes = user.and_then(|user| self.state.users.attributes(user));
        let bands = self.state.segments.bands();
        let (age, gender) = attributes.map_or((None, None), |known| (known.age, known.gender.as_deref()));
        bands.suffix(bands.segment(age, gender))
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
