//! Features of users and items, for programs that rank or segment on their own: to `kindred.features.users` and
//! `kindred.features.items`, changed keys only, and on demand.
//!
//! ```text
//! event ─▶ counts of user and of item (24 bytes each) ─▶ queue of changed keys
//!                                                          │ taken a few at a time, each key once
//!           histories, hot sums, categories of the recommender ─┴─▶ features ─▶ topic, HTTP
//! ```
//! Only what the recommender does not know is kept here: totals, and impressions with clicks and conversions. The rest is
//! read off what was learnt when features are asked for, so an event costs two look-ups:
//!
//! | feature | is |
//! |---|---|
//! | `ctr` | clicks / impressions; none without impressions |
//! | `events_per_day` | Σ 2^{−age/1 d} · ln 2 over the history kept: the rate of a steady stream (users) |
//! | `popularity_1d`, `popularity_7d` | decayed sums of what acts said for the item (items) |
//! | `affinity` of a category | Σ w·2^{−age/7 d} over acts in favour on its items, as a share of all categories' (users) |
//! | `last` | the latest acts of the history |
//!
//! **Bounded** as the recommender is: of more users or items than it may keep, the twentieth idle longest are dropped. A
//! forgotten user's features are dropped, and a record without value removes them from the topic.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use utoipa::ToSchema;

use super::emission::{Body, Emission};
use super::operator::Operator;
use super::topics;
use crate::config::Config;
use crate::hot::HALF_LIVES_MS;
use crate::ids::{IdMap, Renumbering};
use crate::recommender::{Recommender, Seen, split_tenant, tenant_key};
use crate::serving::ask::AskError;
use crate::serving::parameters::{Form, Parameter, Parameters};
use crate::state::memory::twentieth;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

const DAY_MS: f64 = 86_400_000.0;
/// The half-life of affinities.
const AFFINITY_MS: f64 = 7.0 * DAY_MS;
/// Latest acts told.
const LAST: usize = 10;
/// Categories told.
const CATEGORIES: usize = 10;
/// The places of one day and seven among the half-lives.
const DAY_LIFE: usize = 2;
const WEEK_LIFE: usize = 4;

/// Features of a user.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UserFeatures {
    /// Who.
    pub user_id: String,
    /// Whose user, if of a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tenant: Option<String>,
    /// The newest event's time, ms since 1970.
    pub as_of: i64,
    /// Totals.
    pub totals: Totals,
    /// How many acts a day, at present.
    pub events_per_day: f64,
    /// Acts of the history kept, by action.
    pub actions: BTreeMap<String, u32>,
    /// Categories of items acted on in favour, the dearest first.
    pub categories: Vec<Affinity>,
    /// The latest acts, newest first.
    pub last: Vec<LastAct>,
}

/// Features of an item.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ItemFeatures {
    /// Which.
    pub item_id: String,
    /// Whose item, if of a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tenant: Option<String>,
    /// The newest event's time, ms since 1970.
    pub as_of: i64,
    /// Totals.
    pub totals: Totals,
    /// Users who came to it.
    pub users: u32,
    /// What acts said for it, decayed with a half-life of a day.
    pub popularity_1d: f64,
    /// The same of seven days.
    pub popularity_7d: f64,
    /// Where it belongs.
    pub categories: Vec<String>,
}

/// Totals of a user or an item.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Totals {
    /// Events of any action.
    pub events: u32,
    /// Impressions.
    pub impressions: u32,
    /// Clicks: `recommender.evaluation.clicks`.
    pub clicks: u32,
    /// Conversions: `recommender.evaluation.conversions`.
    pub conversions: u32,
    /// Clicks by impressions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ctr: Option<f64>,
    /// The first event's time, ms since 1970, to the second.
    pub first_ts: i64,
    /// The last event's time.
    pub last_ts: i64,
    /// How long ago that was, as of the newest event.
    pub recency_ms: i64,
}

/// How much a user likes a category.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Affinity {
    /// Which.
    pub category: String,
    /// Acts on its items in favour, of the history kept.
    pub count: u32,
    /// 0 to 1; those of all categories add up to 1.
    pub affinity: f64,
}

/// One of the latest acts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LastAct {
    /// On what.
    pub item_id: String,
    /// The act.
    pub action: String,
    /// When, ms since 1970.
    pub ts: i64,
}

/// Whose features are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeaturesOf {
    /// The user or the item.
    pub id: String,
    /// Of which tenant, if of one.
    pub tenant: Option<String>,
}

static USER: Parameter = Parameter { name: "user_id", form: Form::Id, about: "Which user." };
static ITEM: Parameter = Parameter { name: "item_id", form: Form::Id, about: "Which item." };
static TENANT: Parameter = Parameter { name: "tenant", form: Form::Id, about: "Of which tenant, if of one." };

impl FeaturesOf {
    /// What says which user.
    pub const USER: &'static [&'static Parameter] = &[&USER, &TENANT];
    /// What says which item.
    pub const ITEM: &'static [&'static Parameter] = &[&ITEM, &TENANT];

    /// Reads it out of [`FeaturesOf::USER`] or [`FeaturesOf::ITEM`], given as `rows`.
    ///
    /// # Errors
    /// [`AskError`] naming the parameter.
    pub fn read(rows: &[&'static Parameter], mut given: Parameters<'_>) -> Result<Self, AskError> {
        let id = given.id(rows.first().copied().unwrap_or(&USER))?;
        let tenant = if given.has(&TENANT) { Some(given.id(&TENANT)?) } else { None };
        Ok(Self { id, tenant })
    }
}

/// Counts what features are made of.
#[derive(Debug)]
pub(super) struct Features {
    enabled: bool,
    clicks: Vec<String>,
    conversions: Vec<String>,
    users: Counted,
    items: Counted,
    /// Users to be removed from the topic.
    forgotten: Vec<String>,
}

/// Counts by key.
#[derive(Debug)]
struct Counted {
    max: usize,
    ids: IdMap,
    counts: Vec<Counts>,
    /// Those that changed since they were taken, each once, by when they first did.
    changed: VecDeque<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    /// Seconds since 1970; the highest bit of `first` says that the key waits to be taken.
    first: u32,
    last: u32,
    events: u32,
    impressions: u32,
    clicks: u32,
    conversions: u32,
}

const WAITS: u32 = 1 << 31;

/// What an event adds.
#[derive(Debug, Clone, Copy)]
struct Gain {
    second: u32,
    impression: bool,
    click: bool,
    conversion: bool,
}

impl Counted {
    fn new(max: usize) -> Self {
        Self { max, ids: IdMap::default(), counts: Vec::new(), changed: VecDeque::new() }
    }

    fn count(&mut self, key: &str, gain: Gain) {
        if self.ids.len() >= self.max && self.ids.get(key).is_none() {
            self.make_room();
        }
        let Some((index, is_new)) = self.ids.get_or_insert(key) else { return };
        if is_new {
            self.counts.push(Counts { first: gain.second, ..Counts::default() });
        }
        let Some(counts) = self.counts.get_mut(index as usize) else { return };
        let first = (counts.first & !WAITS).min(gain.second);
        if counts.first & WAITS == 0 {
            self.changed.push_back(index);
        }
        counts.first = first | WAITS;
        counts.last = counts.last.max(gain.second);
        counts.events = counts.events.saturating_add(1);
        counts.impressions += u32::from(gain.impression);
        counts.clicks += u32::from(gain.click);
        counts.conversions += u32::from(gain.conversion);
    }

    /// Drops the twentieth that was idle longest.
    fn make_room(&mut self) {
        let last: Vec<i64> = self.counts.iter().map(|counts| i64::from(counts.last)).collect();
        let renumbering = Renumbering::dropping_least(&last, twentieth(last.len()));
        self.ids.renumber(&renumbering);
        renumbering.compact(&mut self.counts);
        let changed = std::mem::take(&mut self.changed).into_iter();
        self.changed = changed.filter_map(|index| renumbering.index(index)).collect();
    }

    /// Drops a key. Its place stays taken until it is the one idle longest.
    fn forget(&mut self, key: &str) -> bool {
        let Some(index) = self.ids.get(key) else { return false };
        self.ids.erase(index);
        self.counts[index as usize] = Counts::default();
        self.changed.retain(|waiting| *waiting != index);
        true
    }

    /// Takes up to `limit` keys that have changed.
    fn take(&mut self, limit: usize) -> Vec<String> {
        let count = limit.min(self.changed.len());
        let taken: Vec<u32> = self.changed.drain(..count).collect();
        taken.iter().for_each(|index| self.counts[*index as usize].first &= !WAITS);
        taken.into_iter().map(|index| self.ids.text_of(index).to_owned()).collect()
    }

    fn totals(&self, key: &str, as_of: i64) -> Option<Totals> {
        let counts = self.counts.get(self.ids.get(key)? as usize)?;
        let ms = |second: u32| i64::from(second & !WAITS) * 1000;
        let ctr = || f64::from(counts.clicks) / f64::from(counts.impressions);
        Some(Totals {
            events: counts.events,
            impressions: counts.impressions,
            clicks: counts.clicks,
            conversions: counts.conversions,
            ctr: (counts.impressions > 0).then(ctr),
            first_ts: ms(counts.first),
            last_ts: ms(counts.last),
            recency_ms: (as_of - ms(counts.last)).max(0),
        })
    }

    fn size_bytes(&self) -> usize {
        self.ids.size_bytes() + self.counts.capacity() * size_of::<Counts>() + self.changed.capacity() * 4
    }

    fn save(&self, out: &mut Writer) {
        self.ids.save(out);
        for counts in &self.counts {
            let Counts { first, last, events, impressions, clicks, conversions } = *counts;
            [first, last, events, impressions, clicks, conversions].into_iter().for_each(|n| out.u32(n));
        }
        out.u32(self.changed.len() as u32);
        self.changed.iter().for_each(|&index| out.u32(index));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.ids = IdMap::load(input)?;
        self.counts.clear();
        for _ in 0..self.ids.len() {
            let (first, last, events) = (input.u32()?, input.u32()?, input.u32()?);
            let (impressions, clicks, conversions) = (input.u32()?, input.u32()?, input.u32()?);
            self.counts.push(Counts { first, last, events, impressions, clicks, conversions });
        }
        for _ in 0..input.count(4)? {
            let index = input.u32()?;
            if index as usize >= self.counts.len() {
                return Err(SnapshotError::Malformed("a changed feature of nobody"));
            }
            self.changed.push_back(index);
        }
        Ok(())
    }
}

impl Features {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            enabled: config.features,
            clicks: config.evaluation_clicks.clone(),
            conversions: config.evaluation_conversions.clone(),
            users: Counted::new(config.users_max),
            items: Counted::new(config.items_max),
            forgotten: Vec::new(),
        }
    }

    /// Takes the features of up to `limit` users and as many items that have changed, and of those forgotten. Returns
    /// whether there are more.
    pub(super) fn take(&mut self, limit: usize, recommender: &Recommender, out: &mut Vec<Emission>) -> bool {
        let time_ms = recommender.newest_of_all_ms();
        for key in self.forgotten.drain(..) {
            let body = Body::Own { key: Some(key.into_bytes()), value: None, time_ms };
            out.push(Emission { topic: topics::USER_FEATURES.into(), body, headers: Vec::new() });
        }
        for key in self.users.take(limit) {
            let (tenant, id) = split_tenant(&key);
            if let Some(features) = self.of_user(recommender, tenant, id) {
                out.push(Emission::json(topics::USER_FEATURES, &key, &features, time_ms));
            }
        }
        for key in self.items.take(limit) {
            let (tenant, id) = split_tenant(&key);
            if let Some(features) = self.of_item(recommender, tenant, id) {
                out.push(Emission::json(topics::ITEM_FEATURES, &key, &features, time_ms));
            }
        }
        !self.users.changed.is_empty() || !self.items.changed.is_empty()
    }

    /// The features of a user; `None` if no event has named it.
    pub(super) fn of_user(
        &self,
        recommender: &Recommender,
        tenant: Option<&str>,
        user_id: &str,
    ) -> Option<UserFeatures> {
        let tenant = tenant.filter(|_| recommender.config().tenants_max > 0);
        let recommender = recommender.tenant(tenant)?;
        let as_of = recommender.newest_ms();
        let totals = self.users.totals(&tenant_key(tenant, user_id), as_of)?;
        let state = recommender.state();
        let words = recommender.config().actions();
        let ring = state.users.find(user_id).map(|user| state.users.ring(user));
        let visits = || ring.into_iter().flat_map(|ring| ring.newest_first());
        let age = |time_ms: i64| (as_of - time_ms).max(0) as f64;
        let mut actions = BTreeMap::new();
        let mut categories: BTreeMap<&str, (u32, f64)> = BTreeMap::new();
        let mut events_per_day = 0.0;
        for visit in visits() {
            *actions.entry(words.word(visit.action).to_owned()).or_default() += 1;
            events_per_day += (-age(visit.time_ms) / DAY_MS).exp2() * std::f64::consts::LN_2;
            if visit.sign > 0 {
                let weight = f64::from(words.weight(visit.action)).max(0.0);
                for category in state.items.categories_of(visit.item) {
                    let (count, sum) = categories.entry(category).or_default();
                    *count += 1;
                    *sum += weight * (-age(visit.time_ms) / AFFINITY_MS).exp2();
                }
            }
        }
        let all: f64 = categories.values().map(|(_, sum)| sum).sum();
        let affinity = |(category, (count, sum)): (&str, (u32, f64))| Affinity {
            category: category.to_owned(),
            count,
            affinity: if all > 0.0 { sum / all } else { 0.0 },
        };
        let mut categories: Vec<Affinity> = categories.into_iter().map(affinity).collect();
        // Equals stay in the order of their names.
        categories.sort_by(|a, b| b.affinity.total_cmp(&a.affinity));
        categories.truncate(CATEGORIES);
        let last = visits().take(LAST).map(|visit| LastAct {
            item_id: state.items.id(visit.item).to_owned(),
            action: words.word(visit.action).to_owned(),
            ts: visit.time_ms,
        });
        let (user_id, tenant, last) = (user_id.to_owned(), tenant.map(str::to_owned), last.collect());
        Some(UserFeatures { user_id, tenant, as_of, totals, events_per_day, actions, categories, last })
    }

    /// The features of an item; `None` if no event has named it.
    pub(super) fn of_item(
        &self,
        recommender: &Recommender,
        tenant: Option<&str>,
        item_id: &str,
    ) -> Option<ItemFeatures> {
        let tenant = tenant.filter(|_| recommender.config().tenants_max > 0);
        let recommender = recommender.tenant(tenant)?;
        let as_of = recommender.newest_ms();
        let totals = self.items.totals(&tenant_key(tenant, item_id), as_of)?;
        let state = recommender.state();
        let item = state.items.find(item_id);
        let popularity = |life| item.map_or(0.0, |item| state.hot.score(item, life, as_of));
        Some(ItemFeatures {
            item_id: item_id.to_owned(),
            tenant: tenant.map(str::to_owned),
            as_of,
            totals,
            users: item.map_or(0, |item| state.items.users(item)),
            popularity_1d: popularity(DAY_LIFE),
            popularity_7d: popularity(WEEK_LIFE),
            categories: item
                .map_or_else(Vec::new, |item| state.items.categories_of(item).map(str::to_owned).collect()),
        })
    }
}

impl Operator for Features {
    fn name(&self) -> &'static str {
        "features"
    }

    fn learnt(&mut self, seen: &Seen<'_>, _: &Recommender, _: &mut Vec<Emission>) {
        if !self.enabled {
            return;
        }
        let is = |words: &[String]| words.iter().any(|word| word == seen.action);
        let gain = Gain {
            second: u32::try_from(seen.event.time_ms / 1000).unwrap_or_default() & !WAITS,
            impression: seen.action == "impression",
            click: is(&self.clicks),
            conversion: is(&self.conversions),
        };
        if let Some(user) = seen.user {
            self.users.count(&tenant_key(seen.tenant, user), gain);
        }
        if !seen.event.item_id.is_empty() {
            self.items.count(&tenant_key(seen.tenant, &seen.event.item_id), gain);
        }
    }

    fn forget(&mut self, tenant: Option<&str>, user: &str) {
        let key = tenant_key(tenant, user);
        if self.users.forget(&key) {
            self.forgotten.push(key.into_owned());
        }
    }

    fn size_bytes(&self) -> usize {
        self.users.size_bytes() + self.items.size_bytes()
    }

    fn save(&self, out: &mut Writer) {
        self.users.save(out);
        self.items.save(out);
        out.u32(self.forgotten.len() as u32);
        self.forgotten.iter().for_each(|key| out.text(key));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.users.load(input)?;
        self.items.load(input)?;
        for _ in 0..input.count(4)? {
            self.forgotten.push(input.text()?.to_owned());
        }
        Ok(())
    }
}

const _: () = assert!(HALF_LIVES_MS[DAY_LIFE] == DAY_MS && HALF_LIVES_MS[WEEK_LIFE] == 7.0 * DAY_MS);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Processor;
    use super::*;
    use crate::ingest::Position;
    use crate::recommender::Incoming;

    const BEGAN: i64 = 1_700_000_000_000;
    const DAY: i64 = DAY_MS as i64;

    fn tell(processor: &mut Processor, topic: &str, key: Option<&str>, value: Option<&Value>) {
        let position = Position { source: "t-0", offset: 0 };
        let (key, value) = (key.map(str::as_bytes), value.map(Value::to_string));
        let value = value.as_ref().map(|value| value.as_bytes());
        let message = Incoming { topic, position, key, value, headers: &[], time_ms: BEGAN + 30 * DAY };
        processor.process(&message, &mut Vec::new()).expect("a good message");
    }

    fn act(processor: &mut Processor, user: &str, item: &str, action: &str, ts: i64) {
        let event = json!({"user_id": user, "item_id": item, "action": action, "ts": ts});
        tell(processor, "user_behavior", None, Some(&event));
    }

    fn furnished() -> Processor {
        let mut one = Processor::new(Config::default());
        for (item, categories) in [("lamp", json!(["light"])), ("desk", json!(["office"]))] {
            tell(&mut one, "items", None, Some(&json!({"item_id": item, "categories": categories})));
        }
        for (item, action, days) in [
            ("lamp", "view", 0),
            ("lamp", "impression", 1),
            ("lamp", "impression", 2),
            ("lamp", "click", 7),
            ("desk", "purchase", 7),
        ] {
            act(&mut one, "ann", item, action, BEGAN + days * DAY);
        }
        one
    }

    /// Topic, key and value of what is taken.
    fn taken(processor: &mut Processor, limit: usize) -> (Vec<(String, String, Option<Value>)>, bool) {
        let mut out = Vec::new();
        let more = processor.take_features(limit, &mut out);
        let record = |one: Emission| match one.body {
            Body::Own { key: Some(key), value, .. } => {
                let value = value.map(|value| serde_json::from_slice(&value).expect("JSON"));
                (one.topic.into_owned(), String::from_utf8(key).expect("text"), value)
            }
            other => panic!("{other:?}"),
        };
        (out.into_iter().map(record).collect(), more)
    }

    #[test]
    fn by_hand() {
        let one = furnished();
        let ann = one.user_features(None, "ann").expect("known");
        let totals = Totals {
            events: 5,
            impressions: 2,
            clicks: 1,
            conversions: 1,
            ctr: Some(0.5),
            first_ts: BEGAN,
            last_ts: BEGAN + 7 * DAY,
            recency_ms: 0,
        };
        assert_eq!((ann.totals, ann.as_of), (totals, BEGAN + 7 * DAY));
        // A view a half-life ago and a click now on lamps, at 1; a purchase now on a desk, at 3.
        let affinities: Vec<_> =
            ann.categories.iter().map(|of| (of.category.as_str(), of.count, of.affinity)).collect();
        assert_eq!(affinities, [("office", 1, 3.0 / 4.5), ("light", 2, 1.5 / 4.5)]);
        let last: Vec<_> = ann.last.iter().map(|act| (act.item_id.as_str(), act.action.as_str())).collect();
        assert_eq!(last, [("desk", "purchase"), ("lamp", "click"), ("lamp", "view")]);
        assert_eq!(ann.actions["click"], 1);
        assert!((ann.events_per_day - std::f64::consts::LN_2 * (2.0 + 1.0 / 128.0)).abs() < 1e-9);
        let lamp = one.item_features(None, "lamp").expect("known");
        assert_eq!((lamp.totals.events, lamp.totals.ctr, lamp.users), (4, Some(0.5), 1));
        assert_eq!(lamp.categories, ["light"]);
        assert!((lamp.popularity_7d - 1.5).abs() < 1e-3, "{}", lamp.popularity_7d);
        assert_eq!((one.user_features(None, "bob"), one.item_features(None, "sofa")), (None, None));
    }

    #[test]
    fn changed_keys_are_taken_once_and_the_forgotten_removed() {
        let mut one = furnished();
        act(&mut one, "bob", "lamp", "view", BEGAN + 7 * DAY);
        let (first, more) = taken(&mut one, 1);
        let keys: Vec<_> = first.iter().map(|(topic, key, _)| (topic.as_str(), key.as_str())).collect();
        assert_eq!(keys, [(topics::USER_FEATURES, "ann"), (topics::ITEM_FEATURES, "lamp")]);
        assert!(more);
        assert_eq!(first[0].2.as_ref().expect("a value")["totals"]["ctr"], 0.5);
        let (second, more) = taken(&mut one, 10);
        assert_eq!((second.len(), more), (2, false));
        assert_eq!(taken(&mut one, 10), (vec![], false));
        tell(&mut one, "users", Some("ann"), None);
        let gone = (topics::USER_FEATURES.to_owned(), "ann".to_owned(), None);
        assert_eq!(taken(&mut one, 10).0, [gone]);
        assert_eq!(one.user_features(None, "ann"), None);
        act(&mut one, "ann", "lamp", "view", BEGAN + 8 * DAY);
        assert_eq!(one.user_features(None, "ann").expect("back").totals.events, 1);
    }

    #[test]
    fn what_was_saved_goes_on() {
        let mut one = furnished();
        taken(&mut one, 1);
        tell(&mut one, "users", Some("ann"), None);
        let mut bytes = Vec::new();
        one.save(&mut bytes);
        let mut two = Processor::load(Config::default(), &bytes).expect("what was saved");
        let again = [&mut one, &mut two].map(|one| {
            act(one, "ann", "desk", "view", BEGAN);
            taken(one, 10)
        });
        assert_eq!(again[0], again[1]);
        assert_eq!(again[0].0.len(), 3, "gone, back, and a desk");
    }

    #[test]
    fn of_too_many_the_idlest_go() {
        let mut config = Config::default();
        config.set("recommender.users.max", "20").expect("a good setting");
        let mut one = Processor::new(config);
        for n in 0..30 {
            act(&mut one, &n.to_string(), "lamp", "view", BEGAN + n * 1000);
        }
        assert_eq!(one.user_features(None, "0"), None);
        assert_eq!(one.user_features(None, "29").map(|of| of.totals.events), Some(1));
        assert_eq!(taken(&mut one, 100).0.len(), 21, "twenty users and an item");
    }
}
