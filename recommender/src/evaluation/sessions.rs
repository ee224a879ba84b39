//! Next item in a session: every test session is expanded to all its prefixes, and each asks for what follows.

use super::log::Entry;
use super::prequential::{finish, is_positive, learn_all, lists_after, target};
use super::tally::Tally;
use super::{Counts, Log, recommender};
use crate::ranking::fuse::ModelChoice;
use crate::{Config, Recommender};

/// How long the longest list is: metrics cut it.
const LIST_MAX: usize = 100;

/// Learns the sessions of `train`, then asks along those of `test`, which are not learnt.
pub(super) fn next_item(
    config: Config,
    train: &Log,
    test: &Log,
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) -> Counts {
    let mut recommender = recommender(config, choices);
    recommender.put_off();
    let mut counts =
        Counts { learnt: learn_all(&mut recommender, train, &train.by_time()), ..Counts::default() };
    recommender.settle();
    let mut entries = test.by_time();
    entries.retain(|entry| is_positive(&recommender, test, entry));
    entries.sort_by_key(|entry| entry.user);
    for session in entries.chunk_by(|a, b| a.user == b.user) {
        counts.asked += ask_along(&recommender, test, session, choices, tallies);
    }
    finish(&recommender, counts)
}

fn ask_along(
    recommender: &Recommender,
    test: &Log,
    session: &[Entry],
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) -> usize {
    let items: Vec<&str> = session.iter().map(|entry| test.item(entry)).collect();
    for next in 1..items.len() {
        let relevant = [target(recommender, items[next])];
        let lists = lists_after(recommender, &items[..next], LIST_MAX, choices);
        for (list, tally) in lists.iter().zip(&mut *tallies) {
            tally.show(list, recommender);
            tally.ask(list, &relevant, true);
        }
    }
    items.len().saturating_sub(1)
}
