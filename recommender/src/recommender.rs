//! [`Recommender`]: the one type its owner handles.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Config, TopicRole};
use crate::cooccurrence::{Margins, Metric, Pair, counts::UNIT};
use crate::hot::{HALF_LIVES_MS, HotWindow};
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::ingest::action::ActionId;
use crate::ingest::clean::{self, SeenIds};
use crate::ingest::entity::{ItemEntity, UserEntity};
use crate::ingest::event::{Event, Position};
use crate::ingest::parse::{self, Content};
use crate::ingest::rejection::Rejection;
use crate::models::set::Models;
use crate::models::{COLUMNS, Lesson, OPTIONAL, PERSONAL, Question, column_name, optional_of};
use crate::ranking::candidates::{Breadth, Scratch, Sources, gather, gather_by};
use crate::ranking::dislikes;
use crate::ranking::fuse::{Fusion, ModelChoice};
use crate::ranking::reasons::Witness;
use crate::ranking::spread;
use crate::serving::{Answer, AnswerKind, History, HotItem, HotList, Recommended, Request, Scope, Similar};
use crate::state::memory::{self, Dropped};
use crate::state::ring::{Ring, Visit};
use crate::state::snapshot::{self, Reader, Snapshot, SnapshotError, Writer};
use crate::state::users::UserAttributes;
use crate::state::{Act, Limits, State};

/// Most categories told apart.
const CATEGORIES_MAX: usize = 65_536;

/// Lists reaching deeper than this are ranked over every item, which takes longer.
const DEEP: usize = 200;

/// A message of one of the topics that are read.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The topic; [`Config::role`] says what its messages hold.
    pub topic: &'a str,
    /// Where the message stands, to be cited as evidence.
    pub position: Position<'a>,
    /// The message's key.
    pub key: Option<&'a [u8]>,
    /// The message's value; none removes an item or forgets a user.
    pub value: Option<&'a [u8]>,
    /// The message's own time, in ms since 1970.
    pub time_ms: i64,
}

/// What became of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Events or entities taken in.
    pub accepted: usize,
    /// Events of the same message that were refused: with at least one accepted, the others' reasons.
    pub rejected: Vec<Rejection>,
}

/// Keys whose output has changed since they were last taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Users whose recommendations may have changed by what they did.
    pub users: Vec<String>,
    /// Items whose neighbours may have changed.
    pub items: Vec<String>,
    /// Whether more is left than was asked for.
    pub more: bool,
}

/// Counts since the start, or since the log was begun if the state was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events learnt.
    pub events: u64,
    /// Items and users described or removed.
    pub entities: u64,
    /// Messages or events refused.
    pub rejected: u64,
}

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

/// Learns from events and answers from what it learnt.
#[derive(Debug)]
pub struct Recommender {
    config: Arc<Config>,
    state: State,
    seen: SeenIds,
    fusion: Fusion,
    models: Models,
    counters: Counters,
    changed: Changed,
    before: Vec<ItemIdx>,
    /// After how many events and entities to look at the memory again.
    next_look: u64,
    /// Memory of requests, reused: as many as there were requests at once.
    pool: Mutex<Vec<Scratch>>,
}

impl Recommender {
    /// An empty recommender.
    pub fn new(config: Config) -> Self {
        Self::observing(config, &[])
    }

    /// An empty recommender in which these optional models learn too, beside the fusion.
    pub(crate) fn observing(config: Config, observed: &[usize]) -> Self {
        Self {
            models: Models::new(&config, observed),
            config: Arc::new(config),
            state: State::default(),
            seen: SeenIds::default(),
            fusion: Fusion::default(),
            counters: Counters::default(),
            changed: Changed::default(),
            before: Vec::new(),
            next_look: 0,
            pool: Mutex::default(),
        }
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was learnt, to be read.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Counts of what was taken in.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The newest event's time, ms since 1970: what answers are given as of.
    pub fn newest_ms(&self) -> i64 {
        self.state.newest_ms
    }

    /// The names of all categories, each a scope of hot items.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.state.items.categories()
    }

    /// The names that [`Request::model`] always takes.
    pub fn models() -> impl Iterator<Item = &'static str> {
        (0..COLUMNS).map(column_name)
    }

    /// The names it takes besides if `recommender.models` has them.
    pub fn optional_models() -> impl Iterator<Item = &'static str> {
        OPTIONAL.iter().map(|optional| optional.name)
    }

    /// Does the work that models put off, as a batch program would after its input: for evaluations. It may take
    /// minutes.
    pub fn settle(&mut self) {
        self.models.settle(&self.state);
    }

    /// Takes in one message: decodes, checks and learns.
    ///
    /// A message of a topic that is not read counts as behaviour, for those who feed a single stream.
    ///
    /// # Errors
    /// [`Rejection`] if nothing of the message could be used: it belongs in the dead-letter topic, and nothing
    /// has changed. A message of several events of which some were used is an `Ok` that lists the others.
    pub fn ingest(&mut self, message: &Incoming<'_>) -> Result<Applied, Rejection> {
        let taken = self.take_in(message);
        match &taken {
            Ok(applied) => self.counters.rejected += applied.rejected.len() as u64,
            Err(_) => self.counters.rejected += 1,
        }
        taken
    }

    /// Learns one event that is already decoded. `record_ms`: the time against which its own is checked.
    ///
    /// # Errors
    /// [`Rejection`] if the event is invalid or a duplicate; nothing has changed.
    pub fn apply(
        &mut self,
        event: &Event<'_>,
        position: Position<'_>,
        record_ms: i64,
    ) -> Result<(), Rejection> {
        let clean = clean::check(event, record_ms, &self.config)?;
        self.seen.admit(event, self.config.dedup_ids_max)?;
        self.counters.events += 1;
        if event.item_id.is_empty() {
            return Ok(());
        }
        let Some(item) = self.intern_item(&event.item_id) else { return Ok(()) };
        let user = clean.user.as_deref().and_then(|user| self.intern_user(user));
        let visit = Visit {
            item,
            action: clean.action,
            sign: if clean.weight > 0.0 { 1 } else { -i8::from(clean.weight < 0.0) },
            superseded: false,
            source: self.state.sources.intern(position.source),
            offset: position.offset,
            time_ms: event.time_ms,
        };
        if clean.weight > 0.0
            && let Some(user) = user
            && self.fusion.is_lesson()
        {
            self.learn_fusion(user, item, event.time_ms);
        }
        let limits = self.limits();
        let act = Act { user, item, weight: clean.weight, visit };
        let first_like = self.state.learn(act, limits, &mut self.before);
        if let Some(user) = user.filter(|_| !self.models.is_empty()) {
            let action = self.config.actions.word(clean.action);
            let rating = self.rating(clean.action, event);
            let (state, weight) = (&self.state, clean.weight);
            self.models.learn(&Lesson { state, user, item, action, weight, first_like, rating });
        }
        self.changed.act(user, item, &self.before);
        self.keep_within_memory();
        Ok(())
    }

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

    /// The rating an event gives, or `None` if it gives none or would be refused.
    pub(crate) fn rating_of(&self, event: &Event<'_>) -> Option<f64> {
        let clean = clean::check(event, event.time_ms, &self.config).ok()?;
        self.rating(clean.action, event)
    }

    fn rating(&self, action: ActionId, event: &Event<'_>) -> Option<f64> {
        event.value.filter(|_| self.config.actions.word(action) == "rate")
    }

    /// What an event says for its item, or `None` if it would be refused.
    pub(crate) fn weight_of(&self, event: &Event<'_>) -> Option<f32> {
        clean::check(event, event.time_ms, &self.config).ok().map(|clean| clean.weight)
    }

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

    /// Takes up to `limit` changed users and as many changed items off the queue, oldest first.
    pub fn take_changes(&mut self, limit: usize) -> Changes {
        let users = self
            .changed
            .users
            .take(limit)
            .map(|user| self.state.users.id(UserIdx(user)).to_owned())
            .collect();
        let items = self
            .changed
            .items
            .take(limit)
            .map(|item| self.state.items.id(ItemIdx(item)).to_owned())
            .collect();
        let more = !self.changed.users.queue.is_empty() || !self.changed.items.queue.is_empty();
        Changes { users, items, more }
    }

    /// Whether hot lists may have changed since this was last asked.
    pub fn take_hot(&mut self) -> bool {
        std::mem::take(&mut self.changed.hot)
    }

    /// What is kept, and what it costs.
    pub fn report(&self) -> Report {
        let state = &self.state;
        Report {
            users: state.users.len(),
            items: state.items.len(),
            pairs: state.pairs.len(),
            bytes: (state.size_bytes().into_iter())
                .chain([("event-ids", self.seen.size_bytes())])
                .chain(self.models.bytes())
                .collect(),
            newest_ms: state.newest_ms,
            weights: self.fusion.report(&self.models),
        }
    }

    /// Appends a snapshot of everything learnt, and of the keys that wait to be taken.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut body = Writer::default();
        body.u64(self.config.history_max as u64);
        self.state.save(&mut body);
        self.seen.save(&mut body);
        self.fusion.save(&mut body);
        self.models.save(&mut body);
        self.changed.save(&mut body);
        for count in [self.counters.events, self.counters.entities, self.counters.rejected] {
            body.u64(count);
        }
        body.u64(self.config.memory_max as u64);
        body.u64(self.next_look);
        snapshot::seal(&body.into_bytes(), out);
    }

    /// A recommender as it was when saved: the same answers, and after the same events the same bytes.
    ///
    /// # Errors
    /// [`SnapshotError`]: rebuild from the log instead.
    pub fn load(config: Config, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut body = Reader::new(snapshot::open(bytes)?);
        if body.u64()? != config.history_max as u64 {
            return Err(SnapshotError::Settings("recommender.user.history.max"));
        }
        let mut loaded = Self::new(config);
        loaded.state = State::load(&mut body)?;
        loaded.seen = SeenIds::load(&mut body)?;
        loaded.fusion = Fusion::load(&mut body)?;
        loaded.models.load(&mut body)?;
        loaded.changed = Changed::load(&mut body, loaded.state.users.len(), loaded.state.items.len())?;
        loaded.counters = Counters { events: body.u64()?, entities: body.u64()?, rejected: body.u64()? };
        let (max, next_look) = (body.u64()?, body.u64()?);
        // Under another bound, at once.
        loaded.next_look = if max == loaded.config.memory_max as u64 { next_look } else { 0 };
        if !body.is_done() {
            return Err(SnapshotError::Malformed("bytes left over"));
        }
        Ok(loaded)
    }

    /// Shows the fusion which candidate the user takes, before anything else learns it.
    fn learn_fusion(&mut self, user: UserIdx, item: ItemIdx, time_ms: i64) {
        let mut scratch = self.scratch();
        let ring = self.state.users.ring(user);
        let before = ring.liked_at().filter(|&(_, liked_ms)| liked_ms != time_ms);
        scratch.history.clear();
        scratch.history.extend(before.map(|(item, _)| item));
        let sketch = self.fusion.sketch(scratch.history.len());
        gather(self.sources(), Some(user), Breadth::Strongest, &sketch, &mut scratch);
        let visits = ring.newest_first();
        let mut passed: Vec<ItemIdx> =
            visits.take_while(|visit| visit.time_ms == time_ms).map(|visit| visit.item).collect();
        // Who takes something new had no use for what is known; who comes back chose between the two.
        if !scratch.history.contains(&item) && ring.older().binary_search(&item).is_err() {
            passed.extend(&scratch.history);
            passed.extend(ring.older());
        }
        self.fusion.learn(&self.state, &mut scratch, item, &passed);
        self.give_back(scratch);
    }

    fn take_in(&mut self, message: &Incoming<'_>) -> Result<Applied, Rejection> {
        let config = Arc::clone(&self.config);
        let role = config.role(message.topic).unwrap_or(TopicRole::Behaviour { action: None });
        let done = |()| Applied { accepted: 1, rejected: Vec::new() };
        let Some(value) = message.value else {
            return self.remove(role, message.key).map(done);
        };
        match role {
            TopicRole::Items => self.describe_item(&parse::item(message.key, value)?).map(done),
            TopicRole::Users => self.describe_user(&parse::user(message.key, value)?).map(done),
            TopicRole::Behaviour { action } => match parse::behaviour(value, action, message.time_ms)? {
                Content::Events(events) => self.apply_all(&events, message),
                Content::Item(item) => self.describe_item(&item).map(done),
                Content::User(user) => self.describe_user(&user).map(done),
            },
        }
    }

    fn apply_all(&mut self, events: &[Event<'_>], message: &Incoming<'_>) -> Result<Applied, Rejection> {
        let max = self.config.event_items_max;
        if events.len() > max {
            return Err(Rejection::TooManyItems { count: events.len(), max });
        }
        let mut applied = Applied::default();
        for event in events {
            match self.apply(event, message.position, message.time_ms) {
                Ok(()) => applied.accepted += 1,
                Err(rejection) => applied.rejected.push(rejection),
            }
        }
        match applied.rejected.pop() {
            Some(last) if applied.accepted == 0 => Err(last),
            last => {
                applied.rejected.extend(last);
                Ok(applied)
            }
        }
    }

    fn sources(&self) -> Sources<'_> {
        Sources { state: &self.state, models: &self.models }
    }

    fn limits(&self) -> Limits {
        Limits {
            history_max: self.config.history_max,
            window: self.config.window,
            row_max: self.config.row_max,
        }
    }

    /// The index of a user, making room for a new one if there is none.
    fn intern_user(&mut self, id: &str) -> Option<UserIdx> {
        if let Some(user) = self.state.users.find(id) {
            return Some(user);
        }
        if let Some(renumbering) = self.state.make_room_for_user(self.config.users_max) {
            self.renumber_users(&renumbering);
        }
        self.state.users.intern(id)
    }

    /// The index of an item, making room for a new one if there is none.
    fn intern_item(&mut self, id: &str) -> Option<ItemIdx> {
        if let Some(item) = self.state.items.find(id) {
            return Some(item);
        }
        if let Some(renumbering) = self.state.make_room_for_item(self.config.items_max) {
            self.renumber_items(&renumbering);
        }
        self.state.items.intern(id)
    }

    /// Drops what is idle if little room is left within `recommender.memory.max`, until an eighth is free.
    fn keep_within_memory(&mut self) {
        let max = self.config.memory_max;
        let taken_in = self.counters.events + self.counters.entities;
        if max == 0 || taken_in < self.next_look {
            return;
        }
        let mut bound = self.size_bound();
        let enough = if bound > max - max / 16 { max - max / 8 } else { bound };
        while bound > enough
            && let Some(dropped) = self.state.drop_idle()
        {
            match dropped {
                Dropped::Users(renumbering) => self.renumber_users(&renumbering),
                Dropped::Items(renumbering) => self.renumber_items(&renumbering),
            }
            bound = self.size_bound();
        }
        self.next_look = taken_in + memory::look_after(max, bound);
    }

    /// Most bytes that what is learnt may take, models with memory of their own aside.
    fn size_bound(&mut self) -> usize {
        self.state.size_bound().total() + self.seen.size_bound()
    }

    fn renumber_users(&mut self, renumbering: &Renumbering) {
        self.changed.users.renumber(renumbering);
        self.models.renumber_users(renumbering);
    }

    fn renumber_items(&mut self, renumbering: &Renumbering) {
        self.changed.items.renumber(renumbering);
        self.models.renumber_items(&self.state, renumbering);
    }

    /// Forgets a user: see [`State`]'s `forget`. The items of its history change with it.
    fn forget(&mut self, user: UserIdx) {
        let met: Vec<ItemIdx> = self.state.users.ring(user).signs().map(|(item, _)| item).collect();
        met.iter().for_each(|item| self.changed.items.add(item.0));
        let liked = self.state.users.liked(user);
        let actions = &self.config.actions;
        self.state.forget(user, self.limits(), |visit| actions.weight(visit.action));
        self.models.forget(&self.state, user, &liked);
        self.changed.users.add(user.0);
        self.changed.hot = true;
    }

    fn describe_item(&mut self, entity: &ItemEntity<'_>) -> Result<(), Rejection> {
        clean::check_id("item_id", &entity.item_id, &self.config)?;
        let Some(item) = self.intern_item(&entity.item_id) else { return Ok(()) };
        self.state.items.describe(item, entity, CATEGORIES_MAX);
        let text = entity.title.iter().chain(&entity.categories).map(|text| text.len()).sum();
        self.next_look = self.next_look.saturating_sub(memory::events_of(text));
        self.models.describe(item, entity);
        self.counters.entities += 1;
        self.changed.items.add(item.0);
        self.changed.hot = true;
        self.keep_within_memory();
        Ok(())
    }

    fn describe_user(&mut self, entity: &UserEntity<'_>) -> Result<(), Rejection> {
        clean::check_id("user_id", &entity.user_id, &self.config)?;
        let Some(user) = self.intern_user(&entity.user_id) else { return Ok(()) };
        let attributes =
            UserAttributes { age: entity.age, gender: entity.gender.as_deref().map(str::to_owned) };
        self.state.users.set_attributes(user, Some(attributes));
        self.counters.entities += 1;
        self.keep_within_memory();
        Ok(())
    }

    fn remove(&mut self, role: TopicRole<'_>, key: Option<&[u8]>) -> Result<(), Rejection> {
        let id = key.and_then(parse::key_text);
        match role {
            TopicRole::Behaviour { .. } => return Err(Rejection::Empty),
            TopicRole::Items => {
                let item = self.state.items.find(id.ok_or(Rejection::MissingKey)?);
                if let Some(item) = item {
                    self.state.items.withdraw(item);
                    self.models.withdraw(item);
                    self.changed.items.add(item.0);
                    self.changed.hot = true;
                }
            }
            TopicRole::Users => {
                if let Some(user) = self.state.users.find(id.ok_or(Rejection::MissingKey)?) {
                    self.forget(user);
                }
            }
        }
        self.counters.entities += 1;
        Ok(())
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

    /// The half-life that "decayed" stands for at present.
    fn best_life(&self) -> usize {
        self.fusion.best_life()
    }

    fn scratch(&self) -> Scratch {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, scratch: Scratch) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}

/// A score above 0 and its item as one number: the greater the score, and among equals the lower the index, the greater.
fn rank_key(score: f32, item: ItemIdx) -> u64 {
    u64::from(score.to_bits()) << 32 | u64::from(!item.0)
}

fn of_rank_key(key: u64) -> (f32, ItemIdx) {
    (f32::from_bits((key >> 32) as u32), ItemIdx(!(key as u32)))
}

/// A request resolved.
struct Asked<'s> {
    kind: AnswerKind,
    user: Option<UserIdx>,
    /// The items of the category asked for, in order of index.
    members: Option<&'s [ItemIdx]>,
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

/// Keys to publish, each once.
#[derive(Debug, Default)]
struct Changed {
    users: Queue,
    items: Queue,
    hot: bool,
}

impl Changed {
    fn act(&mut self, user: Option<UserIdx>, item: ItemIdx, met: &[ItemIdx]) {
        self.hot = true;
        if let Some(user) = user {
            self.users.add(user.0);
        }
        if !met.is_empty() {
            self.items.add(item.0);
            met.iter().for_each(|other| self.items.add(other.0));
        }
    }
}

impl Changed {
    fn save(&self, out: &mut Writer) {
        for queue in [&self.users, &self.items] {
            out.u32(queue.queue.len() as u32);
            queue.queue.iter().for_each(|&key| out.u32(key));
        }
        out.u8(u8::from(self.hot));
    }

    fn load(input: &mut Reader<'_>, users: usize, items: usize) -> Result<Self, SnapshotError> {
        let mut queue = |keys: usize| {
            let mut queue = Queue::default();
            for _ in 0..input.count(4)? {
                let key = input.u32()?;
                if key as usize >= keys {
                    return Err(SnapshotError::Malformed("a changed key of nobody"));
                }
                queue.add(key);
            }
            Ok(queue)
        };
        let (users, items) = (queue(users)?, queue(items)?);
        Ok(Self { users, items, hot: input.u8()? != 0 })
    }
}

/// A queue in which a key stands at most once.
#[derive(Debug, Default)]
struct Queue {
    queue: VecDeque<u32>,
    waiting: Vec<bool>,
}

impl Queue {
    fn add(&mut self, key: u32) {
        let at = key as usize;
        if self.waiting.len() <= at {
            self.waiting.resize(at + 1, false);
        }
        if !std::mem::replace(&mut self.waiting[at], true) {
            self.queue.push_back(key);
        }
    }

    fn renumber(&mut self, renumbering: &Renumbering) {
        let waiting: Vec<u32> = self.queue.iter().filter_map(|&key| renumbering.index(key)).collect();
        *self = Self::default();
        waiting.into_iter().for_each(|key| self.add(key));
    }

    fn take(&mut self, limit: usize) -> impl Iterator<Item = u32> {
        let count = limit.min(self.queue.len());
        let waiting = &mut self.waiting;
        self.queue.drain(..count).inspect(|&key| waiting[key as usize] = false)
    }
}
