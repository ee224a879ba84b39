//! What answers were worth, to `kindred.evaluation`.
//!
//! ```text
//! impression, click, purchase, satisfaction
//!    │ rec_id ──────────────────────────────▶ origin: model, scenario, experiment, arm ─▶ counts by window
//!    └ else what the user was last shown of the item, within recommender.evaluation.attribution.ms
//! ```
//! An event counts in the window of its own time, tumbling, and in all time; for its origin, and for everything together.
//! What belongs to no answer counts for an origin without a model. Lines of one order (`order_id`) are one order, in the
//! window of its first; what an order comes to is Σ price·quantity, or its `value` where it names no price, in its currency,
//! less what was refunded. Of each tenant everything is by itself.
//!
//! Beside that, the models are asked for a list before some likes are learnt, those that the fusion learns from: see
//! [`Trial`](crate::ranking::trial::Trial).
//!
//! # Forgetting
//! A forgotten user's impressions and orders are dropped, so nothing more is attributed by them. Counts stay: they are of
//! answers, and nobody is in them.

mod orders;

use std::borrow::Cow;
use std::collections::BTreeMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::document::NUMBER_MAX;
use super::emission::Emission;
use super::operator::Operator;
use super::topics;
use crate::config::Config;
use crate::ingest::Event;
use crate::judging::board::{Board, NOWHERE, Origin, OriginIdx};
use crate::judging::currency::Currency;
use crate::judging::experiment::Experiment;
use crate::judging::recent::Recent;
use crate::judging::report::{self, Evaluation, Wanted};
use crate::recommender::{Recommender, Seen, tenant_key};
use crate::serving::rec_id::RecId;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use orders::{Money, Orders};

/// Counts what answers brought.
#[derive(Debug)]
pub(super) struct Judge {
    clicks: Vec<String>,
    conversions: Vec<String>,
    attribution_ms: i64,
    experiments: Vec<Experiment>,
    window_ms: i64,
    /// By tenant; that of nobody's under no name.
    boards: BTreeMap<String, Board>,
    touches: Recent<Touch>,
    orders: Orders,
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

/// What an event is to those who judge.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Impression,
    Click,
    Conversion,
    Refund,
    Satisfaction,
}

impl Judge {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            clicks: config.evaluation_clicks.clone(),
            conversions: config.evaluation_conversions.clone(),
            attribution_ms: config.evaluation_attribution_ms,
            experiments: config.experiments.clone(),
            window_ms: config.evaluation_window_ms,
            boards: BTreeMap::new(),
            touches: Recent::new(config.evaluation_impressions_max),
            orders: Orders::new(),
            forgotten: Vec::new(),
        }
    }

    /// What was counted of the tenant that is asked for, or of nobody's.
    pub(super) fn evaluation(&self, wanted: &Wanted, recommender: &Recommender) -> Evaluation {
        let tenant = wanted.tenant.as_deref().filter(|_| recommender.config().tenants_max > 0);
        let as_of = recommender.tenant(tenant).map_or(0, Recommender::newest_ms);
        match self.boards.get(tenant.unwrap_or_default()) {
            Some(board) => report::evaluation(board, tenant, wanted, &self.experiments, as_of),
            None => Evaluation { as_of, window_ms: self.window_ms, ..Evaluation::default() },
        }
    }

    fn act_of(&self, action: &str, event: &Event<'_>) -> Option<Act> {
        let is = |words: &[String]| words.iter().any(|word| word == action);
        match action {
            "impression" => Some(Act::Impression),
            "satisfaction" => Some(Act::Satisfaction),
            _ if is(&self.conversions) && amount_of(event).is_some_and(|amount| amount < 0.0) => {
                Some(Act::Refund)
            }
            _ if is(&self.conversions) => Some(Act::Conversion),
            "refund" => Some(Act::Refund),
            _ if is(&self.clicks) => Some(Act::Click),
            _ => None,
        }
    }

    /// Drops what is known of forgotten users.
    fn drop_forgotten(&mut self) {
        if !self.forgotten.is_empty() {
            let forgotten = std::mem::take(&mut self.forgotten);
            self.touches.retain(|touch| !forgotten.contains(&touch.user));
            self.orders.forget(&forgotten);
        }
    }

    /// Where the answer came from that an event is about: by its name, else by what was touched.
    fn origin_of(&mut self, tenant: Option<&str>, event: &Event<'_>, touched: Option<u64>) -> OriginIdx {
        let window = 0..=self.attribution_ms;
        let touch = touched.and_then(|key| self.touches.get_mut(key)).map(|touch| *touch);
        let touch = touch.filter(|touch| window.contains(&event.time_ms.saturating_sub(touch.time_ms)));
        let board = self.board(tenant);
        let scenario = event.scenario.as_deref().unwrap_or_default();
        if let Some(id) = event.rec_id.as_deref().and_then(RecId::parse).filter(|id| is_model(&id.model)) {
            let text = |part: Option<Cow<'_, str>>| part.unwrap_or_default().into_owned();
            let named = text(id.scenario);
            return board.place(Origin {
                model: id.model.into_owned(),
                scenario: if named.is_empty() { short(scenario) } else { named },
                experiment: text(id.experiment),
                arm: text(id.arm),
            });
        }
        match touch {
            Some(touch) => board.known(touch.origin),
            None if scenario.is_empty() => NOWHERE,
            None => board.place(Origin { scenario: short(scenario), ..Origin::default() }),
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

    /// The counts of a tenant, or of nobody's.
    fn board(&mut self, tenant: Option<&str>) -> &mut Board {
        board_of(&mut self.boards, tenant, self.window_ms)
    }

    /// Counts money paid or given back.
    fn count_money(&mut self, seen: &Seen<'_>, act: Act, user: u64, origin: OriginIdx) {
        let event = seen.event;
        let (amount, order_id) = (amount_of(event), event.order_id.as_deref());
        let board = board_of(&mut self.boards, seen.tenant, self.window_ms);
        let money = Money {
            user,
            order: order_id.map(|order_id| hash(&[&user.to_be_bytes(), order_id.as_bytes()])),
            origin,
            window: board.window_of(event.time_ms),
            currency: event.currency.as_deref().map(Currency::named).filter(|named| *named != Currency::NONE),
        };
        match (act, amount) {
            (Act::Refund, Some(amount)) => self.orders.refund(board, money, Some(amount.abs())),
            // Of one thing out of an order nobody knows what it cost.
            (Act::Refund, None) if event.item_id.is_empty() => self.orders.refund(board, money, None),
            (Act::Refund, None) => {}
            (_, Some(amount)) => self.orders.pay(board, money, amount),
            (_, None) => {}
        }
    }

    fn count_trial(&mut self, tenant: Option<&str>, recommender: &Recommender, time_ms: i64) {
        let Some(trial) = recommender.trial() else { return };
        let board = self.board(tenant);
        let window = board.window_of(time_ms);
        for (model, hit) in trial.models() {
            let origin = board.place(Origin { model: model.to_owned(), ..Origin::default() });
            board.count(window, origin, |tally| {
                tally.trials += 1;
                tally.hits += u64::from(hit);
            });
        }
    }
}

fn board_of<'b>(
    boards: &'b mut BTreeMap<String, Board>,
    tenant: Option<&str>,
    window_ms: i64,
) -> &'b mut Board {
    let name = tenant.unwrap_or_default();
    boards.entry(name.to_owned()).or_insert_with(|| Board::new(window_ms))
}

/// The money that an event is about, if it is any that can be added up.
fn amount_of(event: &Event<'_>) -> Option<f64> {
    let priced = event.price.map(|price| price * event.quantity.unwrap_or(1.0));
    // Beyond that, sums of squares are beyond every number.
    priced.or(event.value).filter(|amount| amount.abs() <= NUMBER_MAX)
}

impl Operator for Judge {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn learnt(&mut self, seen: &Seen<'_>, recommender: &Recommender, _: &mut Vec<Emission>) {
        let event = seen.event;
        self.count_trial(seen.tenant, recommender, event.time_ms);
        let Some(act) = self.act_of(seen.action, event) else { return };
        self.drop_forgotten();
        let user = seen.user.map(|user| user_hash(seen.tenant, user));
        let item = Some(&event.item_id).filter(|item| !item.is_empty());
        let key = user.zip(item).map(|(user, item)| hash(&[&user.to_be_bytes(), item.as_bytes()]));
        // An impression without a name is of no answer that is known.
        let origin = self.origin_of(seen.tenant, event, key.filter(|_| act != Act::Impression));
        let board = self.board(seen.tenant);
        let window = board.window_of(event.time_ms);
        match (act, event.value) {
            (Act::Impression, _) => board.count_with_total(window, origin, |tally| tally.impressions += 1),
            (Act::Click, _) => board.count_with_total(window, origin, |tally| tally.clicks += 1),
            (Act::Conversion, _) => board.count_with_total(window, origin, |tally| tally.conversions += 1),
            (Act::Satisfaction, Some(value)) => {
                board.count_with_total(window, origin, |tally| tally.satisfaction.add(value));
            }
            (Act::Satisfaction, None) | (Act::Refund, _) => {}
        }
        if matches!(act, Act::Conversion | Act::Refund) {
            self.count_money(seen, act, user.unwrap_or_default(), origin);
        }
        if let (Act::Impression | Act::Click, Some(key), Some(user)) = (act, key, user) {
            self.touch(key, user, origin, event.time_ms);
        }
    }

    fn summarise(&mut self, recommender: &Recommender, out: &mut Vec<Emission>) {
        for (name, board) in &mut self.boards {
            let tenant = Some(name.as_str()).filter(|name| !name.is_empty());
            let newest_ms = recommender.tenant(tenant).map_or(0, Recommender::newest_ms);
            for (window, origin) in board.take_changed() {
                let rows = report::rows(board, tenant, window, origin);
                out.extend(rows.map(|row| Emission::json(topics::EVALUATION, &row.key(), &row, newest_ms)));
            }
        }
    }

    fn forget(&mut self, tenant: Option<&str>, user: &str) {
        self.forgotten.push(user_hash(tenant, user));
        // A list that is gone through once for many.
        if self.forgotten.len() >= 256 {
            self.drop_forgotten();
        }
    }

    fn size_bytes(&self) -> usize {
        let boards: usize = self.boards.values().map(Board::size_bytes).sum();
        boards + self.touches.size_bytes() + self.orders.size_bytes()
    }

    fn save(&self, out: &mut Writer) {
        out.u32(self.boards.len() as u32);
        for (tenant, board) in &self.boards {
            out.text(tenant);
            board.save(out);
        }
        out.u32(self.touches.iter().len() as u32);
        for (key, touch) in self.touches.iter() {
            out.u64(key);
            out.u64(touch.user);
            out.u32(touch.origin);
            out.i64(touch.time_ms);
        }
        self.orders.save(out);
        out.u32(self.forgotten.len() as u32);
        self.forgotten.iter().for_each(|&user| out.u64(user));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..input.count(4)? {
            let tenant = input.text()?.to_owned();
            self.boards.insert(tenant, Board::load(input)?);
        }
        for _ in 0..input.count(28)? {
            let (key, user) = (input.u64()?, input.u64()?);
            let (origin, time_ms) = (input.u32()?, input.i64()?);
            self.touches.insert(key, Touch { user, origin, time_ms });
        }
        self.orders.load(input)?;
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

/// What a user of a tenant, or of none, is known by.
fn user_hash(tenant: Option<&str>, user: &str) -> u64 {
    xxh3_64(tenant_key(tenant, user).as_bytes())
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.digest()
}

#[cfg(test)]
mod tests;
