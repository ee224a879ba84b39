//! Every operator, in the order in which they are asked.

use super::clean_events::CleanEvents;
use super::cleaning::Cleaning;
use super::emission::Emission;
use super::features::Features;
use super::judge::Judge;
use super::monitors::Monitors;
use super::operator::Operator;
use super::regressions::Regressions;
use super::risk::Risk;
use super::segment_lists::SegmentLists;
use super::segment_topics::SegmentTopics;
use super::windowed::Windowed;
use crate::config::Config;
use crate::ingest::rejection::Rejection;
use crate::recommender::{Incoming, Recommender, Seen};
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// How many there are.
const COUNT: usize = 10;

/// All of them.
#[derive(Debug)]
pub(super) struct Operators {
    cleaning: Cleaning,
    clean_events: CleanEvents,
    segment_lists: SegmentLists,
    segment_topics: SegmentTopics,
    monitors: Monitors,
    regressions: Regressions,
    judge: Judge,
    risk: Risk,
    features: Features,
    windowed: Windowed,
}

impl Operators {
    /// Those that the settings ask for, which have seen nothing yet.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            cleaning: Cleaning::new(config),
            clean_events: CleanEvents::new(config),
            segment_lists: SegmentLists::default(),
            segment_topics: SegmentTopics::new(config),
            monitors: Monitors::new(config),
            regressions: Regressions::new(config),
            judge: Judge::new(config),
            risk: Risk::new(config),
            features: Features::new(config),
            windowed: Windowed::new(config),
        }
    }

    /// What answers were worth.
    pub(super) fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Features of users and items.
    pub(super) fn features(&self) -> &Features {
        &self.features
    }

    /// The same, to be taken.
    pub(super) fn features_mut(&mut self) -> &mut Features {
        &mut self.features
    }

    fn each(&self) -> [&dyn Operator; COUNT] {
        [
            &self.cleaning,
            &self.clean_events,
            &self.segment_lists,
            &self.segment_topics,
            &self.monitors,
            &self.regressions,
            &self.judge,
            &self.risk,
            &self.features,
            &self.windowed,
        ]
    }

    fn each_mut(&mut self) -> [&mut dyn Operator; COUNT] {
        [
            &mut self.cleaning,
            &mut self.clean_events,
            &mut self.segment_lists,
            &mut self.segment_topics,
            &mut self.monitors,
            &mut self.regressions,
            &mut self.judge,
            &mut self.risk,
            &mut self.features,
            &mut self.windowed,
        ]
    }

    /// Takes the place of those under other settings.
    pub(super) fn replace(&mut self, before: &Self) {
        self.segment_lists.replace(&before.segment_lists);
    }

    /// Whether any of them listens to a topic.
    pub(super) fn listen(&self, topic: &str) -> bool {
        self.each().iter().any(|operator| operator.listens(topic))
    }

    pub(super) fn hear(&mut self, message: &Incoming<'_>, out: &mut Vec<Emission>) {
        for operator in self.each_mut() {
            operator.pass(message, out);
            if operator.listens(message.topic) {
                operator.hear(message, out);
            }
        }
    }

    pub(super) fn admit(
        &mut self,
        seen: &Seen<'_>,
        recommender: &Recommender,
        out: &mut Vec<Emission>,
    ) -> Result<(), Rejection> {
        self.each_mut().into_iter().try_for_each(|operator| operator.admit(seen, recommender, out))
    }

    pub(super) fn learnt(&mut self, seen: &Seen<'_>, recommender: &Recommender, out: &mut Vec<Emission>) {
        self.each_mut().into_iter().for_each(|operator| operator.learnt(seen, recommender, out));
    }

    pub(super) fn summarise(&mut self, recommender: &Recommender, out: &mut Vec<Emission>) {
        self.each_mut().into_iter().for_each(|operator| operator.summarise(recommender, out));
    }

    pub(super) fn forget(&mut self, tenant: Option<&str>, user: &str) {
        self.each_mut().into_iter().for_each(|operator| operator.forget(tenant, user));
    }

    /// Bytes held, by operator.
    pub(super) fn bytes(&self) -> Vec<(&'static str, usize)> {
        self.each().iter().map(|operator| (operator.name(), operator.size_bytes())).collect()
    }

    pub(super) fn save(&self, out: &mut Writer) {
        self.each().iter().for_each(|operator| operator.save(out));
    }

    pub(super) fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.each_mut().into_iter().try_for_each(|operator| operator.load(input))
    }
}
