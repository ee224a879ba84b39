//! The recommender: learning and answering.

use std::hint::black_box;

use recommender::{Config, Event, Incoming, Position, Recommender, Request};

use crate::{Prepared, Random};

const USERS: u64 = 2_000;
const ITEMS: u64 = 1_000;
const SOURCE: &str = "user_behavior-0";
const TIME_MS: i64 = 1_700_000_000_000;
const EVENT_MS: i64 = 50;
/// Events that an answer is drawn from.
const LEARNT: u64 = 10_000;

/// Who did something, and to what: the lower an item's number, the likelier.
fn act(random: &mut Random) -> (u64, u64) {
    (random.next() % USERS, (random.next() % ITEMS).min(random.next() % ITEMS))
}

fn learn(recommender: &mut Recommender, random: &mut Random, number: u64) {
    let (user, item) = act(random);
    let event = Event {
        user_id: Some(format!("user-{user}").into()),
        item_id: format!("item-{item}").into(),
        action: "click".into(),
        time_ms: TIME_MS + number as i64 * EVENT_MS,
        ..Event::default()
    };
    let position = Position { source: SOURCE, offset: number as i64 };
    recommender.apply(&event, position, event.time_ms).expect("the event is valid");
}

/// One event, decoded.
pub(crate) fn apply() -> Prepared {
    let mut recommender = Recommender::new(Config::default());
    let mut random = Random(1);
    Box::new(move |number| learn(&mut recommender, &mut random, number))
}

/// One event as it lies in a topic.
pub(crate) fn ingest() -> Prepared {
    let mut recommender = Recommender::new(Config::default());
    let mut random = Random(1);
    Box::new(move |number| {
        let (user, item) = act(&mut random);
        let time_ms = TIME_MS + number as i64 * EVENT_MS;
        let value =
            format!(r#"{{"user_id":"user-{user}","item_id":"item-{item}","action":"click","ts":{time_ms}}}"#);
        let message = Incoming {
            topic: "user_behavior",
            position: Position { source: SOURCE, offset: number as i64 },
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
            time_ms,
        };
        recommender.ingest(&message).expect("the event is valid");
    })
}

/// Ten items for one user.
pub(crate) fn recommend() -> Prepared {
    let mut recommender = Recommender::new(Config::default());
    let mut random = Random(1);
    for number in 0..LEARNT {
        learn(&mut recommender, &mut random, number);
    }
    Box::new(move |_| {
        let user = format!("user-{}", act(&mut random).0);
        black_box(recommender.recommend(&Request::user(&user, 10)));
    })
}
