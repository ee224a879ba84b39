//! The models with memory of their own that are on.
//!
//! Those that the settings name are columns of the fusion. An evaluation may add others, which learn beside them and
//! are asked on their own, so that measuring a model does not change the product's own ranking.

use super::{COLUMNS, Lesson, Model, OPTIONAL, OPTIONALS, Question, Scored, column_of, optional_of};
use crate::config::Config;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::ingest::entity::ItemEntity;
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// The models that are on: first those of the fusion, then the observed ones.
#[derive(Debug, Default)]
pub(crate) struct Models {
    models: Vec<(usize, Box<dyn Model>)>,
    fused: usize,
    off: Off,
}

/// By column of the counts, whether it is left out.
pub(crate) type Off = [bool; COLUMNS];

impl Models {
    /// The models of the settings, and `observed` ones, by place in [`OPTIONAL`].
    pub(crate) fn new(config: &Config, observed: &[usize]) -> Self {
        let fused = config.models.iter().filter_map(|name| optional_of(name));
        let mut places: Vec<usize> = Vec::with_capacity(OPTIONALS);
        for place in fused {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let fused = places.len();
        for &place in observed {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let models = places.into_iter().map(|place| (place, (OPTIONAL[place].make)(config))).collect();
        let mut off = Off::default();
        config.models_off.iter().filter_map(|name| column_of(name)).for_each(|column| off[column] = true);
        Self { models, fused, off }
    }

    /// The columns of the counts that are left out.
    pub(crate) fn off(&self) -> &Off {
        &self.off
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// How many are columns of the fusion.
    pub(crate) fn fused(&self) -> usize {
        self.fused
    }

    /// The place in [`OPTIONAL`] of a column of the fusion.
    pub(crate) fn place_of(&self, column: usize) -> usize {
        self.models[column].0
    }

    /// The model of a column of the fusion.
    pub(crate) fn column(&self, column: usize) -> &dyn Model {
        self.models[column].1.as_ref()
    }

    /// The model of a place in [`OPTIONAL`], if it is on.
    pub(crate) fn get(&self, place: usize) -> Option<&dyn Model> {
        self.models.iter().find(|(own, _)| *own == place).map(|(_, model)| model.as_ref())
    }

    /// Fills `scored` with what the model of a place has to say. False if it is off.
    pub(crate) fn score(&self, place: usize, question: &Question<'_>, scored: &mut Scored) -> bool {
        scored.clear();
        let model = self.get(place);
        model.inspect(|model| model.score(question, scored)).is_some()
    }

    pub(crate) fn learn(&mut self, lesson: &Lesson<'_>) {
        self.each(|model| model.learn(lesson));
    }

    pub(crate) fn describe(&mut self, item: ItemIdx, entity: &ItemEntity<'_>) {
        self.each(|model| model.describe(item, entity));
    }

    pub(crate) fn withdraw(&mut self, item: ItemIdx) {
        self.each(|model| model.withdraw(item));
    }

    /// Has the observed ones put off what can wait for [`Models::settle`]; the fusion asks its own while it learns.
    pub(crate) fn put_off(&mut self) {
        self.models[self.fused..].iter_mut().for_each(|(_, model)| model.put_off());
    }

    pub(crate) fn settle(&mut self, state: &State) {
        self.each(|model| model.settle(state));
    }

    pub(crate) fn forget(&mut self, state: &State, user: UserIdx, liked: &[ItemIdx]) {
        self.each(|model| model.forget(state, user, liked));
    }

    /// The models in which what a forgotten user taught about others fades.
    pub(crate) fn fading(&self) -> impl Iterator<Item = &'static str> {
        self.models.iter().filter(|(_, model)| model.fades()).map(|(place, _)| OPTIONAL[*place].name)
    }

    pub(crate) fn renumber_items(&mut self, state: &State, renumbering: &Renumbering) {
        self.each(|model| model.renumber_items(state, renumbering));
    }

    pub(crate) fn renumber_users(&mut self, renumbering: &Renumbering) {
        self.each(|model| model.renumber_users(renumbering));
    }

    /// Bytes by model.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.models.iter().map(|(place, model)| (OPTIONAL[*place].name, model.size_bytes()))
    }

    /// Appends names and memories.
    pub(crate) fn save(&self, out: &mut Writer) {
        out.u32(self.models.len() as u32);
        for (place, model) in &self.models {
            out.text(OPTIONAL[*place].name);
            model.save(out);
        }
    }

    /// Reads what [`Models::save`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError::Settings`] if other models were on.
    pub(crate) fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if input.count(4)? != self.models.len() {
            return Err(SnapshotError::Settings("recommender.models"));
        }
        for (place, model) in &mut self.models {
            if input.text()? != OPTIONAL[*place].name {
                return Err(SnapshotError::Settings("recommender.models"));
            }
            model.load(input)?;
        }
        Ok(())
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Model)) {
        self.models.iter_mut().for_each(|(_, model)| act(model.as_mut()));
    }
}
