//! Friends: whom to follow, from who follows whom.
//!
//! A `follow` event on an item follows the person of that id. Follows are ties of an undirected graph. From the user's
//! own node a walker steps along a tie at random, and with chance 0.15 goes back to the start instead:
//!
//! ```text
//! p_0 = start        p_{s+1} = 0.15 · start + 0.85 · Σ_v p_s(v) / |ties of v|, along the ties of v
//! score(x) = p_8(x) of everyone not yet tied to the user
//! ```
//!
//! Two steps reach the friends of friends, each friend in common adding 1 / (|ties of u|·|ties of the friend|): shared
//! neighbours, where a friend who knows everybody says less. Further steps tell equals apart.
//!
//! # Bounds
//! As many people as there may be users, [`TIES_MAX`] ties each; beyond that new ones are not taken.
//!
//! # Source
//! Tong, Faloutsos, Pan: Fast Random Walk with Restart and Its Applications, ICDM 2006. Adamic & Adar, Friends and
//! neighbors on the Web, 2003 (why the well-connected count less).

use std::collections::BTreeMap;

use super::{Lesson, Model, Question, Scored};
use crate::config::Config;
use crate::ids::{IdMap, ItemIdx, Renumbering, UserIdx};
use crate::state::State;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

pub(crate) const NAME: &str = "friends";

/// Ties kept of one person.
const TIES_MAX: usize = 1024;

/// Steps of the walk.
const STEPS: usize = 8;

/// The chance of going back to the start.
const RESTART: f64 = 0.15;

/// Places beyond this many are not walked on from: the walk stays near the start.
const NODES_MAX: usize = 10_000;

/// The model.
#[derive(Debug)]
pub(crate) struct Friends {
    people_max: usize,
    people: IdMap,
    /// Ties of each person, in order of index.
    ties: Vec<Vec<u32>>,
}

impl Friends {
    pub(crate) fn new(config: &Config) -> Self {
        Self { people_max: config.users_max, people: IdMap::default(), ties: Vec::new() }
    }

    fn person(&mut self, id: &str) -> Option<u32> {
        if self.people.len() >= self.people_max {
            return self.people.get(id);
        }
        let (person, _) = self.people.get_or_insert(id)?;
        self.ties.resize_with(self.people.len(), Vec::new);
        Some(person)
    }

    fn tie(&mut self, a: u32, b: u32) {
        let full = |own: &Vec<u32>| own.len() >= TIES_MAX;
        if a == b || full(&self.ties[a as usize]) || full(&self.ties[b as usize]) {
            return;
        }
        for (own, other) in [(a, b), (b, a)] {
            let ties = &mut self.ties[own as usize];
            if let Err(place) = ties.binary_search(&other) {
                ties.insert(place, other);
            }
        }
    }

    /// Where a walker from `start` is after the last step.
    fn walk(&self, start: u32) -> BTreeMap<u32, f64> {
        let mut at = BTreeMap::from([(start, 1.0)]);
        for _ in 0..STEPS {
            let mut next = BTreeMap::from([(start, RESTART)]);
            for (&person, &chance) in at.iter().take(NODES_MAX) {
                let ties = &self.ties[person as usize];
                let share = (1.0 - RESTART) * chance / ties.len().max(1) as f64;
                ties.iter().for_each(|&other| *next.entry(other).or_insert(0.0) += share);
            }
            at = next;
        }
        at
    }
}

impl Model for Friends {
    fn learn(&mut self, lesson: &Lesson<'_>) {
        if lesson.action != "follow" {
            return;
        }
        let (follower, followed) = (lesson.state.users.id(lesson.user), lesson.state.items.id(lesson.item));
        if let (Some(follower), Some(followed)) = (self.person(follower), self.person(followed)) {
            self.tie(follower, followed);
        }
    }

    fn forget(&mut self, state: &State, user: UserIdx, _liked: &[ItemIdx]) {
        let Some(person) = self.people.get(state.users.id(user)) else { return };
        for other in std::mem::take(&mut self.ties[person as usize]) {
            self.ties[other as usize].retain(|&tied| tied != person);
        }
    }

    fn renumber_items(&mut self, _state: &State, _renumbering: &Renumbering) {}

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let state = question.state;
        let Some(start) = question.user.and_then(|user| self.people.get(state.users.id(user))) else {
            return;
        };
        let tied = &self.ties[start as usize];
        for (person, chance) in self.walk(start) {
            if person != start && tied.binary_search(&person).is_err() {
                // People nobody follows have never been items, and cannot be shown as such.
                if let Some(item) = state.items.find(self.people.text_of(person)) {
                    scored.push((item, chance as f32));
                }
            }
        }
    }

    fn size_bytes(&self) -> usize {
        let ties: usize = self.ties.iter().map(|ties| 24 + ties.capacity() * 4).sum();
        self.people.size_bytes() + ties
    }

    fn save(&self, out: &mut Writer) {
        self.people.save(out);
        for ties in &self.ties {
            out.u32(ties.len() as u32);
            ties.iter().for_each(|&tied| out.u32(tied));
        }
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.people = IdMap::load(input)?;
        for _ in 0..self.people.len() {
            let mut ties = Vec::new();
            for _ in 0..input.count(4)? {
                ties.push(input.u32()?);
            }
            if ties.iter().any(|&tied| tied as usize >= self.people.len()) {
                return Err(SnapshotError::Malformed("ties"));
            }
            self.ties.push(ties);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn friends_in_common_come_first() {
        let mut friends = Friends::new(&Config::default());
        let ids = ["u", "a", "b", "common", "lone", "hub"];
        let people: Vec<u32> = ids.iter().map(|id| friends.person(id).unwrap()).collect();
        // u knows a and b; both know `common`, only a knows `lone`.
        for (from, to) in [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4)] {
            friends.tie(people[from], people[to]);
        }
        let walk = friends.walk(people[0]);
        assert!(walk[&people[3]] > walk[&people[4]] && walk[&people[4]] > 0.0, "{walk:?}");
        assert!(!walk.contains_key(&people[5]), "nobody knows them");
        let all: f64 = walk.values().sum();
        assert!((all - 1.0).abs() < 1e-12, "the walker is somewhere");
    }
}
