//! Users of like taste, and the name of an answer.

use xxhash_rust::xxh3::Xxh3;

use super::Recommender;
use crate::ids::ItemIdx;
use crate::serving::{History, Near};

impl Recommender {
    /// Users of like taste, the nearest first: those that the model `user-knn` goes by, 80 at most. `None` if the user
    /// is unknown.
    pub fn neighbours(&self, user_id: &str, n: usize) -> Option<Vec<Near>> {
        let state = &self.state;
        let user = state.users.find(user_id)?;
        let sorted = |mut liked: Vec<ItemIdx>| {
            liked.sort_unstable();
            liked
        };
        let liked = sorted(state.users.liked(user));
        let mut scratch = self.scratch();
        scratch.history.clear();
        scratch.history.extend(state.users.ring(user).liked());
        let found = scratch.nearby.find(state, &scratch.history, Some(user));
        let near = found.iter().take(n).map(|&(score, other)| {
            let others = sorted(state.users.liked(other));
            let common = others.iter().filter(|item| liked.binary_search(item).is_ok()).count();
            Near { user_id: state.users.id(other).to_owned(), score: f64::from(score), common }
        });
        let near = near.collect();
        self.give_back(scratch);
        Some(near)
    }

    /// Names an answer: the state it is given from, and for whom. The same log gives the same name, and as long as
    /// nothing is learnt, the same name stands for the same list.
    pub fn rec_id(&self, history: History<'_>) -> String {
        let state = self.counters.events + self.counters.entities;
        match history {
            History::User(id) => format!("{state:x}.{id}"),
            History::Items(items) => {
                let mut hash = Xxh3::new();
                for id in items {
                    hash.update(&(id.len() as u64).to_be_bytes());
                    hash.update(id.as_bytes());
                }
                format!("{state:x}.~{:016x}", hash.digest())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ingest::event::Position;
    use crate::recommender::Incoming;

    fn furnished() -> Recommender {
        let mut recommender = Recommender::new(Config::default());
        let seen = [
            ("ann", "lamp"),
            ("ann", "desk"),
            ("bob", "lamp"),
            ("bob", "desk"),
            ("cid", "desk"),
            ("dan", "sofa"),
        ];
        for (offset, (user, item)) in (0..).zip(seen) {
            let value = format!(r#"{{"user_id":"{user}","item_id":"{item}","action":"view"}}"#);
            let position = Position { source: "events-0", offset };
            let value = Some(value.as_bytes());
            let message =
                Incoming { topic: "events", position, key: None, value, headers: &[], time_ms: NOW_MS };
            recommender.ingest(&message).expect("a good event");
        }
        recommender
    }

    const NOW_MS: i64 = 1_700_000_000_000;

    #[test]
    fn who_likes_the_same_is_near() {
        let recommender = furnished();
        let near = recommender.neighbours("ann", 10).expect("known");
        let told: Vec<_> = near.iter().map(|near| (near.user_id.as_str(), near.common)).collect();
        // Both of Bob's items are hers, and Cid's only one; Dan shares nothing.
        assert_eq!(told, [("bob", 2), ("cid", 1)]);
        assert!(near[0].score > near[1].score);
        assert_eq!(recommender.neighbours("ann", 1).map(|near| near.len()), Some(1));
        assert_eq!(recommender.neighbours("nobody", 1), None);
    }

    #[test]
    fn an_answer_has_one_name_until_something_is_learnt() {
        let recommender = furnished();
        assert_eq!(recommender.rec_id(History::User("ann")), "6.ann");
        let visit = |items: &[&str]| recommender.rec_id(History::Items(items));
        assert_eq!(visit(&["lamp", "desk"]), visit(&["lamp", "desk"]));
        assert_ne!(visit(&["lamp", "desk"]), visit(&["lampdesk"]));
        assert_ne!(visit(&["lamp", "desk"]), visit(&["desk", "lamp"]));
    }
}
