//! A request in, a ranked list out: candidates gathered and scored, cut to the page asked for, explained.

use std::borrow::Cow;

use super::Recommender;
use super::page::Placed;
use crate::ids::{ItemIdx, UserIdx};
use crate::models::{PERSONAL, Question, optional_of};
use crate::ranking::candidates::{Breadth, Scratch, gather, gather_by};
use crate::ranking::fuse::ModelChoice;
use crate::ranking::reasons::Witness;
use crate::ranking::{cold, dislikes};
use crate::segment::Segment;
use crate::serving::{Answer, AnswerKind, History, Recommended, Request};
use crate::state::ring::Visit;

/// How many of a segment's items become candidates for one of it without a history.
const SEGMENT_ASKED: usize = 100;

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
        self.score(request, choice, &asked, &mut scratch);
        let page = self.page(request, &asked, self.exploration(request), &mut scratch);
        let witness = Witness {
            state: &self.state,
            actions: &self.config.actions,
            visits: asked.user.filter(|_| request.explain).map_or_else(Vec::new, |user| self.visits(user)),
            history: &scratch.history,
        };
        let explain = |item: ItemIdx| match scratch.find(item) {
            Some(place) if request.explain => {
                witness.reasons(item, &self.fusion.parts(choice, &self.models, &scratch, place))
            }
            _ => Vec::new(),
        };
        let last = scratch.history.first().copied();
        let clicks = self.clicks.as_ref();
        let clicks = clicks.map(|clicks| clicks.asked(&self.state, asked.user, last, request.scenario));
        let items = page.into_iter().map(|Placed { score, item, propensity }| Recommended {
            item_id: self.state.items.id(item).to_owned(),
            title: self.state.items.title(item).map(str::to_owned),
            score: f64::from(score),
            propensity,
            click: clicks.as_ref().map(|clicks| clicks.chance(item)),
            reasons: explain(item),
        });
        let answer = Answer { kind: asked.kind, items: items.collect() };
        self.give_back(scratch);
        Some(answer)
    }

    fn visits(&self, user: UserIdx) -> Vec<Visit> {
        self.state.users.ring(user).newest_first().collect()
    }

    /// The lists that [`Recommender::recommend`] would give by each model, as bare indexes and without exploration.
    pub(crate) fn lists(&self, request: &Request<'_>, choices: &[ModelChoice]) -> Vec<Vec<ItemIdx>> {
        let mut scratch = self.scratch();
        let mut list = |&choice| match self.ask(request, choice, &mut scratch) {
            Some(asked) => {
                self.score(request, choice, &asked, &mut scratch);
                self.page(request, &asked, None, &mut scratch).into_iter().map(|placed| placed.item).collect()
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
        let members = self.only(request)?;
        let (kind, user) = self.resolve(request, &mut scratch.history);
        let segment = user.filter(|_| scratch.history.is_empty()).and_then(|user| self.state.segment(user));
        let people_min = self.config.segment_people_min;
        let segment = segment.filter(|&segment| self.state.segments.people(segment) >= people_min);
        let own = segment
            .map_or_else(Vec::new, |segment| self.state.segments.top_of(segment, people_min, SEGMENT_ASKED));
        let breadth = match (choice, &members) {
            (ModelChoice::Optional(place), _) => {
                let history = std::mem::take(&mut scratch.history);
                let question = Question { state: &self.state, user, history: &history };
                let known = gather_by(self.sources(), place, &question, scratch);
                scratch.history = history;
                return known.then_some(Asked { kind, user, members, segment: None });
            }
            (ModelChoice::Column(column), _) if self.models.off()[column] => return None,
            (ModelChoice::Column(column), _) if column < PERSONAL => Breadth::With(&[]),
            (ModelChoice::Column(_), _) => Breadth::Every,
            (ModelChoice::Fused, Some(members)) if request.among.is_some() => Breadth::With(members),
            // What fits may be nowhere near the strongest.
            _ if request.filter.is_some() || request.offset + request.n > DEEP => Breadth::Every,
            (ModelChoice::Fused, Some(members)) => Breadth::With(members),
            (ModelChoice::Fused, None) if segment.is_some() => Breadth::With(&own),
            (ModelChoice::Fused, None) => Breadth::Strongest,
        };
        gather(self.sources(), user, breadth, &self.fusion.sketch(scratch.history.len()), scratch);
        Some(Asked { kind, user, members, segment })
    }

    /// The only items that may be shown, in order of index, if not all may; nothing if the category is unknown.
    fn only<'s>(&'s self, request: &Request<'_>) -> Option<Option<Cow<'s, [ItemIdx]>>> {
        let items = &self.state.items;
        let category = match request.category {
            None => None,
            Some(name) => Some(items.category(name)?),
        };
        let Some(among) = request.among else { return Some(category.map(Cow::Borrowed)) };
        let mut among: Vec<ItemIdx> = among.iter().filter_map(|id| items.find(id)).collect();
        among.retain(|item| category.is_none_or(|category| category.binary_search(item).is_ok()));
        among.sort_unstable();
        Some(Some(Cow::Owned(among)))
    }

    /// Scores the candidates; a single model's scores are left as they are.
    fn score(&self, request: &Request<'_>, choice: ModelChoice, asked: &Asked<'_>, scratch: &mut Scratch) {
        self.fusion.score(&self.state, choice, scratch);
        if choice == ModelChoice::Fused {
            cold::lift(&self.state, &self.models, scratch);
        }
        if let (ModelChoice::Fused, Some(user)) = (choice, asked.user) {
            let disliked = self.state.users.ring(user).signs().filter(|&(_, sign)| sign < 0);
            dislikes::lower(&self.state, disliked.map(|(item, _)| item), scratch);
        }
        if let (ModelChoice::Fused, Some(segment)) = (choice, asked.segment) {
            self.weigh_by_segment(segment, scratch);
        }
        if let (ModelChoice::Fused, Some(clicks)) = (choice, &self.clicks) {
            clicks.weigh(&self.state, asked.user, request.scenario, scratch);
        }
    }

    /// Weighs what is hot by how much more a segment takes it; the best of all has a score of 1 again.
    fn weigh_by_segment(&self, segment: Segment, scratch: &mut Scratch) {
        let state = &self.state;
        let total = state.users.with_likes();
        for (score, &item) in scratch.scores.iter_mut().zip(&scratch.items) {
            *score *= state.segments.lift(segment, item, state.items.users(item), total);
        }
        let most = scratch.scores.iter().fold(f32::MIN_POSITIVE, |most, &score| most.max(score));
        scratch.scores.iter_mut().for_each(|score| *score /= most);
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
pub(super) struct Asked<'s> {
    pub(super) kind: AnswerKind,
    pub(super) user: Option<UserIdx>,
    /// The only items that may be shown, in order of index.
    pub(super) members: Option<Cow<'s, [ItemIdx]>>,
    /// The segment of a user without a history.
    pub(super) segment: Option<Segment>,
}
