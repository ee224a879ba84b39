//! A request in, a ranked list out: gathered, scored, cut to the page asked for, explained.

use std::collections::BinaryHeap;

use super::Recommender;
use crate::ids::{ItemIdx, UserIdx};
use crate::models::{PERSONAL, Question, optional_of};
use crate::ranking::candidates::{Breadth, Scratch, gather, gather_by};
use crate::ranking::dislikes;
use crate::ranking::fuse::ModelChoice;
use crate::ranking::reasons::Witness;
use crate::ranking::spread;
use crate::serving::{Answer, AnswerKind, History, Recommended, Request};
use crate::state::ring::Ring;

/// Lists reaching deeper than this are ranked over every item, which takes longer.
const DEEP: usize = 200;

impl Recommender {
    /// Ranks items for a user or a visit.
    ///
    /// `None` if the request names an unknown model or category, or if its history's items are all unknown and
    /// there is nothing hot either; an unknown user gets hot items and is told so.
    pub fn recommend(&self, request: &Request<'_>) -> Option<Answer> {
        let choice = match request.model {
            None => ModelChoice::Fused,
            Some(name) => ModelChoice::from_name(name)?,
        };
        let mut scratch = self.scratch();
        let asked = self.ask(request, choice, &mut scratch)?;
        self.score(choice, &asked, &mut scratch);
        let best = self.best(request, &asked, &mut scratch);
        let witness = Witness {
            state: &self.state,
            actions: &self.config.actions,
            user: asked.user,
            history: &scratch.history,
        };
        let explain = |item: ItemIdx| match scratch.find(item) {
            Some(place) if request.explain => {
                witness.reasons(item, &self.fusion.parts(choice, &self.models, &scratch, place))
            }
            _ => Vec::new(),
        };
        let items = best.into_iter().map(|(score, item)| Recommended {
            item_id: self.state.items.id(item).to_owned(),
            title: self.state.items.title(item).map(str::to_owned),
            score: f64::from(score),
            reasons: explain(item),
        });
        let answer = Answer { kind: asked.kind, items: items.collect() };
        self.give_back(scratch);
        Some(answer)
    }

    /// The lists that [`Recommender::recommend`] would give by each model, as bare indexes.
    pub(crate) fn lists(&self, request: &Request<'_>, choices: &[ModelChoice]) -> Vec<Vec<ItemIdx>> {
        let mut scratch = self.scratch();
        let mut list = |&choice| match self.ask(request, choice, &mut scratch) {
            Some(asked) => {
                self.score(choice, &asked, &mut scratch);
                self.best(request, &asked, &mut scratch).into_iter().map(|(_, item)| item).collect()
            }
            None => Vec::new(),
        };
        let lists = choices.iter().map(&mut list).collect();
        self.give_back(scratch);
        lists
    }

    /// The rating that a user would give an item, by a model of ratings: `biased-sgd`, `item-ratings` or
    /// `item-ratings-adjusted`. `None` if the model is off or has nothing to go by.
    pub fn predict(&self, user_id: &str, item_id: &str, model: &str) -> Option<f64> {
        self.predict_by(user_id, item_id, optional_of(model)?)
    }

    /// The same by the model of a place among the optional ones.
    pub(crate) fn predict_by(&self, user_id: &str, item_id: &str, place: usize) -> Option<f64> {
        let model = self.models.get(place)?;
        let question = Question { state: &self.state, user: self.state.users.find(user_id), history: &[] };
        // An item nobody knows has no index of its own; one beyond the last is as unknown to any model.
        let item = self.state.items.find(item_id).unwrap_or(ItemIdx(self.state.items.len() as u32));
        model.predict(&question, item)
    }

    /// Gathers the candidates for a request.
    fn ask<'s>(
        &'s self,
        request: &Request<'_>,
        choice: ModelChoice,
        scratch: &mut Scratch,
    ) -> Option<Asked<'s>> {
        let members = match request.category {
            None => None,
            Some(name) => Some(self.state.items.category(name)?),
        };
        let (kind, user) = self.resolve(request, &mut scratch.history);
        let breadth = match (choice, members) {
            (ModelChoice::Optional(place), _) => {
                let history = std::mem::take(&mut scratch.history);
                let question = Question { state: &self.state, user, history: &history };
                let known = gather_by(self.sources(), place, &question, scratch);
                scratch.history = history;
                return known.then_some(Asked { kind, user, members });
            }
            (ModelChoice::Column(column), _) if column < PERSONAL => Breadth::With(&[]),
            (ModelChoice::Column(_), _) => Breadth::Every,
            // What fits may be nowhere near the strongest.
            _ if request.filter.is_some() || request.offset + request.n > DEEP => Breadth::Every,
            (ModelChoice::Fused, Some(members)) => Breadth::With(members),
            (ModelChoice::Fused, None) => Breadth::Strongest,
        };
        gather(self.sources(), user, breadth, &self.fusion.sketch(scratch.history.len()), scratch);
        Some(Asked { kind, user, members })
    }

    /// Scores the candidates; a single model's scores are left as they are.
    fn score(&self, choice: ModelChoice, asked: &Asked<'_>, scratch: &mut Scratch) {
        self.fusion.score(&self.state, choice, scratch);
        if let (ModelChoice::Fused, Some(user)) = (choice, asked.user) {
            let disliked = self.state.users.ring(user).signs().filter(|&(_, sign)| sign < 0);
            dislikes::lower(&self.state, disliked.map(|(item, _)| item), scratch);
        }
    }

    /// The page of candidates asked for, best first; equals by index.
    fn best(&self, request: &Request<'_>, asked: &Asked<'_>, scratch: &mut Scratch) -> Vec<(f32, ItemIdx)> {
        let items = &self.state.items;
        let now_ms = request.now_ms.unwrap_or(self.state.newest_ms);
        let excluded: Vec<ItemIdx> = request.exclude.iter().filter_map(|id| items.find(id)).collect();
        let own = self.own(request, asked, scratch);
        let may_show = |item: ItemIdx| {
            asked.members.is_none_or(|members| members.binary_search(&item).is_ok())
                && !excluded.contains(&item)
                && own.binary_search(&item).is_err()
                && items.is_offered(item, now_ms)
                && request.filter.is_none_or(|filter| filter.fits(items, item))
        };
        let scored = scratch.scores.iter().zip(&scratch.items).filter(|&(&score, _)| score > 0.0);
        scratch.keys.clear();
        scratch.keys.extend(scored.map(|(&score, &item)| rank_key(score, item)));
        let mut left = BinaryHeap::from(std::mem::take(&mut scratch.keys));
        let end = request.offset + request.n;
        let reordered = request.per_category_max.is_some() || request.diversity > 0.0;
        let needed = if reordered { left.len() } else { end };
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
        if request.diversity > 0.0 {
            // With a cap, any of the pool may be needed.
            let needed = if request.per_category_max.is_some() { usize::MAX } else { end };
            spread::diversify(&self.state, &mut ranked, request.diversity.min(1.0), needed);
        }
        if let Some(max) = request.per_category_max {
            spread::cap_categories(&self.state, &mut ranked, max);
        }
        ranked.truncate(end);
        ranked.into_iter().skip(request.offset).collect()
    }

    /// The items not to recommend to this user, in order of index: disliked ones, and unless allowed those acted on.
    fn own(&self, request: &Request<'_>, asked: &Asked<'_>, scratch: &Scratch) -> Vec<ItemIdx> {
        let ring = asked.user.map(|user| self.state.users.ring(user));
        let signs = ring.into_iter().flat_map(Ring::signs);
        let acted = signs.filter(|&(_, sign)| sign < 0 || (sign > 0 && !request.allow_seen));
        let mut own: Vec<ItemIdx> = acted.map(|(item, _)| item).collect();
        if !request.allow_seen {
            own.extend(ring.map_or(&[][..], Ring::older));
            own.extend(&scratch.history);
        }
        own.sort_unstable();
        own
    }

    /// Fills `history` with the items to go by, newest first.
    fn resolve(&self, request: &Request<'_>, history: &mut Vec<ItemIdx>) -> (AnswerKind, Option<UserIdx>) {
        history.clear();
        let user = match request.history {
            History::User(id) => {
                let Some(user) = self.state.users.find(id) else { return (AnswerKind::UnknownUser, None) };
                history.extend(self.state.users.ring(user).liked());
                Some(user)
            }
            History::Items(items) => {
                for id in items.iter().rev() {
                    if let Some(item) = self.state.items.find(id).filter(|item| !history.contains(item)) {
                        history.push(item);
                    }
                }
                None
            }
        };
        let kind = if history.is_empty() { AnswerKind::ColdUser } else { AnswerKind::Personal };
        (kind, user)
    }
}

/// A request resolved.
struct Asked<'s> {
    kind: AnswerKind,
    user: Option<UserIdx>,
    /// The items of the category asked for, in order of index.
    members: Option<&'s [ItemIdx]>,
}

/// A score above 0 and its item as one number: the greater the score, and among equals the lower the index, the greater.
fn rank_key(score: f32, item: ItemIdx) -> u64 {
    u64::from(score.to_bits()) << 32 | u64::from(!item.0)
}

fn of_rank_key(key: u64) -> (f32, ItemIdx) {
    (f32::from_bits((key >> 32) as u32), ItemIdx(!(key as u32)))
}
