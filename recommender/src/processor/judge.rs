//! What answers were worth, to `kindred.evaluation`.
//!
//! ```text
//! impression, click, purchase, satisfaction
//!    │ rec_id ──────────────────────────────▶ origin: model, scenario, experiment, arm ─▶ counts by window
//!    └ else what the user was last shown of the item, within recommender.evaluation.attribution.ms
//! ```
//! An event counts in the window of its own time, tumbling, and in all time; for its origin, and for everything together.
//! What belongs to no answer counts for an origin without a model. Lines of one order (`order_id`) are one order, in the
//! window of its first; what an order comes to is Σ price·quantity, or its `value` where it names no price.
//!
//! Beside that, the models are asked for a list before some likes are learnt, those that the fusion learns from: see
//! [`Trial`](crate::ranking::trial::Trial).
//!
//! # Forgetting
//! A forgotten user's impressions and orders are dropped, so nothing more is attributed by them. Counts stay: they are of
//! answers, and nobody is in them.

use std::borrow::Cow;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::emission::Emission;
use super::operator::Operator;
use super::topics;
use crate::config::Config;
use crate::ingest::Event;
use crate::judging::board::{Board, NOWHERE, Origin, OriginIdx, TOTAL};
use crate::judging::experiment::Experiment;
use crate::judging::recent::Recent;
use crate::judging::report::{self, Evaluation, Wanted};
use crate::judging::tally::Tally;
use crate::recommender::{Recommender, Seen};
use crate::serving::rec_id::RecId;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Orders whose lines are put together.
const ORDERS_MAX: usize = 65_536;
/// Most origins of the lines of one order.
const ORDER_PARTS_MAX: usize = 16;

/// Counts what answers brought.
#[derive(Debug)]
pub(super) struct Judge {
    clicks: Vec<String>,
    conversions: Vec<String>,
    attribution_ms: i64,
    experiments: Vec<Experiment>,
    board: Board,
    touches: Recent<Touch>,
    orders: Recent<Order>,
    /// Users who are to be dropped from both before they are asked again.
    forgotten: Vec<u64>,
}

/// What a user was shown of an item, or clicked on.
#[derive(Debug, Clone, Copy)]
struct Touch {
    user: u64,
    origin: OriginIdx,
    time_ms: i64,
}

/// An order whose lines may come one by one.
#[derive(Debug)]
struct Order {
    user: u64,
    window: i64,
    /// What it came to, by origin.
    parts: Vec<(OriginIdx, f64)>,
}

/// What an event is to those who judge.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Impression,
    Click,
    Conversion,
    Satisfaction,
}

impl Judge {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            clicks: config.evaluation_clicks.clone(),
            conversions: config.evaluation_conversions.clone(),
            attribution_ms: config.evaluation_attribution_ms,
            experiments: config.experiments.clone(),
            board: Board::new(config.evaluation_window_ms),
            touches: Recent::new(config.evaluation_impressions_max),
            orders: Recent::new(ORDERS_MAX),
            forgotten: Vec::new(),
        }
    }

    /// What was counted, as asked for.
    pub(super) fn evaluation(&self, wanted: &Wanted, as_of: i64) -> Evaluation {
        report::evaluation(&self.board, wanted, &self.experiments, as_of)
    }

    fn act_of(&self, action: &str) -> Option<Act> {
        let is = |words: &[String]| words.iter().any(|word| word == action);
        match action {
            "impression" => Some(Act::Impression),
            "satisfaction" => Some(Act::Satisfaction),
            _ if is(&self.conversions) => Some(Act::Conversion),
            _ if is(&self.clicks) => Some(Act::Click),
            _ => None,
        }
    }

    /// Where the answer came from that an event is about.
    fn origin_of(&mut self, event: &Event<'_>, touched: Option<u64>) -> OriginIdx {
        let scenario = event.scenario.as_deref().unwrap_or_default();
        if let Some(id) = event.rec_id.as_deref().and_then(RecId::parse).filter(|id| is_model(&id.model)) {
            let text = |part: Option<Cow<'_, str>>| part.unwrap_or_default().into_owned();
            let named = text(id.scenario);
            return self.board.place(Origin {
                model: id.model.into_owned(),
                scenario: if named.is_empty() { short(scenario) } else { named },
                experiment: text(id.experiment),
                arm: text(id.arm),
            });
        }
        let window = 0..=self.attribution_ms;
        let touch = touched.and_then(|key| self.touches.get_mut(key)).map(|touch| *touch);
        match touch.filter(|touch| window.contains(&event.time_ms.saturating_sub(touch.time_ms))) {
            Some(touch) => touch.origin,
            None if scenario.is_empty() => NOWHERE,
            None => self.board.place(Origin { scenario: short(scenario), ..Origin::default() }),
        }
    }

    /// Notes what a user was shown or clicked on.
    fn touch(&mut self, key: u64, user: u64, origin: OriginIdx, time_ms: i64) {
        let touch = Touch { user, origin, time_ms };
        match self.touches.get_mut(key) {
            Some(known) if known.time_ms > time_ms => {}
            Some(known) => *known = touch,
            None => self.touches.insert(key, touch),
        }
    }

    fn count_order(&mut self, event: &Event<'_>, user: u64, origin: OriginIdx) {
        let money = match (event.price, event.value) {
            (Some(price), _) => price * event.quantity.unwrap_or(1.0),
            (None, Some(value)) => value,
            (None, None) => return,
        };
        let window = self.board.window_of(event.time_ms);
        let Some(order_id) = &event.order_id else {
            return self.board.count_with_total(window, origin, |tally| tally.orders.add(money));
        };
        let key = hash(&[&user.to_be_bytes(), order_id.as_bytes()]);
        if self.orders.get_mut(key).is_none() {
            self.orders.insert(key, Order { user, window, parts: Vec::new() });
        }
        let Some(order) = self.orders.get_mut(key) else { return };
        let window = order.window;
        // What everything together comes to is the sum of the parts before.
        let before: Option<f64> =
            (!order.parts.is_empty()).then(|| order.parts.iter().map(|(_, sum)| sum).sum());
        let known = order.parts.iter().position(|(known, _)| *known == origin);
        let place = match known {
            Some(place) => place,
            None if order.parts.len() < ORDER_PARTS_MAX => {
                order.parts.push((origin, 0.0));
                order.parts.len() - 1
            }
            None => return,
        };
        let old = order.parts[place].1;
        order.parts[place].1 += money;
        let add = |tally: &mut Tally, old: Option<f64>| match old {
            Some(old) => tally.orders.replace(old, old + money),
            None => tally.orders.add(money),
        };
        self.board.count(window, origin, |tally| add(tally, known.map(|_| old)));
        self.board.count(window, TOTAL, |tally| add(tally, before));
    }

    /// Drops what is known of forgotten users.
    fn drop_forgotten(&mut self) {
        if !self.forgotten.is_empty() {
            let forgotten = std::mem::take(&mut self.forgotten);
            self.touches.retain(|touch| !forgotten.contains(&touch.user));
            self.orders.retain(|order| !forgotten.contains(&order.user));
        }
    }

    fn count_trial(&mut self, recommender: &Recommender, time_ms: i64) {
        let Some(trial) = recommender.trial() else { return };
        let window = self.board.window_of(time_ms);
        for (model, hit) in trial.models() {
            let origin = self.board.place(Origin { model: model.to_owned(), ..Origin::default() });
            self.board.count(window, origin, |tally| {
                tally.trials += 1;
                tally.hits += u64::from(hit);
            });
        }
    }
}

impl Operator for Judge {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn learnt(&mut self, seen: &Seen<'_>, recommender: &Recommender, _: &mut Vec<Emission>) {
        let event = seen.event;
        self.count_trial(recommender, event.time_ms);
        let Some(act) = self.act_of(seen.action) else { return };
        self.drop_forgotten();
        let user = seen.user.map(|user| xxh3_64(user.as_bytes()));
        let item = Some(&event.item_id).filter(|item| !item.is_empty());
        let key = user.zip(item).map(|(user, item)| hash(&[&user.to_be_bytes(), item.as_bytes()]));
        // An impression without a name is of no answer that is known.
        let origin = self.origin_of(event, key.filter(|_| act != Act::Impression));
        let window = self.board.window_of(event.time_ms);
        match act {
            Act::Impression => self.board.count_with_total(window, origin, |tally| tally.impressions += 1),
            Act::Click => self.board.count_with_total(window, origin, |tally| tally.clicks += 1),
            Act::Conversion => {
                self.board.count_with_total(window, origin, |tally| tally.conversions += 1);
                self.count_order(event, user.unwrap_or_default(), origin);
            }
            Act::Satisfaction => {
                if let Some(value) = event.value {
                    self.board.count_with_total(window, origin, |tally| tally.satisfaction.add(value));
                }
            }
        }
        if let (Act::Impression | Act::Click, Some(key), Some(user)) = (act, key, user) {
            self.touch(key, user, origin, event.time_ms);
        }
    }

    fn summarise(&mut self, recommender: &Recommender, out: &mut Vec<Emission>) {
        let newest_ms = recommender.newest_ms();
        for (window, origin) in self.board.take_changed() {
            let rows = report::rows(&self.board, window, origin);
            out.extend(rows.map(|row| Emission::json(topics::EVALUATION, &row.key(), &row, newest_ms)));
        }
    }

    fn forget(&mut self, _: Option<&str>, user: &str) {
        self.forgotten.push(xxh3_64(user.as_bytes()));
        // A list that is gone through once for many.
        if self.forgotten.len() >= 256 {
            self.drop_forgotten();
        }
    }

    fn size_bytes(&self) -> usize {
        let parts: usize = self.orders.iter().map(|(_, order)| order.parts.capacity() * 16).sum();
        self.board.size_bytes() + self.touches.size_bytes() + self.orders.size_bytes() + parts
    }

    fn save(&self, out: &mut Writer) {
        self.board.save(out);
        out.u32(self.touches.iter().len() as u32);
        for (key, touch) in self.touches.iter() {
            out.u64(key);
            out.u64(touch.user);
            out.u32(touch.origin);
            out.i64(touch.time_ms);
        }
        out.u32(self.orders.iter().len() as u32);
        for (key, order) in self.orders.iter() {
            out.u64(key);
            out.u64(order.user);
            out.i64(order.window);
            out.u32(order.parts.len() as u32);
            for &(origin, sum) in &order.parts {
                out.u32(origin);
                out.f64(sum);
            }
        }
        out.u32(self.forgotten.len() as u32);
        self.forgotten.iter().for_each(|&user| out.u64(user));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.board = Board::load(input)?;
        let origins = self.board.places().count() as OriginIdx;
        let known = |origin: OriginIdx| {
            (origin < origins).then_some(origin).ok_or(SnapshotError::Malformed("an origin of no place"))
        };
        for _ in 0..input.count(28)? {
            let (key, user) = (input.u64()?, input.u64()?);
            let (origin, time_ms) = (known(input.u32()?)?, input.i64()?);
            self.touches.insert(key, Touch { user, origin, time_ms });
        }
        for _ in 0..input.count(28)? {
            let (key, user, window) = (input.u64()?, input.u64()?, input.i64()?);
            let parts = (0..input.count(12)?).map(|_| Ok((known(input.u32()?)?, input.f64()?)));
            let parts = parts.collect::<Result<_, SnapshotError>>()?;
            self.orders.insert(key, Order { user, window, parts });
        }
        for _ in 0..input.count(8)? {
            self.forgotten.push(input.u64()?);
        }
        Ok(())
    }
}

/// Whether answers may be by a model of this name.
fn is_model(name: &str) -> bool {
    name == "fused" || Recommender::models().chain(Recommender::optional_models()).any(|known| known == name)
}

/// A name that came from outside, cut to what is worth keeping.
fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.digest()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Body, Processor};
    use super::*;
    use crate::ingest::Position;
    use crate::judging::report::Window;
    use crate::judging::tally::JudgedBy;
    use crate::recommender::Incoming;
    use crate::serving::{History, Request};

    const HOUR: i64 = 3_600_000;
    const BEGAN: i64 = 1_700_000_000_000 / HOUR * HOUR;

    fn processor(settings: &[(&str, &str)]) -> Processor {
        let mut config = Config::default();
        settings.iter().for_each(|(key, value)| config.set(key, value).expect("a good setting"));
        Processor::new(config)
    }

    fn tell(processor: &mut Processor, event: &Value) {
        let position = Position { source: "user_behavior-0", offset: 0 };
        let value = event.to_string();
        let (topic, value, time_ms) = ("user_behavior", Some(value.as_bytes()), BEGAN + 100 * HOUR);
        let message = Incoming { topic, position, key: None, value, headers: &[], time_ms };
        processor.process(&message, &mut Vec::new()).expect("a good event");
    }

    fn act(user: &str, item: &str, action: &str, minute: i64, more: Value) -> Value {
        let mut event =
            json!({"user_id": user, "item_id": item, "action": action, "ts": BEGAN + minute * 60_000});
        let more = more.as_object().expect("members").clone();
        event.as_object_mut().expect("members").extend(more);
        event
    }

    /// Value, sum and count of a figure of all time.
    fn figure(processor: &Processor, metric: JudgedBy, model: &str) -> Option<(f64, f64, u64)> {
        let wanted = Wanted { metric: Some(metric), model: Some(model.into()), ..Wanted::default() };
        let told = processor.evaluation(&wanted);
        told.figures.first().map(|row| (row.value, row.sum, row.count))
    }

    fn named(processor: &Processor, user: &str, model: Option<&str>) -> String {
        let by = processor.recommender().assign(Some(user), Some("home"), model);
        processor.recommender().rec_id(History::User(user), Some("home"), &by)
    }

    #[test]
    fn what_carries_a_name_counts_for_where_it_came_from() {
        let mut one = processor(&[]);
        let (a, b) = (named(&one, "u", Some("llr")), named(&one, "u", None));
        for (item, id) in [("1", &a), ("2", &a), ("3", &a), ("4", &a), ("5", &b), ("6", &b)] {
            tell(&mut one, &act("u", item, "impression", 0, json!({"rec_id": id})));
        }
        tell(&mut one, &act("u", "1", "click", 1, json!({"rec_id": a})));
        // Without a name: as it was shown last.
        tell(&mut one, &act("u", "5", "click", 2, json!({})));
        tell(&mut one, &act("u", "1", "purchase", 3, json!({"price": 10.0, "quantity": 2})));
        tell(&mut one, &act("u", "", "satisfaction", 4, json!({"rec_id": b, "value": 4})));
        // Never shown, and shown too long ago: of no answer.
        tell(&mut one, &act("u", "9", "click", 5, json!({})));
        tell(&mut one, &act("u", "2", "click", 25 * 60, json!({})));
        assert_eq!(figure(&one, JudgedBy::Ctr, "llr"), Some((0.25, 1.0, 4)));
        assert_eq!(figure(&one, JudgedBy::Ctr, "fused"), Some((0.5, 1.0, 2)));
        assert_eq!(figure(&one, JudgedBy::Ctr, "*"), Some((4.0 / 6.0, 4.0, 6)));
        assert_eq!(figure(&one, JudgedBy::Cvr, "llr"), Some((1.0, 1.0, 1)));
        assert_eq!(figure(&one, JudgedBy::Cvr, "*"), Some((0.25, 1.0, 4)));
        assert_eq!(figure(&one, JudgedBy::Aov, "llr"), Some((20.0, 20.0, 1)));
        assert_eq!(figure(&one, JudgedBy::Satisfaction, "fused"), Some((4.0, 4.0, 1)));
        assert_eq!(figure(&one, JudgedBy::Cvr, ""), Some((0.0, 0.0, 2)));
    }

    #[test]
    fn lines_of_an_order_are_one_order_in_the_window_of_the_first() {
        let mut one = processor(&[]);
        let id = named(&one, "u", Some("llr"));
        let line = |item, minute, order: &str, price: f64| {
            act("u", item, "purchase", minute, json!({"rec_id": id, "order_id": order, "price": price}))
        };
        for line in [line("1", 0, "a", 10.0), line("2", 59, "b", 1.0), line("3", 61, "a", 5.0)] {
            tell(&mut one, &line);
        }
        // Not by the answer; of the same order all the same.
        tell(&mut one, &act("u", "4", "purchase", 62, json!({"order_id": "a", "price": 4.0})));
        assert_eq!(figure(&one, JudgedBy::Aov, "llr"), Some((8.0, 16.0, 2)));
        assert_eq!(figure(&one, JudgedBy::Aov, "*"), Some((10.0, 20.0, 2)));
        let wanted = Wanted { window: Window::Starting(BEGAN), model: Some("*".into()), ..Wanted::default() };
        let told = one.evaluation(&wanted);
        let aov = told.figures.iter().find(|row| row.metric == "aov").expect("a figure");
        assert_eq!((aov.sum, aov.count, aov.window_end), (20.0, 2, Some(BEGAN + HOUR)));
        // Orders of 19 and 1: mean 10, s 9·√2, t = 12.706205.
        assert!((aov.high.expect("an interval") - (10.0 + 12.706_205 * 9.0)).abs() < 1e-9);
    }

    #[test]
    fn arms_are_compared() {
        let rule = "ranking: arms=a=fused:50|b=llr:50";
        let mut one = processor(&[("recommender.experiments", rule)]);
        for n in 0..400 {
            let user = n.to_string();
            let by = one.recommender().assign(Some(&user), None, None);
            let is_b = by.arm == Some(("ranking", "b"));
            let id = one.recommender().rec_id(History::User(&user), None, &by);
            tell(&mut one, &act(&user, "1", "impression", 0, json!({"rec_id": id})));
            if n % if is_b { 2 } else { 10 } == 0 {
                tell(&mut one, &act(&user, "1", "click", 1, json!({"rec_id": id})));
            }
        }
        let told = one.evaluation(&Wanted::default());
        let [ctr] = &told.comparisons[..] else { panic!("{:?}", told.comparisons) };
        assert_eq!((ctr.metric, ctr.baseline.as_str(), ctr.arm.as_str()), ("ctr", "a", "b"));
        assert!(ctr.difference > 0.2 && ctr.statistic > 4.0 && ctr.p_value < 1e-4, "{ctr:?}");
    }

    #[test]
    fn models_are_asked_before_a_like_is_learnt() {
        let mut one = processor(&[]);
        let pairs = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("c", "1")];
        for (minute, (user, item)) in (0..).zip(pairs) {
            tell(&mut one, &act(user, item, "view", minute, json!({})));
        }
        let before = |model| figure(&one, JudgedBy::HitRate, model);
        // Items nobody knew are misses; "1" was no longer new when b and c came, nor "2" when b did.
        assert_eq!(before("fused"), Some((0.6, 3.0, 5)));
        // Of pairs nothing is known until c has one of them.
        assert_eq!(before("item-cosine").map(|figure| figure.1), Some(1.0));
        let list = one.recommender().recommend(&Request::user("c", 10)).expect("an answer");
        assert_eq!(list.items[0].item_id, "2");
        tell(&mut one, &act("c", "2", "view", 9, json!({})));
        assert_eq!(figure(&one, JudgedBy::HitRate, "fused"), Some((4.0 / 6.0, 4.0, 6)));
        // Coming back to an item is no trial: lists leave out what the user had.
        tell(&mut one, &act("c", "2", "view", 10, json!({})));
        assert_eq!(figure(&one, JudgedBy::HitRate, "fused").map(|figure| figure.2), Some(6));
    }

    #[test]
    fn figures_are_written_where_counts_changed() {
        let mut one = processor(&[]);
        let id = named(&one, "u|v", Some("llr"));
        tell(&mut one, &act("u|v", "1", "impression", 0, json!({"rec_id": id})));
        let written = |one: &mut Processor| {
            let mut out = Vec::new();
            one.take_summaries(&mut out);
            let of = out.into_iter().filter(|one| one.topic == topics::EVALUATION);
            let record = |one: Emission| match one.body {
                Body::Own { key: Some(key), value: Some(value), .. } => {
                    let value: Value = serde_json::from_slice(&value).expect("JSON");
                    (String::from_utf8(key).expect("text"), value)
                }
                other => panic!("{other:?}"),
            };
            of.map(record).collect::<Vec<_>>()
        };
        let records = written(&mut one);
        let keys: Vec<&str> = records.iter().map(|(key, _)| key.as_str()).collect();
        let hour = format!("ctr|{BEGAN}");
        let expected = [
            format!("{hour}|*|*|*|*"),
            format!("{hour}|llr|home||"),
            "ctr|all|*|*|*|*".into(),
            "ctr|all|llr|home||".into(),
        ];
        assert_eq!(keys, expected);
        let of_arm = &records[1].1;
        assert_eq!(
            (&of_arm["value"], &of_arm["count"], &of_arm["low"]),
            (&json!(0.0), &json!(1), &json!(0.0))
        );
        tell(&mut one, &act("u", "1", "view", 0, json!({})));
        assert!(written(&mut one).iter().all(|(key, _)| key.starts_with("hit-rate|")));
    }

    #[test]
    fn what_was_saved_goes_on_and_who_is_forgotten_is_not_attributed() {
        let mut one = processor(&[]);
        let id = named(&one, "u", Some("llr"));
        for item in ["1", "2"] {
            tell(&mut one, &act("u", item, "impression", 0, json!({"rec_id": id})));
        }
        let order = json!({"order_id": "o", "price": 3.0});
        tell(&mut one, &act("u", "1", "purchase", 1, order.clone()));
        let mut bytes = Vec::new();
        one.save(&mut bytes);
        let mut two = Processor::load(Config::default(), &bytes).expect("what was saved");
        for one in [&mut one, &mut two] {
            tell(one, &act("u", "2", "purchase", 2, order.clone()));
            assert_eq!(figure(one, JudgedBy::Aov, "llr"), Some((6.0, 6.0, 1)));
            let position = Position { source: "users-0", offset: 0 };
            let (topic, key) = ("users", Some(&b"u"[..]));
            let gone = Incoming { topic, position, key, value: None, headers: &[], time_ms: BEGAN };
            one.process(&gone, &mut Vec::new()).expect("a good record");
            tell(one, &act("u", "1", "click", 3, json!({})));
            assert_eq!(figure(one, JudgedBy::Cvr, "llr"), None, "no click of this model");
        }
        let saved = [&one, &two].map(|one| {
            let mut bytes = Vec::new();
            one.save(&mut bytes);
            bytes
        });
        assert!(saved[0] == saved[1]);
    }
}
