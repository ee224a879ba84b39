//! The click model: how likely a user is to act on an item once it is shown, learnt from impressions and what followed.
//!
//! ```text
//! impression ──▶ features, as things stand ──▶ waits ──┬─ the user acts on the item ──▶ learn 1
//!                                                      ├─ it is skipped, hidden, disliked ──▶ learn 0
//!                                                      └─ nothing within the window, or no room left ──▶ learn 0
//! ```
//!
//! Candidates, fused, are then weighed by it: s'(x) = s(x)·p(x)^w, with w = `recommender.click.weight`, and p the chance of
//! a logistic regression ([`Ftrl`]), calibrated by what came of what it said ([`Calibration`]). Where an item stood in a
//! list is a feature when learning; every candidate is asked about as if it stood first, so that what was shown on top
//! is not favoured for that.
//!
//! An act belongs to the impression of the same item with its `rec_id`, else to the latest one of the same item and user.
//!
//! # Bounds
//! 16·2^bits bytes of weights, and impressions that wait, at most `recommender.click.pending.max`. What waits of a
//! forgotten user is dropped; what the user taught the weights fades.
//!
//! # Source
//! McMahan et al., Ad click prediction: a view from the trenches, KDD 2013. Position as a feature that is fixed when
//! asking: Zhao et al., Recommending what video to watch next, RecSys 2019, section 4.3.

mod features;
mod pending;

use crate::config::Config;
use crate::ids::{ItemIdx, UserIdx};
use crate::math::{exp, ln};
use crate::online::calibration::Curve;
use crate::online::{Calibration, Ftrl, FtrlSettings, Link};
use crate::ranking::candidates::Scratch;
use crate::state::State;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use features::{About, Asker};
use pending::{Key, Pending, Waiting};

/// Settings of the click model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClickSettings {
    /// w; 0 turns the click model off.
    pub(crate) weight: f64,
    /// How long an impression waits for an act.
    pub(crate) window_ms: i64,
    /// How many impressions wait at most.
    pub(crate) pending_max: usize,
    /// 2^bits weights.
    pub(crate) bits: u32,
}

/// How well the click model did so far, each time asked before it learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClickReport {
    /// Impressions whose outcome is known.
    pub outcomes: u64,
    /// Those that were acted on.
    pub clicked: u64,
    /// Mean of −ln of the chance given to what happened.
    pub log_loss: f64,
    /// Expected calibration error of what is said before calibration.
    pub calibration_error: f64,
}

/// One act, as the click model hears of it before anything else learns it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) user: UserIdx,
    pub(crate) item: ItemIdx,
    pub(crate) impression: bool,
    pub(crate) weight: f32,
    pub(crate) rec_id: Option<&'a str>,
    /// Rank in the answer, from 1.
    pub(crate) position: Option<u32>,
    pub(crate) scenario: Option<&'a str>,
    pub(crate) time_ms: i64,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Clicks {
    settings: ClickSettings,
    model: Ftrl,
    calibration: Calibration,
    waiting: Waiting,
    clicked: u64,
    /// Σ −ln of the chance given to what happened.
    loss: f64,
}

impl Clicks {
    /// The click model, if the settings ask for one.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let settings = config.clicks;
        (settings.weight > 0.0).then(|| Self {
            settings,
            model: Ftrl::new(
                Link::Logistic,
                FtrlSettings { alpha: 0.1, beta: 1.0, l1: 0.1, l2: 1.0, bits: settings.bits },
            ),
            calibration: Calibration::default(),
            waiting: Waiting::default(),
            clicked: 0,
            loss: 0.0,
        })
    }

    /// Learns one act; `state` has not learnt it yet.
    pub(crate) fn learn(&mut self, state: &State, heard: &Heard<'_>) {
        let newest_ms = state.newest_ms.max(heard.time_ms);
        let key = Key::of(heard.user_id, state.items.id(heard.item), heard.rec_id);
        if heard.impression {
            let asker = Asker::of(state, Some(heard.user), None, heard.scenario);
            let about = About { position: heard.position, again: self.waiting.has(key) };
            let features = asker.features(state, heard.item, about);
            self.waiting.push(Pending::new(key, heard.time_ms, features));
        } else if heard.weight != 0.0
            && let Some(pending) = self.waiting.take(key)
        {
            let in_time = heard.time_ms.saturating_sub(pending.time_ms) < self.settings.window_ms;
            self.outcome(&pending, heard.weight > 0.0 && in_time);
        }
        while let Some(pending) = self
            .waiting
            .take_overdue(newest_ms.saturating_sub(self.settings.window_ms), self.settings.pending_max)
        {
            self.outcome(&pending, false);
        }
    }

    fn outcome(&mut self, pending: &Pending, clicked: bool) {
        let score = self.model.score(&pending.features);
        let said = self.model.learn(&pending.features, f64::from(u8::from(clicked)));
        self.calibration.learn(score, said, clicked);
        self.clicked += u64::from(clicked);
        let given = if clicked { said } else { 1.0 - said };
        self.loss -= f64::from(ln((given as f32).max(f32::MIN_POSITIVE)));
    }

    /// Weighs the scores of candidates; the best of all has a score of 1 again.
    pub(crate) fn weigh(
        &self,
        state: &State,
        user: Option<UserIdx>,
        scenario: Option<&str>,
        scratch: &mut Scratch,
    ) {
        let asked = self.asked(state, user, scratch.history.first().copied(), scenario);
        for (score, &item) in scratch.scores.iter_mut().zip(&scratch.items) {
            if *score > 0.0 {
                *score *= exp(self.settings.weight as f32 * ln(asked.chance(item) as f32));
            }
        }
        let most = scratch.scores.iter().fold(f32::MIN_POSITIVE, |most, &score| most.max(score));
        scratch.scores.iter_mut().for_each(|score| *score /= most);
    }

    /// Who asks about items: `last` is the newest of the history, if it is not the user's own.
    pub(crate) fn asked<'a>(
        &'a self,
        state: &'a State,
        user: Option<UserIdx>,
        last: Option<ItemIdx>,
        scenario: Option<&str>,
    ) -> Asked<'a> {
        let asker = Asker::of(state, user, last, scenario);
        Asked { clicks: self, state, asker, curve: self.calibration.curve() }
    }

    /// How well it did.
    pub(crate) fn report(&self) -> ClickReport {
        let outcomes = self.calibration.count();
        ClickReport {
            outcomes: outcomes as u64,
            clicked: self.clicked,
            log_loss: self.loss / outcomes.max(1.0),
            calibration_error: self.calibration.error(),
        }
    }

    /// Drops what waits of a user.
    pub(crate) fn forget(&mut self, user_id: &str) {
        self.waiting.forget(user_id);
    }

    /// Bytes held.
    pub(crate) fn size_bytes(&self) -> usize {
        self.model.size_bytes() + self.calibration.size_bytes() + self.waiting.size_bytes()
    }

    /// Appends what was learnt.
    pub(crate) fn save(&self, out: &mut Writer) {
        self.model.save(out);
        self.calibration.save(out);
        self.waiting.save(out);
        out.u64(self.clicked);
        out.f64(self.loss);
    }

    /// Replaces what was learnt by what [`Clicks::save`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError::Settings`] if the table had another size.
    pub(crate) fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let model = Ftrl::load(input)?;
        if model.size_bytes() != self.model.size_bytes() {
            return Err(SnapshotError::Settings("recommender.click.bits"));
        }
        self.model = model;
        self.calibration = Calibration::load(input)?;
        self.waiting = Waiting::load(input)?;
        self.clicked = input.u64()?;
        self.loss = input.f64()?;
        Ok(())
    }
}

/// A question about many items.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    clicks: &'a Clicks,
    state: &'a State,
    asker: Asker,
    curve: Curve,
}

impl Asked<'_> {
    /// The calibrated chance that an item is acted on if it is shown first.
    pub(crate) fn chance(&self, item: ItemIdx) -> f64 {
        let about = About { position: Some(1), again: false };
        let features = self.asker.features(self.state, item, about);
        self.curve.read(self.clicks.model.predict(&features)).max(1e-6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::event::{Event, Position};
    use crate::models::random::Random;
    use crate::{Recommender, Request};

    fn config() -> Config {
        let mut config = Config::default();
        config.set("recommender.click.weight", "1").unwrap();
        config.set("recommender.click.bits", "14").unwrap();
        config.set("recommender.click.window.ms", "1000").unwrap();
        config
    }

    fn act(recommender: &mut Recommender, user: u64, item: &str, action: &str, time_ms: i64, position: u32) {
        let event = Event {
            user_id: Some(format!("u{user}").into()),
            item_id: item.to_owned().into(),
            action: action.to_owned().into(),
            time_ms,
            position: Some(position),
            ..Event::default()
        };
        recommender.apply(&event, Position::default(), time_ms).unwrap();
    }

    /// Twenty users who all take the items `a` to `j` alike; then lists of them are shown, and of those on the first
    /// place `good` is clicked one time in two, others one time in ten; on the second place half as often.
    fn lived(from: u64, to: u64, mut recommender: Recommender) -> Recommender {
        let items: Vec<String> = ('a'..='j').map(String::from).collect();
        for n in from..to {
            let mut random = Random(n * 7919);
            let time_ms = 1_000_000 + n as i64 * 500;
            let user = n % 20;
            let pick = |random: &mut Random| items[random.below(items.len())].clone();
            for position in [1, 2] {
                // The good one is mostly shown on the worse place.
                let item =
                    if random.below(3) < position as usize { "good".to_owned() } else { pick(&mut random) };
                act(&mut recommender, user, &item, "impression", time_ms, position);
                let chance = if item == "good" { 0.5 } else { 0.1 } / f64::from(position);
                if random.unit() < chance {
                    act(&mut recommender, user, &item, "click", time_ms + 100, position);
                }
            }
        }
        recommender
    }

    #[test]
    fn what_is_clicked_when_shown_rises_and_chances_are_what_they_say() {
        let recommender = lived(0, 8000, Recommender::new(config()));
        let report = recommender.clicks().unwrap();
        assert!(report.outcomes > 15_000 && report.clicked > 1000, "{report:?}");
        assert!(report.calibration_error < 0.02, "{report:?}");
        let answer = recommender.recommend(&Request { allow_seen: true, ..Request::user("u3", 11) }).unwrap();
        assert_eq!((answer.items[0].item_id.as_str(), answer.items[0].score), ("good", 1.0));
        for item in &answer.items {
            let expected = if item.item_id == "good" { 0.5 } else { 0.1 };
            let said = item.click.unwrap();
            assert!((said - expected).abs() < 0.06, "{}: {said}", item.item_id);
        }
        // A guess of the mean alone would lose more.
        let share = report.clicked as f64 / report.outcomes as f64;
        let guess = -(share * share.ln() + (1.0 - share) * (1.0 - share).ln());
        assert!(report.log_loss < guess - 0.01, "{} and {guess}", report.log_loss);
    }

    #[test]
    fn off_unless_asked_for_and_the_same_after_a_restart() {
        let bytes = |recommender: &Recommender| {
            let mut bytes = Vec::new();
            recommender.save(&mut bytes);
            bytes
        };
        let off = lived(0, 50, Recommender::new(Config::default()));
        assert_eq!(off.clicks(), None);
        assert!(
            off.recommend(&Request::user("u3", 9)).unwrap().items.iter().all(|item| item.click.is_none())
        );
        let through = lived(0, 300, Recommender::new(config()));
        for stop in [0, 1, 150, 299] {
            let first = lived(0, stop, Recommender::new(config()));
            let loaded = Recommender::load(config(), &bytes(&first)).unwrap();
            assert!(bytes(&lived(stop, 300, loaded)) == bytes(&through), "stopped at {stop}");
        }
        assert!(Recommender::load(Config::default(), &bytes(&through)).is_err(), "other settings");
        let all = through.recommend(&Request { allow_seen: true, ..Request::user("u3", 11) }).unwrap().items;
        let some = through.recommend(&Request { allow_seen: true, ..Request::user("u3", 4) }).unwrap().items;
        assert_eq!(some, all[..4], "scores do not depend on how many are asked for");
    }

    #[test]
    fn who_was_only_shown_items_and_is_forgotten_leaves_nothing() {
        let mut state = State::default();
        let users: Vec<UserIdx> = (0..5).map(|n| state.users.intern(&format!("u{n}")).unwrap()).collect();
        let items: Vec<ItemIdx> = (0..9).map(|n| state.items.intern(&format!("i{n}")).unwrap()).collect();
        let lived = |haunted: bool| {
            let mut clicks = Clicks::new(&config()).unwrap();
            let mut hear = |user: usize, n: usize, impression: bool| {
                let heard = Heard {
                    user_id: &format!("u{user}"),
                    user: users[user],
                    item: items[n % 9],
                    impression,
                    weight: if impression { 0.0 } else { 1.0 },
                    rec_id: None,
                    position: Some(1),
                    scenario: None,
                    time_ms: n as i64,
                };
                clicks.learn(&state, &heard);
            };
            for n in 0..200 {
                hear(n % 4, n, true);
                if n % 2 == 0 {
                    hear(n % 4, n, false);
                }
                if haunted && n % 11 == 0 {
                    hear(4, n, true);
                }
            }
            clicks
        };
        let bytes = |clicks: &Clicks| {
            let mut out = Writer::default();
            clicks.save(&mut out);
            out.into_bytes()
        };
        let (mut with, without) = (lived(true), lived(false));
        assert!(bytes(&with) != bytes(&without));
        with.forget("u4");
        assert!(bytes(&with) == bytes(&without));
    }

    #[test]
    fn an_act_belongs_to_its_answer_or_to_the_latest_impression_in_time() {
        let outcomes = |acts: &[(&'static str, &'static str, &'static str, Option<&'static str>, i64)]| {
            let mut recommender = Recommender::new(config());
            for &(user, item, action, rec_id, time_ms) in acts {
                let event = Event {
                    user_id: Some(user.into()),
                    item_id: item.into(),
                    action: action.into(),
                    rec_id: rec_id.map(Into::into),
                    time_ms,
                    ..Event::default()
                };
                recommender.apply(&event, Position::default(), time_ms).unwrap();
            }
            let report = recommender.clicks().unwrap();
            (report.outcomes, report.clicked)
        };
        let shown = ("u", "a", "impression", None, 0);
        assert_eq!(outcomes(&[shown]), (0, 0));
        assert_eq!(outcomes(&[shown, ("u", "a", "click", None, 999)]), (1, 1));
        assert_eq!(outcomes(&[shown, ("u", "a", "click", None, 1000)]), (1, 0), "too late");
        assert_eq!(outcomes(&[shown, ("u", "a", "skip", None, 10)]), (1, 0));
        assert_eq!(outcomes(&[shown, ("u", "b", "click", None, 10)]), (0, 0), "another item");
        assert_eq!(outcomes(&[shown, ("v", "a", "click", None, 10)]), (0, 0), "another user");
        assert_eq!(outcomes(&[shown, ("v", "b", "click", None, 5000)]), (1, 0), "nothing followed");
        assert_eq!(outcomes(&[shown, shown, ("u", "a", "click", None, 5)]), (1, 1), "the other one waits");
        let answer = ("u", "a", "impression", Some("r"), 0);
        assert_eq!(outcomes(&[answer, ("v", "a", "click", Some("r"), 5)]), (1, 1), "by the answer");
        assert_eq!(
            outcomes(&[answer, ("u", "a", "click", None, 5), ("v", "a", "click", Some("r"), 6)]),
            (1, 1)
        );
    }
}
