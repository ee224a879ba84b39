//! [`Processor`]: what stands between the topics and the recommender, and beside it.
//!
//! ```text
//!                    operators on any topic ──────────────────────────────┐
//!                      ▲                                                  ▼
//! Incoming ──▶ decode ─┴▶ check ─▶ operators admit ─▶ recommender learns ─▶ operators see it ──▶ Emissions
//!                │ refused  │ refused    │ refused
//!                └──────────┴────────────┴──▶ dead letter: an Emission like any other
//! ```
//! An `Operator` is a small machine with a state of its own: it may keep events out, write records of
//! its own for each event, and write summaries now and then. Like the recommender, an operator knows no clock and no
//! randomness, so state, input order and the places where summaries were asked for give every record it writes: whoever
//! owns the processor commits those records together with the input they came from, and a restart repeats none.
//!
//! Messages of [`topics::REQUESTS`] are questions: they change nothing, and are for [`Processor::answer`].
//!
//! | file | is |
//! |---|---|
//! | `operator` | the contract |
//! | `operators` | all of them, in the order in which they are asked |
//! | `emission` | a record to be written |
//! | `dead_letter` | what was refused, and why |
//! | `cleaning` | late events, robots, bursts kept out |
//! | `clean_events` | normalised events to a topic |
//! | `segment_lists` | hot lists by age and gender |
//! | `segment_topics` | events by age and gender |
//! | `monitors` | anomalies of any topic |
//! | `regressions` | predictions from any topic |
//! | `risk` | events that come too fast, kept from the models |
//! | `rates` | how much there was of something lately |
//! | `document` | numbers and texts out of messages, by where they stand |
//! | `keyed` | states by key, at most so many |
//! | `judge` | what answers were worth |
//! | `features` | features of users and items |
//! | `windowed` | figures over windows of any topic |
//! | `topics` | the names of the topics that are written |

mod clean_events;
mod cleaning;
mod dead_letter;
pub(crate) mod document;
mod emission;
mod features;
mod judge;
mod keyed;
pub(crate) mod monitors;
mod operator;
mod operators;
mod rates;
pub(crate) mod regressions;
pub(crate) mod risk;
mod segment_lists;
mod segment_topics;
pub mod topics;
pub(crate) mod windowed;

use serde::Serialize;

use crate::config::Config;
use crate::ingest::Event;
use crate::ingest::rejection::Rejection;
use crate::judging::{Evaluation, Wanted};
use crate::recommender::{Applied, Changes, Forgotten, Incoming, Observer, Recommender, Seen};
use crate::serving::Ask;
use crate::state::snapshot::{self, Reader, SnapshotError, Writer};
pub use emission::{Body, Emission};
pub use features::{Affinity, FeaturesOf, ItemFeatures, LastAct, Totals, UserFeatures};
use operators::Operators;

/// The recommender and the operators beside it. It stands for the messages processed, exactly once each.
#[derive(Debug)]
pub struct Processor {
    recommender: Recommender,
    operators: Operators,
    /// Something was processed since summaries were last taken.
    unsummarised: bool,
}

impl Processor {
    /// One that has processed nothing.
    pub fn new(config: Config) -> Self {
        Self {
            operators: Operators::new(&config),
            recommender: Recommender::new(config),
            unsummarised: false,
        }
    }

    /// The recommender, to be asked.
    pub fn recommender(&self) -> &Recommender {
        &self.recommender
    }

    /// Whether messages of a topic are to be processed, or answered.
    pub fn reads(&self, topic: &str) -> bool {
        self.recommender.config().role(topic).is_some()
            || self.operators.listen(topic)
            || topic == topics::REQUESTS
    }

    /// What the question of a message is answered with, in JSON: a [`Reply`](crate::Reply), or an object `error`.
    pub fn answer(&self, question: Option<&[u8]>) -> Vec<u8> {
        let ask = Ask::from_json(question.unwrap_or_default());
        match ask.and_then(|ask| ask.answer(&self.recommender)) {
            Ok(reply) => emission::json(&reply),
            Err(error) => error_reply(error.code(), &error.to_string()),
        }
    }

    /// Processes one message and appends what is to be written because of it to `out`, in order; a message that is
    /// refused is among that, as a dead letter.
    ///
    /// # Errors
    /// [`Rejection`] if nothing of the message could be used.
    pub fn process(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) -> Result<Applied, Rejection> {
        self.unsummarised = true;
        self.operators.hear(message, out);
        let mut watch = Watch { operators: &mut self.operators, message, out };
        let taken = self.recommender.ingest_observed(message, &mut watch);
        if let Err(rejection) = &taken {
            out.push(dead_letter::whole(message, rejection));
        }
        taken
    }

    /// Takes up to `limit` changed users and as many changed items off the queue, as [`Recommender::take_changes`].
    pub fn take_changes(&mut self, limit: usize) -> Changes {
        self.recommender.take_changes(limit)
    }

    /// Queues every user and every item as changed, and every list of a segment: what was written of them came from
    /// `before`, whose place it takes.
    pub fn queue_everything(&mut self, before: &Self) {
        self.recommender.queue_everything();
        self.operators.replace(&before.operators);
        self.unsummarised = true;
    }

    /// Whether anything was processed since this was last asked, so that hot lists may have changed. If so, the
    /// summaries of the operators are appended to `out`.
    pub fn take_summaries(&mut self, out: &mut Vec<Emission>) -> bool {
        let changed = self.recommender.take_hot() | std::mem::take(&mut self.unsummarised);
        if changed {
            self.operators.summarise(&self.recommender, out);
        }
        changed
    }

    /// What answers were worth.
    pub fn evaluation(&self, wanted: &Wanted) -> Evaluation {
        self.operators.judge().evaluation(wanted, &self.recommender)
    }

    /// Takes the features of up to `limit` users and as many items that have changed, the longest waiting first, and appends
    /// them to `out`. Returns whether there are more.
    pub fn take_features(&mut self, limit: usize, out: &mut Vec<Emission>) -> bool {
        self.operators.features_mut().take(limit, &self.recommender, out)
    }

    /// The features of a user; `None` if no event has named it.
    pub fn user_features(&self, tenant: Option<&str>, user_id: &str) -> Option<UserFeatures> {
        self.operators.features().of_user(&self.recommender, tenant, user_id)
    }

    /// The features of an item; `None` if no event has named it.
    pub fn item_features(&self, tenant: Option<&str>, item_id: &str) -> Option<ItemFeatures> {
        self.operators.features().of_item(&self.recommender, tenant, item_id)
    }

    /// Bytes held by the recommender and each operator.
    pub fn bytes(&self) -> Vec<(&'static str, usize)> {
        let mut bytes = self.recommender.report().bytes;
        bytes.extend(self.operators.bytes());
        bytes
    }

    /// Appends a snapshot of everything.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut body = Writer::default();
        self.recommender.save_body(&mut body);
        self.operators.save(&mut body);
        body.u8(u8::from(self.unsummarised));
        snapshot::seal(&body.into_bytes(), out);
    }

    /// A processor as it was when saved.
    ///
    /// # Errors
    /// [`SnapshotError`]: process the log instead.
    pub fn load(config: Config, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut body = Reader::new(snapshot::open(bytes)?);
        let mut operators = Operators::new(&config);
        let recommender = Recommender::load_body(config, &mut body)?;
        operators.load(&mut body)?;
        let unsummarised = body.u8()? != 0;
        body.finish()?;
        Ok(Self { recommender, operators, unsummarised })
    }
}

/// The reply to a question that cannot be answered: `{"error": {"code": …, "message": …}}`, as over HTTP.
pub fn error_reply(code: &str, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Reply<'a> {
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        code: &'a str,
        message: &'a str,
    }
    emission::json(&Reply { error: Error { code, message } })
}

/// Shows the operators what becomes of a message.
struct Watch<'p> {
    operators: &'p mut Operators,
    message: &'p Incoming<'p>,
    out: &'p mut Vec<Emission>,
}

impl Observer for Watch<'_> {
    fn admit(&mut self, seen: &Seen<'_>, recommender: &Recommender) -> Result<(), Rejection> {
        self.operators.admit(seen, recommender, self.out)
    }

    fn learnt(&mut self, seen: &Seen<'_>, recommender: &Recommender) {
        self.operators.learnt(seen, recommender, self.out);
    }

    fn refused(&mut self, line: usize, event: &Event<'_>, rejection: &Rejection) {
        self.out.push(dead_letter::line(self.message, line, event, rejection));
    }

    fn forgotten(&mut self, tenant: Option<&str>, user: &str, proof: &Forgotten) {
        self.operators.forget(tenant, user);
        self.out.push(Emission::json(topics::FORGOTTEN, &proof.user, proof, proof.time_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Position;

    fn incoming<'a>(topic: &'a str, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Incoming<'a> {
        let position = Position { source: "user_behavior-0", offset: 7 };
        Incoming { topic, position, key, value, headers: &[], time_ms: 1_700_000_000_000 }
    }

    fn processed(processor: &mut Processor, value: &str) -> (bool, Vec<Emission>) {
        let mut out = Vec::new();
        let message = incoming("user_behavior", Some(b"k"), Some(value.as_bytes()));
        let used = processor.process(&message, &mut out).is_ok();
        (used, out)
    }

    #[test]
    fn a_refused_message_is_a_dead_letter_as_received() {
        let mut processor = Processor::new(Config::default());
        let (used, out) = processed(&mut processor, "{");
        assert!(!used);
        let [letter] = &out[..] else { panic!("{out:?}") };
        assert_eq!((&*letter.topic, &letter.body), (topics::DEAD_LETTER, &Body::AsReceived));
        let header = |name: &str| letter.headers.iter().find(|(known, _)| *known == name).map(|(_, v)| &**v);
        assert_eq!(header("kindred.topic"), Some("user_behavior"));
        assert_eq!(header("kindred.offset"), Some("7"));
        assert_eq!(header("kindred.reason"), Some("not-an-event"));
    }

    #[test]
    fn of_several_events_those_refused_are_dead_letters_of_their_own() {
        let mut processor = Processor::new(Config::default());
        let events =
            r#"[{"user_id":1,"item_id":2,"action":"view"},{"user_id":1,"item_id":3,"action":"levitate"}]"#;
        let (used, out) = processed(&mut processor, events);
        assert!(used);
        let letters: Vec<_> = out.iter().filter(|one| one.topic == topics::DEAD_LETTER).collect();
        let [letter] = letters[..] else { panic!("{out:?}") };
        let Body::Own { key, value: Some(value), .. } = &letter.body else { panic!("{letter:?}") };
        assert_eq!(key.as_deref(), Some(&b"k"[..]));
        let value = String::from_utf8_lossy(value);
        assert!(value.contains("levitate") && !value.contains("view"), "{value}");
        // Produced again with the mistake mended, it counts; the other event does not count twice.
        let (used, out) = processed(&mut processor, &value.replace("levitate", "click"));
        assert!(used && out.iter().all(|one| one.topic != topics::DEAD_LETTER));
        assert_eq!(processor.recommender().counters().events, 2);
    }

    #[test]
    fn an_event_that_stands_alone_keeps_the_tenant_of_its_message() {
        let mut processor = Processor::new(Config::default());
        let events =
            r#"[{"user_id":1,"item_id":2,"action":"view"},{"user_id":1,"item_id":3,"action":"levitate"}]"#;
        let headers: [(&[u8], Option<&[u8]>); 1] = [(b"tenant", Some(b"a"))];
        let message =
            Incoming { headers: &headers, ..incoming("user_behavior", None, Some(events.as_bytes())) };
        let mut out = Vec::new();
        processor.process(&message, &mut out).expect("one of them is good");
        let topics: Vec<&str> = out.iter().map(|one| &*one.topic).collect();
        assert_eq!(topics, [topics::CLEAN_EVENTS, topics::DEAD_LETTER]);
        for one in &out {
            let Body::Own { value: Some(value), .. } = &one.body else { panic!("{one:?}") };
            let value: serde_json::Value = serde_json::from_slice(value).expect("JSON");
            assert_eq!(value["tenant"], "a", "{value}");
        }
    }

    #[test]
    fn forgetting_a_user_writes_a_proof() {
        let mut processor = Processor::new(Config::default());
        processed(&mut processor, r#"{"user_id":"u","item_id":2,"action":"view"}"#);
        for known in [true, false] {
            let mut out = Vec::new();
            processor.process(&incoming("users", Some(b"u"), None), &mut out).expect("a good record");
            let proof = out.iter().find(|one| one.topic == topics::FORGOTTEN).expect("a proof");
            let Body::Own { key: Some(key), value: Some(value), time_ms } = &proof.body else {
                panic!("{out:?}")
            };
            let value: serde_json::Value = serde_json::from_slice(value).expect("JSON");
            assert_eq!((key.len(), *time_ms), (16, 1_700_000_000_000));
            assert_eq!(value["user"].as_str().map(str::as_bytes), Some(&key[..]));
            assert_eq!((&value["known"], &value["event"]), (&known.into(), &"user_behavior-0-7".into()));
            assert_eq!(value["taken"].as_array().map(Vec::is_empty), Some(!known), "{value}");
            processor.take_changes(10);
        }
    }

    #[test]
    fn questions_are_answered_and_change_nothing() {
        let mut processor = Processor::new(Config::default());
        processed(&mut processor, r#"{"user_id":1,"item_id":2,"action":"view"}"#);
        assert!(processor.reads(topics::REQUESTS));
        let answer = |question| String::from_utf8(processor.answer(question)).expect("JSON is text");
        let answered = answer(Some(br#"{"user_id": 3}"#));
        assert!(answered.starts_with(r#"{"user_id":"3","rec_id":"1-0."#), "{answered}");
        for question in [None, Some(&b"{"[..]), Some(br#"{"users": []}"#)] {
            let answered = answer(question);
            assert!(answered.starts_with(r#"{"error":{"code":"bad-"#), "{answered}");
        }
    }

    #[test]
    fn what_was_saved_goes_on_where_it_was() {
        let mut whole = Processor::new(Config::default());
        processed(&mut whole, r#"{"user_id":1,"item_id":2,"action":"view"}"#);
        let mut bytes = Vec::new();
        whole.save(&mut bytes);
        let mut loaded = Processor::load(Config::default(), &bytes).expect("a good snapshot");
        for processor in [&mut whole, &mut loaded] {
            processed(processor, r#"{"user_id":1,"item_id":3,"action":"click"}"#);
        }
        let saved = |processor: &Processor| {
            let mut bytes = Vec::new();
            processor.save(&mut bytes);
            bytes
        };
        assert_eq!(saved(&whole), saved(&loaded));
        assert!(loaded.take_summaries(&mut Vec::new()) && !loaded.take_summaries(&mut Vec::new()));
    }
}
