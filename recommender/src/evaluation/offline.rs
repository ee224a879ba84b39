//! Learn one part, ask once per user for the rest: the protocols of batch papers.

use std::collections::HashMap;

use super::log::{Entry, first_of_each_pair};
use super::prequential::{finish, is_positive, learn_all, rate, target};
use super::tally::Tally;
use super::{Counts, Log, Options, recommender};
use crate::Config;
use crate::ranking::fuse::ModelChoice;
use crate::serving::Request;

/// The first `train_share` of the events by time is learnt; users with events on both sides are asked for.
pub(super) fn split(
    options: &Options,
    config: Config,
    log: &Log,
    test: Option<&Log>,
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) -> Counts {
    let mut train = log.by_time();
    if !options.repeats {
        first_of_each_pair(&mut train);
    }
    let held_out = match test {
        Some(test) => test.by_time(),
        None => train.split_off((train.len() as f64 * options.train_share) as usize),
    };
    ask_users(options, config, (log, &train), (test.unwrap_or(log), &held_out), choices, tallies)
}

/// Each user's last event by time is held out.
pub(super) fn leave_last_out(
    options: &Options,
    config: Config,
    log: &Log,
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) -> Counts {
    let mut entries = log.by_time();
    if !options.repeats {
        first_of_each_pair(&mut entries);
    }
    let mut last: HashMap<u32, usize> = HashMap::new();
    for (place, entry) in entries.iter().enumerate() {
        last.insert(entry.user, place);
    }
    let mut train = Vec::new();
    let mut held_out = Vec::new();
    for (place, &entry) in entries.iter().enumerate() {
        if last[&entry.user] == place { held_out.push(entry) } else { train.push(entry) }
    }
    ask_users(options, config, (log, &train), (log, &held_out), choices, tallies)
}

/// Learns, then asks for every user of both sides, in order of first appearance among the held out.
fn ask_users(
    options: &Options,
    config: Config,
    (log, train): (&Log, &[Entry]),
    (test_log, held_out): (&Log, &[Entry]),
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) -> Counts {
    let mut recommender = recommender(config, choices);
    recommender.put_off();
    let mut counts = Counts { learnt: learn_all(&mut recommender, log, train), ..Counts::default() };
    recommender.settle();
    rate(&recommender, test_log, held_out, choices, tallies);
    let mut users: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for entry in held_out.iter().filter(|entry| is_positive(&recommender, test_log, entry)) {
        let (user, item) = (test_log.user(entry), test_log.item(entry));
        let place = *places.entry(user).or_insert_with(|| {
            users.push((user, Vec::new()));
            users.len() - 1
        });
        if !users[place].1.contains(&item) {
            users[place].1.push(item);
        }
    }
    let learnt: std::collections::HashSet<(&str, &str)> =
        train.iter().map(|entry| (log.user(entry), log.item(entry))).collect();
    let known: std::collections::HashSet<&str> = train.iter().map(|entry| log.user(entry)).collect();
    let n = options.at.iter().copied().max().unwrap_or(0);
    for (user, mut items) in users.into_iter().filter(|(user, _)| known.contains(user)) {
        if !options.repeats {
            items.retain(|&item| !learnt.contains(&(user, item)));
        }
        if items.is_empty() {
            continue;
        }
        let relevant: Vec<_> = items.iter().map(|item| target(&recommender, item)).collect();
        let request = Request { allow_seen: options.repeats, ..Request::user(user, n) };
        for (list, tally) in recommender.lists(&request, choices).iter().zip(&mut *tallies) {
            tally.show(list, &recommender);
            tally.ask(list, &relevant, true);
        }
        counts.asked += 1;
    }
    finish(&recommender, counts)
}
