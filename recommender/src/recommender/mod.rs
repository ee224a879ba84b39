//! [`Recommender`]: the one type its owner handles.
//!
//! ```text
//! learn    messages in: decoded, checked, learnt; users forgotten
//! answer   a request in, a ranked list out; ratings predicted
//! page     the rules: which of the scored items are shown, and on which places
//! look_up  neighbours of an item, hot items
//! forget   a user taken back, with the proof
//! near     users of like taste
//! changes  which keys have new output
//! memory   room for new users and items, bytes held
//! naming   which model answers whom, and what the answer is called
//! observe  looking on while a message is learnt
//! persist  save and load
//! tenants  one recommender for each
//! ```
//!
//! Each file is one of those; the type and what it is made of are here.

mod answer;
mod changes;
mod forget;
mod learn;
mod look_up;
mod memory;
mod naming;
mod near;
mod observe;
mod page;
mod persist;
mod tenants;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clicks::{ClickReport, Clicks};
use crate::config::Config;
use crate::ids::ItemIdx;
use crate::ingest::clean::SeenIds;
use crate::judging::experiment::Experiment;
use crate::models::set::Models;
use crate::models::{COLUMNS, OPTIONAL, column_name, optional_of};
use crate::online::SpaceSaving;
use crate::ranking::candidates::{Scratch, Sources};
use crate::ranking::fuse::Fusion;
use crate::ranking::trial::Trial;
use crate::state::segments::Segments;
use crate::state::{Limits, State};
use changes::Changed;

pub use changes::Changes;
pub use forget::{Forgotten, Taken};
pub use learn::{Applied, Counters, Incoming};
pub use memory::Report;
pub(crate) use observe::Observer;
pub use observe::Seen;
pub(crate) use tenants::split_tenant;
pub use tenants::tenant_key;

/// Learns from events and answers from what it learnt.
#[derive(Debug)]
pub struct Recommender {
    config: Arc<Config>,
    state: State,
    seen: SeenIds,
    fusion: Fusion,
    models: Models,
    clicks: Option<Clicks>,
    /// Acts in favour of each item, by id: of those dropped for want of room too.
    hitters: Option<SpaceSaving>,
    counters: Counters,
    changed: Changed,
    /// By name; tenants have none.
    tenants: BTreeMap<String, Recommender>,
    before: Vec<ItemIdx>,
    /// Whose lists had the item of the event that was learnt last, if that was asked.
    trial: Option<Trial>,
    /// Bytes that may be added before the memory is looked at again.
    room: u64,
    /// Memory of requests, reused: as many as there were requests at once.
    pool: Mutex<Vec<Scratch>>,
}

impl Recommender {
    /// An empty recommender.
    pub fn new(config: Config) -> Self {
        // Models that only an arm of an experiment has learn beside the others.
        let arms: Vec<usize> =
            config.experiments.iter().flat_map(Experiment::models).filter_map(optional_of).collect();
        Self::observing(config, &arms)
    }

    /// An empty recommender in which these optional models learn too, beside the fusion.
    pub(crate) fn observing(config: Config, observed: &[usize]) -> Self {
        let segments = Segments::new(config.segment_ages.clone());
        Self {
            models: Models::new(&config, observed),
            clicks: Clicks::new(&config),
            hitters: (config.hitters_max > 0).then(|| SpaceSaving::new(config.hitters_max)),
            config: Arc::new(config),
            state: State { segments, ..State::default() },
            seen: SeenIds::default(),
            fusion: Fusion::default(),
            counters: Counters::default(),
            changed: Changed::default(),
            tenants: BTreeMap::new(),
            before: Vec::new(),
            trial: None,
            room: 0,
            pool: Mutex::default(),
        }
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was learnt, to be read.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Counts of what was taken in, for every tenant together.
    pub fn counters(&self) -> Counters {
        self.counted()
    }

    /// Whose lists had the item of the event that was learnt last; `None` if that was not asked.
    pub(crate) fn trial(&self) -> Option<Trial> {
        self.trial
    }

    /// The newest event's time, ms since 1970: what answers are given as of.
    pub fn newest_ms(&self) -> i64 {
        self.state.newest_ms
    }

    /// How well the click model does, if there is one.
    pub fn clicks(&self) -> Option<ClickReport> {
        self.clicks.as_ref().map(Clicks::report)
    }

    /// The names of all categories, each a scope of hot items.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.state.items.categories()
    }

    /// The names that [`crate::Request::model`] always takes.
    pub fn models() -> impl Iterator<Item = &'static str> {
        (0..COLUMNS).map(column_name)
    }

    /// The names it takes besides if `recommender.models` has them.
    pub fn optional_models() -> impl Iterator<Item = &'static str> {
        OPTIONAL.iter().map(|optional| optional.name)
    }

    /// Has models that are no part of the fusion put off what can wait for [`Recommender::settle`]: for evaluations that
    /// ask nothing before.
    pub(crate) fn put_off(&mut self) {
        self.models.put_off();
    }

    /// Does the work that models put off, as a batch program would after its input: for evaluations. It may take
    /// minutes.
    pub fn settle(&mut self) {
        self.models.settle(&self.state);
        self.tenants.values_mut().for_each(Self::settle);
    }

    fn sources(&self) -> Sources<'_> {
        Sources { state: &self.state, models: &self.models }
    }

    fn limits(&self) -> Limits {
        Limits {
            history_max: self.config.history_max,
            window: self.config.window,
            row_max: self.config.row_max,
            fatigue: self.config.fatigue,
        }
    }

    fn scratch(&self) -> Scratch {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, scratch: Scratch) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}
