//! Forgetting a user, and the proof that it was done.
//!
//! Every count is a sum, so the user's kept history is replayed with the opposite sign. What is equal afterwards to a
//! recommender that never met the user, as long as its history was all it ever did:
//!
//! | part | equal |
//! |---|---|
//! | users, windows, pairs, segments, notes, postings that were not full | to the last unit |
//! | decayed sums | to 1e-9: floating-point sums of the same terms in another order |
//! | models with memory of their own | as each says; [`Forgotten::fading`] names those that only fade |
//! | weights of the fusion | fade: one number a feature, common to all users |
//!
//! The id itself is erased once whoever publishes lists has been told that the user's are gone.

use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{Incoming, Recommender};
use crate::ids::{ItemIdx, UserIdx};

/// What forgetting a user took back. It names the user by a hash only, and no item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forgotten {
    /// XXH3-64 of the user's id, 16 hexadecimal digits.
    pub user: String,
    /// Whose user it was, if a tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When it was asked for, ms since 1970: the time of the record without value.
    #[serde(rename = "ts")]
    pub time_ms: i64,
    /// That record: stream and offset.
    pub event: String,
    /// Whether anything was known of the user.
    pub known: bool,
    /// Whether the history that was taken back held all the user did, as far as can be told: nothing had fallen out of it.
    pub complete: bool,
    /// Counts of the parts, those of the user's items only where a part counts more.
    pub taken: Vec<Taken>,
    /// Learners that have no more of the user, and in which what it taught about others fades as they learn on.
    pub fading: Vec<&'static str>,
    /// XXH3-64 of what is left of the counts of the user's items and of the pairs among them, 16 hexadecimal digits: as it
    /// would be without the user.
    pub checksum: String,
}

/// What a part counted before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The part.
    pub part: &'static str,
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl Recommender {
    /// Forgets a user, whether known or not. The items of its history change with it.
    pub(super) fn forget(&mut self, id: &str, message: &Incoming<'_>) -> Forgotten {
        let user = self.state.users.find(id);
        self.clicks.iter_mut().for_each(|clicks| clicks.forget(id));
        let complete = user.is_none_or(|user| {
            self.state.users.ring(user).liked().count() == self.state.users.liked(user).len()
        });
        let items = user.map_or_else(Vec::new, |user| self.items_of(user));
        let before = user.map(|user| self.counts(user, &items));
        if let Some(user) = user {
            self.take_back(user, &items);
        }
        let after = user.map(|user| self.counts(user, &items));
        let pairs = before.iter().flatten().zip(after.iter().flatten());
        Forgotten {
            user: format!("{:016x}", xxh3_64(id.as_bytes())),
            tenant: message.tenant().map(str::to_owned),
            time_ms: message.time_ms,
            event: format!("{}-{}", message.position.source, message.position.offset),
            known: user.is_some(),
            complete,
            taken: pairs.map(|(&(part, before), &(_, after))| Taken { part, before, after }).collect(),
            fading: if user.is_some() { self.fading() } else { Vec::new() },
            checksum: format!("{:016x}", self.checksum(items)),
        }
    }

    fn take_back(&mut self, user: UserIdx, items: &[ItemIdx]) {
        items.iter().for_each(|item| self.changed.items.add(item.0));
        let liked = self.state.users.liked(user);
        for (item, _) in self.state.users.ring(user).signs().filter(|&(_, sign)| sign > 0) {
            let id = self.state.items.id(item);
            self.hitters.iter_mut().for_each(|hitters| hitters.remove(id));
        }
        let actions = &self.config.actions;
        self.state.forget(user, self.limits(), |visit| actions.weight(visit.action));
        self.models.forget(&self.state, user, &liked);
        self.changed.forget(user);
    }

    /// The distinct items a user acted on, in order of index.
    fn items_of(&self, user: UserIdx) -> Vec<ItemIdx> {
        let mut items = self.state.users.liked(user);
        items.extend(self.state.users.ring(user).signs().map(|(item, _)| item));
        items.sort_unstable();
        items.dedup();
        items
    }

    fn counts(&self, user: UserIdx, items: &[ItemIdx]) -> [(&'static str, u64); 8] {
        let state = &self.state;
        let sum = |of: &dyn Fn(ItemIdx) -> u64| items.iter().map(|&item| of(item)).sum::<u64>();
        let among = |item: ItemIdx| {
            let pairs = state.pairs.neighbours(item);
            let own = pairs.filter(|pair| items.binary_search(&pair.item).is_ok());
            own.map(|pair| u64::from(pair.weight)).sum()
        };
        [
            ("history", state.users.ring(user).len() as u64),
            ("attributes", u64::from(state.users.attributes(user).is_some())),
            ("notes", state.notes.count(user) as u64),
            ("users-with-likes", u64::from(state.users.with_likes())),
            ("users-of-items", sum(&|item| u64::from(state.items.users(item)))),
            ("events-of-items", sum(&|item| u64::from(state.hot.count(item)))),
            ("weight-of-pairs", sum(&among)),
            ("postings", sum(&|item| u64::from(state.postings.users(item).any(|other| other == user)))),
        ]
    }

    fn fading(&self) -> Vec<&'static str> {
        let clicks = self.clicks.as_ref().map(|_| "clicks");
        std::iter::once("fusion").chain(clicks).chain(self.models.fading()).collect()
    }

    /// What is counted of these items and of the pairs among them, whatever the order of their indexes.
    pub(super) fn checksum(&self, mut items: Vec<ItemIdx>) -> u64 {
        let state = &self.state;
        items.sort_unstable_by_key(|&item| state.items.id(item));
        let mut hash = Xxh3::new();
        for &item in &items {
            hash.update(state.items.id(item).as_bytes());
            hash.update(&[0]);
            hash.update(&state.items.users(item).to_be_bytes());
            hash.update(&state.hot.count(item).to_be_bytes());
            for &other in &items {
                if let Some(pair) = state.pairs.pair(item, other) {
                    hash.update(state.items.id(other).as_bytes());
                    hash.update(&[0]);
                    [pair.count, pair.weight, pair.forward]
                        .iter()
                        .for_each(|n| hash.update(&n.to_be_bytes()));
                }
            }
        }
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::ingest::event::{Event, Position};
    use crate::state::State;
    use crate::{Config, HotWindow, Request, Scope};

    const GHOST: &str = "ghost";
    const ITEMS: u64 = 12;

    /// `(user, item, action)`; the first user is the ghost.
    type Act = (u64, u64, usize);

    const ACTIONS: [&str; 7] = ["click", "purchase", "rate", "impression", "hide", "dislike", "click"];

    fn config() -> Config {
        let mut config = Config::default();
        for (key, value) in [
            ("recommender.fatigue.impressions.max", "2"),
            ("recommender.models", "ease,user-user,item-ratings,session-knn,content,friends"),
            ("recommender.ease.items.max", "16"),
            ("recommender.segment.people.min", "1"),
        ] {
            config.set(key, value).unwrap();
        }
        config
    }

    fn message<'a>(topic: &'a str, key: &'a str, value: Option<&'a str>, offset: i64) -> Incoming<'a> {
        let position = Position { source: "users-0", offset };
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        Incoming { topic, position, key, value, headers: &[], time_ms: 77 }
    }

    /// A recommender that met these acts, without those of the ghost unless `haunted`.
    fn met(acts: &[Act], haunted: bool) -> Recommender {
        let mut recommender = Recommender::new(config());
        for n in 0..ITEMS {
            let text = format!(r#"{{"item_id":"i{n}","title":"thing {} {}"}}"#, n % 3, n % 5);
            recommender.ingest(&message("items", "", Some(&text), 0)).unwrap();
        }
        let name = |user| if user == 0 { GHOST.to_owned() } else { format!("u{user}") };
        for (n, &(user, item, action)) in (0..).zip(acts) {
            if user == 0 && !haunted {
                continue;
            }
            let action = ACTIONS[action];
            let event = Event {
                user_id: Some(name(user).into()),
                item_id: format!("i{item}").into(),
                action: action.into(),
                time_ms: 1_000_000 + n * 7_000_123,
                value: (action == "rate").then_some((item % 5 + 1) as f64),
                ..Event::default()
            };
            if n % 9 == 0 {
                let about = format!(r#"{{"age":{},"gender":"f"}}"#, 20 + n % 40);
                recommender.ingest(&message("users", &name(user), Some(&about), 0)).unwrap();
            }
            recommender.apply(&event, Position { source: "t-0", offset: n }, event.time_ms).unwrap();
        }
        recommender
    }

    /// All that is counted in integers, by ids, in no order of arrival.
    fn counted(state: &State) -> BTreeMap<String, Vec<u64>> {
        let mut counted = BTreeMap::new();
        let items: Vec<ItemIdx> = (0..ITEMS).map(|n| state.items.find(&format!("i{n}")).unwrap()).collect();
        for &item in &items {
            let id = state.items.id(item);
            let own = [u64::from(state.items.users(item)), u64::from(state.hot.count(item))];
            counted.insert(format!("item {id}"), own.to_vec());
            for pair in state.pairs.neighbours(item) {
                let key = format!("pair {id} {}", state.items.id(pair.item));
                counted.insert(key, [pair.count, pair.weight, pair.forward].map(u64::from).to_vec());
            }
            let users = state.postings.users(item);
            let users: BTreeSet<&str> = users.map(|user| state.users.id(user)).collect();
            counted.insert(format!("users of {id}: {users:?}"), Vec::new());
        }
        counted.insert("people".to_owned(), vec![u64::from(state.users.with_likes())]);
        counted
    }

    /// Answers that are numbers, by what was asked.
    fn answered(recommender: &Recommender, newest_ms: i64) -> BTreeMap<String, f64> {
        let mut answered = BTreeMap::new();
        for window in HotWindow::ALL {
            // Which half-life stands for "decayed" is the fusion's choice.
            if window != HotWindow::Decayed {
                for item in recommender.hot(Scope::All, window, 99).unwrap().items {
                    answered.insert(format!("{} {}", window.name(), item.item_id), item.score);
                }
            }
        }
        for item in recommender.trending(Scope::All, HotWindow::Day, 99).unwrap().items {
            answered.insert(format!("trending {}", item.item_id), item.score);
        }
        for ages in ["18-24", "25-34", "35-44", "45-54", "55-64"] {
            let scope = format!("age:{ages},gender:F");
            for item in recommender.hot(Scope::Segment(&scope), HotWindow::AllTime, 99).unwrap().items {
                answered.insert(format!("{scope} {}", item.item_id), item.score);
            }
        }
        let models =
            Recommender::models().chain(["ease", "user-user", "item-ratings", "session-knn", "content"]);
        for model in models.filter(|model| !model.starts_with("popular-")) {
            for user in 1..6 {
                let user = format!("u{user}");
                let request =
                    Request { model: Some(model), now_ms: Some(newest_ms), ..Request::user(&user, 99) };
                for item in recommender.recommend(&request).map_or(Vec::new(), |answer| answer.items) {
                    answered.insert(format!("{model} for {user}: {}", item.item_id), item.score);
                }
            }
        }
        answered
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn as_if_the_user_had_never_come(
            mut acts in prop::collection::vec((0u64..6, 0..ITEMS, 0usize..ACTIONS.len()), 1..90)
        ) {
            // The newest event is another's: what is newest is no count.
            acts.push((1, 0, 0));
            let (mut with, mut without) = (met(&acts, true), met(&acts, false));
            let newest_ms = without.newest_ms();
            let proof = {
                let known = with.knows_user(GHOST);
                let proof = with.forget(GHOST, &message("users", GHOST, None, 5));
                prop_assert_eq!((proof.known, proof.complete), (known, true));
                proof
            };
            prop_assert_eq!(counted(&with.state), counted(&without.state));
            with.settle();
            without.settle();
            let (found, expected) = (answered(&with, newest_ms), answered(&without, newest_ms));
            for (key, value) in &expected {
                let other = found.get(key).copied().unwrap_or(0.0);
                // Scores of models are single floats, sums another order away; sums of the state are exact to 1e-9.
                let allowed = if key.contains(" for ") { 2e-4 } else { 1e-9 };
                prop_assert!((value - other).abs() <= allowed * value.abs().max(1.0), "{key}: {other}, not {value}");
            }
            for key in found.keys().filter(|key| !expected.contains_key(*key)) {
                prop_assert!(key.contains(" for ") && found[key] < 1e-4, "{key}: {}", found[key]);
            }
            // The proof can be checked against the other.
            let items: BTreeSet<u64> = acts.iter().filter(|act| act.0 == 0 && act.2 != 3).map(|act| act.1).collect();
            let items = items.iter().map(|n| without.state.items.find(&format!("i{n}")).unwrap());
            prop_assert_eq!(proof.checksum, format!("{:016x}", without.checksum(items.collect())));
        }
    }

    #[test]
    fn the_proof_says_what_was_taken_and_the_id_is_erased() {
        let acts = [(0, 1, 0), (0, 2, 1), (1, 1, 0), (0, 3, 3), (0, 4, 4), (2, 2, 0), (1, 2, 0)];
        let mut recommender = met(&acts, true);
        recommender.take_changes(100);
        let proof = recommender.forget(GHOST, &message("users", GHOST, None, 5));
        let taken: Vec<_> = proof.taken.iter().map(|taken| (taken.part, taken.before, taken.after)).collect();
        assert_eq!(
            taken,
            [
                ("history", 3, 0),
                ("attributes", 1, 0),
                ("notes", 2, 0),
                ("users-with-likes", 3, 2),
                ("users-of-items", 5, 3),
                ("events-of-items", 5, 3),
                // Items 1 and 2, both ways, met by the ghost and by user 1.
                ("weight-of-pairs", 4 * 1024, 2 * 1024),
                ("postings", 2, 0),
            ]
        );
        assert_eq!((proof.time_ms, proof.event.as_str()), (77, "users-0-5"));
        assert_eq!(proof.fading, ["fusion"]);
        assert_eq!(proof.user, format!("{:016x}", xxh3_64(b"ghost")));
        let bytes = |recommender: &Recommender| {
            let mut bytes = Vec::new();
            recommender.save(&mut bytes);
            bytes
        };
        let has_id = |bytes: &[u8]| bytes.windows(GHOST.len()).any(|window| window == GHOST.as_bytes());
        assert!(has_id(&bytes(&recommender)), "needed to say whose list is gone");
        assert_eq!(recommender.take_changes(100).users, [GHOST]);
        let saved = bytes(&recommender);
        assert!(!has_id(&saved) && !recommender.knows_user(GHOST));
        assert_eq!(bytes(&Recommender::load(config(), &saved).unwrap()), saved);
        let again = recommender.forget(GHOST, &message("users", GHOST, None, 6));
        assert_eq!((again.known, again.taken.len(), again.fading.len()), (false, 0, 0));
        // Who comes back in between stays.
        let mut back = met(&acts, true);
        back.forget(GHOST, &message("users", GHOST, None, 5));
        let event = Event {
            user_id: Some(GHOST.into()),
            item_id: "i1".into(),
            action: "click".into(),
            time_ms: 99_000_000,
            ..Event::default()
        };
        back.apply(&event, Position::default(), 99_000_000).unwrap();
        back.take_changes(100);
        assert!(back.knows_user(GHOST) && back.has_history(GHOST));
    }
}
