//! Messages in: decoded, checked, learnt; items described and withdrawn, users described and forgotten.

use std::borrow::Cow;
use std::sync::Arc;

use super::observe::Unobserved;
use super::{Observer, Recommender, Seen};
use crate::clicks::Heard;
use crate::config::TopicRole;
use crate::ids::{ItemIdx, UserIdx};
use crate::ingest::action::ActionId;
use crate::ingest::clean::{self, Clean, SeenId};
use crate::ingest::entity::{ItemEntity, UserEntity};
use crate::ingest::event::{Event, Position};
use crate::ingest::parse::{self, Content};
use crate::ingest::rejection::Rejection;
use crate::models::Lesson;
use crate::ranking::candidates::{Breadth, gather};
use crate::state::memory;
use crate::state::ring::{Origin, Visit};
use crate::state::users::UserAttributes;
use crate::state::{Act, Kind};

/// Most categories told apart.
const CATEGORIES_MAX: usize = 65_536;

/// A message of one of the topics that are read.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The topic; [`crate::Config::role`] says what its messages hold.
    pub topic: &'a str,
    /// Where the message stands, to be cited as evidence.
    pub position: Position<'a>,
    /// The message's key.
    pub key: Option<&'a [u8]>,
    /// The message's value; none removes an item or forgets a user.
    pub value: Option<&'a [u8]>,
    /// The message's headers.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
    /// The message's own time, in ms since 1970.
    pub time_ms: i64,
}

impl<'a> Incoming<'a> {
    /// The tenant of one of its events: the one that the event names, else the header's.
    pub fn tenant_of<'e>(&'e self, event: &'e Event<'_>) -> Option<&'e str> {
        event.tenant.as_deref().or(self.tenant())
    }

    /// One of its events as it is without the message: with the header's tenant, if it names none itself.
    pub(crate) fn alone<'e>(&'e self, event: &'e Event<'_>) -> Event<'e> {
        Event { tenant: self.tenant_of(event).map(Cow::Borrowed), ..event.clone() }
    }

    /// The tenant that the header `tenant` names, for all of the message that names none itself.
    pub fn tenant(&self) -> Option<&'a str> {
        let header = self.headers.iter().find(|(name, _)| *name == b"tenant");
        header.and_then(|(_, value)| std::str::from_utf8((*value)?).ok())
    }
}

/// What became of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Events or entities taken in.
    pub accepted: usize,
    /// Events of the same message that were refused: with at least one accepted, the others' reasons.
    pub rejected: Vec<Rejection>,
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

impl Recommender {
    /// Takes in one message: decodes, checks and learns.
    ///
    /// A message of a topic that is not read counts as behaviour, for those who feed a single stream.
    ///
    /// # Errors
    /// [`Rejection`] if nothing of the message could be used: it belongs in the dead-letter topic, and nothing
    /// has changed. A message of several events of which some were used is an `Ok` that lists the others.
    pub fn ingest(&mut self, message: &Incoming<'_>) -> Result<Applied, Rejection> {
        let config = Arc::clone(&self.config);
        let role = config.role(message.topic).unwrap_or(TopicRole::Behaviour { action: None });
        self.ingest_as(role, message, &mut Unobserved)
    }

    /// The same of topics that are read alone, while `observer` looks on, who may keep events out.
    ///
    /// # Errors
    /// As [`Recommender::ingest`].
    pub(crate) fn ingest_observed(
        &mut self,
        message: &Incoming<'_>,
        observer: &mut impl Observer,
    ) -> Result<Applied, Rejection> {
        let config = Arc::clone(&self.config);
        match config.role(message.topic) {
            Some(role) => self.ingest_as(role, message, observer),
            None => Ok(Applied::default()),
        }
    }

    fn ingest_as(
        &mut self,
        role: TopicRole<'_>,
        message: &Incoming<'_>,
        observer: &mut impl Observer,
    ) -> Result<Applied, Rejection> {
        let taken = self.take_in(role, message, observer);
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
        let part = self.part(event.tenant.as_deref())?;
        let id = part.seen.check(event, part.config.dedup_ids_max)?;
        let added = part.learn(event, &clean, id, position);
        self.keep_within_memory(added);
        Ok(())
    }

    /// The same of one event of a message.
    fn apply_observed(
        &mut self,
        event: &Event<'_>,
        of_one_user: bool,
        message: &Incoming<'_>,
        observer: &mut impl Observer,
    ) -> Result<(), Rejection> {
        let config = Arc::clone(&self.config);
        let clean = clean::check(event, message.time_ms, &config)?;
        let tenant = message.tenant_of(event).filter(|_| config.tenants_max > 0);
        let part = self.part(tenant)?;
        let id = part.seen.check(event, config.dedup_ids_max)?;
        let (user, action) = (clean.user.as_deref(), config.actions.word(clean.action));
        let seen = Seen { message, event, tenant, user, action, weight: clean.weight, of_one_user };
        observer.admit(&seen, part)?;
        let added = part.learn(event, &clean, id, message.position);
        observer.learnt(&seen, part);
        self.keep_within_memory(added);
        Ok(())
    }

    /// Learns a clean event. `id`: what it is recognised by when it arrives twice. Most bytes that it added.
    fn learn(
        &mut self,
        event: &Event<'_>,
        clean: &Clean<'_>,
        id: Option<SeenId>,
        position: Position<'_>,
    ) -> usize {
        self.seen.remember(id, self.config.dedup_ids_max);
        self.counters.events += 1;
        self.trial = None;
        if event.item_id.is_empty() {
            return memory::added(0, 0, 0);
        }
        let known = (self.state.items.len(), self.state.users.len());
        if clean.weight > 0.0 {
            self.hitters.iter_mut().for_each(|hitters| hitters.add(&event.item_id));
        }
        let Some(item) = self.intern_item(&event.item_id) else { return 0 };
        let user = clean.user.as_deref().and_then(|user| self.intern_user(user));
        let new =
            usize::from(self.state.items.len() != known.0) + usize::from(self.state.users.len() != known.1);
        let visit = Visit {
            item,
            action: clean.action,
            sign: if clean.weight > 0.0 { 1 } else { -i8::from(clean.weight < 0.0) },
            superseded: false,
            origin: Some(Origin {
                source: self.state.sources.intern(position.source),
                offset: position.offset,
            }),
            time_ms: event.time_ms,
        };
        if clean.weight > 0.0
            && let Some(user) = user
            && self.fusion.is_lesson()
        {
            self.learn_fusion(user, item, event.time_ms);
        }
        let kind = kind_of(self.config.actions.word(clean.action), clean.weight);
        if let (Some(clicks), Some(user), Some(user_id)) = (&mut self.clicks, user, clean.user.as_deref()) {
            let heard = Heard {
                user_id,
                user,
                item,
                impression: kind == Kind::Impression,
                weight: clean.weight,
                rec_id: event.rec_id.as_deref(),
                position: event.position,
                scenario: event.scenario.as_deref(),
                time_ms: event.time_ms,
            };
            clicks.learn(&self.state, &heard);
        }
        let limits = self.limits();
        let act = Act { user, item, weight: clean.weight, visit, kind };
        let first_like = self.state.learn(act, limits, &mut self.before);
        if let Some(user) = user.filter(|_| !self.models.is_empty()) {
            let action = self.config.actions.word(clean.action);
            let rating = self.rating(clean.action, event);
            let (state, weight) = (&self.state, clean.weight);
            self.models.learn(&Lesson { state, user, item, action, weight, first_like, rating });
        }
        self.changed.act(user, item, &self.before);
        let ids = event.item_id.len() + clean.user.as_deref().map_or(0, str::len);
        memory::added(new, ids, self.before.len())
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
        let is_new = !scratch.history.contains(&item) && !ring.is_older(item);
        if is_new {
            passed.extend(&scratch.history);
            passed.extend(ring.older());
        }
        let trial = self.fusion.learn(&self.state, &self.models, &mut scratch, item, &passed);
        self.trial = is_new.then_some(trial);
        self.give_back(scratch);
    }

    fn take_in(
        &mut self,
        role: TopicRole<'_>,
        message: &Incoming<'_>,
        observer: &mut impl Observer,
    ) -> Result<Applied, Rejection> {
        let done = |()| Applied { accepted: 1, rejected: Vec::new() };
        let Some(value) = message.value else {
            return self.remove(role, message, observer).map(done);
        };
        match role {
            TopicRole::Items => self.describe_item(&parse::item(message.key, value)?, message).map(done),
            TopicRole::Users => self.describe_user(&parse::user(message.key, value)?, message).map(done),
            TopicRole::Behaviour { action } => {
                let format = self.config.format(message.topic);
                match parse::behaviour_as(format, value, action, message.time_ms)? {
                    Content::Events(events) => self.apply_all(&events, message, observer),
                    Content::Item(item) => self.describe_item(&item, message).map(done),
                    Content::User(user) => self.describe_user(&user, message).map(done),
                }
            }
        }
    }

    fn apply_all(
        &mut self,
        events: &[Event<'_>],
        message: &Incoming<'_>,
        observer: &mut impl Observer,
    ) -> Result<Applied, Rejection> {
        let max = self.config.event_items_max;
        if events.len() > max {
            return Err(Rejection::TooManyItems { count: events.len(), max });
        }
        let of_one_user = events.iter().all(|event| clean::is_of_same_user(event, &events[0]));
        let mut rejected: Vec<(usize, Rejection)> = Vec::new();
        for (line, event) in events.iter().enumerate() {
            if let Err(rejection) = self.apply_observed(event, of_one_user, message, observer) {
                rejected.push((line, rejection));
            }
        }
        let accepted = events.len() - rejected.len();
        if accepted == 0
            && let Some((_, last)) = rejected.pop()
        {
            return Err(last);
        }
        rejected.iter().for_each(|(line, why)| observer.refused(*line, &events[*line], why));
        Ok(Applied { accepted, rejected: rejected.into_iter().map(|(_, why)| why).collect() })
    }

    fn describe_item(&mut self, entity: &ItemEntity<'_>, message: &Incoming<'_>) -> Result<(), Rejection> {
        clean::check_id("item_id", &entity.item_id, &self.config)?;
        let part = self.part(entity.tenant.as_deref().or(message.tenant()))?;
        let Some(item) = part.intern_item(&entity.item_id) else { return Ok(()) };
        part.state.items.describe(item, entity, CATEGORIES_MAX);
        part.models.describe(item, entity);
        part.counters.entities += 1;
        part.changed.items.add(item.0);
        part.changed.hot = true;
        let text: usize = entity.title.iter().chain(&entity.categories).map(|text| 2 * text.len() + 64).sum();
        self.keep_within_memory(memory::added(1, entity.item_id.len(), 0) + text);
        Ok(())
    }

    fn describe_user(&mut self, entity: &UserEntity<'_>, message: &Incoming<'_>) -> Result<(), Rejection> {
        clean::check_id("user_id", &entity.user_id, &self.config)?;
        let part = self.part(entity.tenant.as_deref().or(message.tenant()))?;
        let Some(user) = part.intern_user(&entity.user_id) else { return Ok(()) };
        let attributes =
            UserAttributes { age: entity.age, gender: entity.gender.as_deref().map(str::to_owned) };
        part.state.describe_user(user, attributes);
        part.changed.describe(user);
        part.counters.entities += 1;
        let text = entity.gender.as_deref().map_or(0, str::len);
        self.keep_within_memory(memory::added(1, entity.user_id.len(), 0) + text);
        Ok(())
    }

    fn remove(
        &mut self,
        role: TopicRole<'_>,
        message: &Incoming<'_>,
        observer: &mut impl Observer,
    ) -> Result<(), Rejection> {
        let id = message.key.and_then(parse::key_text);
        match role {
            TopicRole::Behaviour { .. } => return Err(Rejection::Empty),
            TopicRole::Items => {
                let id = id.ok_or(Rejection::MissingKey)?;
                if let Some(part) = self.known_part(message.tenant())
                    && let Some(item) = part.state.items.find(id)
                {
                    part.state.items.withdraw(item);
                    part.models.withdraw(item);
                    part.changed.items.add(item.0);
                    part.changed.hot = true;
                }
            }
            TopicRole::Users => {
                let id = id.ok_or(Rejection::MissingKey)?;
                let proof = match self.known_part(message.tenant()) {
                    Some(part) => part.forget(id, message),
                    None => self.of_nobody().forget(id, message),
                };
                observer.forgotten(message.tenant().filter(|_| self.config.tenants_max > 0), id, &proof);
            }
        }
        self.counters.entities += 1;
        Ok(())
    }
}

/// What an act asks for beside its weight. An impression that was given a weight is an act like others.
fn kind_of(word: &str, weight: f32) -> Kind {
    match word {
        "impression" if weight == 0.0 => Kind::Impression,
        "hide" => Kind::Hide,
        _ => Kind::Other,
    }
}
