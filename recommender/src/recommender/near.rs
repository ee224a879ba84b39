//! Users of like taste.

use super::Recommender;
use crate::ids::ItemIdx;
use crate::serving::Near;

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
}
