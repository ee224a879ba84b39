//! Events as anyone may send them: the JSON and the other shapes that the recommender reads, and its snapshot. The first
//! byte picks the topic; a line feed ends the key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use recommender::{Config, Incoming, Position, Recommender};

const TOPICS: [&str; 5] = ["user_behavior", "recommendation", "items", "users", "rated-movies"];

fuzz_target!(|input: &[u8]| {
    let [topic, bytes @ ..] = input else { return };
    if usize::from(*topic) % (TOPICS.len() + 1) == TOPICS.len() {
        let _ = Recommender::load(Config::default(), bytes);
        return;
    }
    let topic = TOPICS[usize::from(*topic) % TOPICS.len()];
    let mut recommender = Recommender::new(Config::default());
    for (offset, line) in (0..).zip(bytes.split(|byte| *byte == 0)) {
        let (key, value) = match line.iter().position(|byte| *byte == b'\n') {
            Some(end) => (Some(&line[..end]), &line[end + 1..]),
            None => (None, line),
        };
        let position = Position { source: "t-0", offset };
        let message = Incoming { topic, position, key, value: Some(value), headers: &[], time_ms: 1_700_000_000_000 };
        let _ = recommender.ingest(&message);
    }
    let mut saved = Vec::new();
    recommender.save(&mut saved);
    Recommender::load(Config::default(), &saved).expect("what was saved is loaded");
});
