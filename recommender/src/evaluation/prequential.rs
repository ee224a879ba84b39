//! Ask before learning, event by event, in order of time.

use super::log::{Entry, first_of_each_pair};
use super::tally::Tally;
use super::{Counts, Log, Options, recommender};
use crate::ids::ItemIdx;
use crate::ranking::fuse::ModelChoice;
use crate::serving::{History, Request};
use crate::{Config, Position, Recommender};

/// An item that cannot stand in any list: a target nobody has seen before is a miss.
const NEVER_SEEN: ItemIdx = ItemIdx(u32::MAX);

/// Runs over `log`, or learns `log` silently and runs over `test`.
pub(super) fn run(
    options: &Options,
    config: Config,
    log: &Log,
    test: Option<&Log>,
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) -> Counts {
    let mut recommender = recommender(config, choices);
    let mut counts = Counts::default();
    if test.is_some() {
        counts.learnt += learn_all(&mut recommender, log, &ordered(log, options));
    }
    let log = test.unwrap_or(log);
    let entries = ordered(log, options);
    for block in entries.chunk_by(|a, b| a.time_ms == b.time_ms) {
        for group in groups(block, options.ungrouped) {
            rate(&recommender, log, &group, choices, tallies);
            counts.asked += ask(&recommender, log, &group, options, choices, tallies);
            counts.learnt += learn_all(&mut recommender, log, &group);
        }
    }
    finish(&recommender, counts)
}

/// The events to run over, by time.
fn ordered(log: &Log, options: &Options) -> Vec<Entry> {
    let mut entries = log.by_time();
    if !options.repeats {
        first_of_each_pair(&mut entries);
    }
    entries
}

/// The events of one time, by user in order of first appearance; each on its own if `ungrouped`.
fn groups(block: &[Entry], ungrouped: bool) -> Vec<Vec<Entry>> {
    if ungrouped {
        return block.iter().map(|&entry| vec![entry]).collect();
    }
    let mut groups: Vec<Vec<Entry>> = Vec::new();
    for &entry in block {
        match groups.iter_mut().find(|group| group[0].user == entry.user) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

/// Asks once for the group, whose questions would all be answered alike, and counts each event.
fn ask(
    recommender: &Recommender,
    log: &Log,
    group: &[Entry],
    options: &Options,
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) -> usize {
    let positive: Vec<&Entry> = group.iter().filter(|entry| is_positive(recommender, log, entry)).collect();
    let Some(first) = positive.first() else { return 0 };
    let n = options.at.iter().copied().max().unwrap_or(0);
    let request = Request {
        allow_seen: options.repeats,
        now_ms: Some(first.time_ms),
        ..Request::user(log.user(first), n)
    };
    let warm = recommender.has_history(log.user(first));
    let lists = recommender.lists(&request, choices);
    for (list, tally) in lists.iter().zip(tallies) {
        tally.show(list, recommender);
        for entry in &positive {
            tally.ask(list, &[target(recommender, log.item(entry))], warm);
        }
    }
    positive.len()
}

/// Predicts the ratings among these events by every model that can.
pub(super) fn rate(
    recommender: &Recommender,
    log: &Log,
    entries: &[Entry],
    choices: &[ModelChoice],
    tallies: &mut [Tally],
) {
    for entry in entries {
        let Some(rating) = recommender.rating_of(&log.event(entry)) else { continue };
        for (&choice, tally) in choices.iter().zip(&mut *tallies) {
            if let ModelChoice::Optional(place) = choice {
                let predicted = recommender.predict_by(log.user(entry), log.item(entry), place);
                tally.rate(predicted, rating);
            }
        }
    }
}

/// Whether an event counts as a like.
pub(super) fn is_positive(recommender: &Recommender, log: &Log, entry: &Entry) -> bool {
    recommender.weight_of(&log.event(entry)).is_some_and(|weight| weight > 0.0)
}

/// The index of an item to be found, as far as it has one.
pub(super) fn target(recommender: &Recommender, item: &str) -> ItemIdx {
    recommender.state().items.find(item).unwrap_or(NEVER_SEEN)
}

/// Learns events, as the feed would.
pub(super) fn learn_all(recommender: &mut Recommender, log: &Log, entries: &[Entry]) -> usize {
    let learn =
        |entry: &&Entry| recommender.apply(&log.event(entry), Position::default(), entry.time_ms).is_ok();
    entries.iter().filter(learn).count()
}

/// Completes the counts at the end.
pub(super) fn finish(recommender: &Recommender, counts: Counts) -> Counts {
    let report = recommender.report();
    Counts { users: report.users, items: report.items, weights: report.weights, ..counts }
}

/// The `n` best for a history, by every model.
pub(super) fn lists_after(
    recommender: &Recommender,
    items: &[&str],
    n: usize,
    choices: &[ModelChoice],
) -> Vec<Vec<ItemIdx>> {
    let request = Request { allow_seen: true, ..Request::items(items, n) };
    debug_assert!(matches!(request.history, History::Items(_)));
    recommender.lists(&request, choices)
}
