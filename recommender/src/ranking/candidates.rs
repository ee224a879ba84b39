//! Candidates for a history, with every model's score of each.
//!
//! One walk over the rows of the history's items feeds all pair models; the hottest items of each half-life join
//! them. The table is dense over items and reused between requests: nothing is cleared but what was touched.

use crate::hot::LIVES;
use crate::ids::ItemIdx;
use crate::models::{COLUMNS, PAIR_MODELS, PAIRS, Seen};
use crate::state::State;

/// How far back the history is asked.
pub(crate) const HISTORY_ASKED: usize = 50;

/// How many of the hottest items of each half-life become candidates.
const HOT_ASKED: usize = 100;

/// Scores of one candidate by column.
pub(crate) type Row = [f32; COLUMNS];

/// Reusable memory of one request.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Position in `items` plus one, by item; 0 for those that are no candidates.
    places: Vec<u32>,
    pub(crate) items: Vec<ItemIdx>,
    pub(crate) rows: Vec<Row>,
    pub(crate) history: Vec<ItemIdx>,
}

impl Scratch {
    fn clear(&mut self, items: usize) {
        for item in self.items.drain(..) {
            self.places[item.at()] = 0;
        }
        self.rows.clear();
        if self.places.len() < items {
            self.places.resize(items, 0);
        }
    }

    fn row(&mut self, item: ItemIdx) -> &mut Row {
        let place = &mut self.places[item.at()];
        if *place == 0 {
            self.items.push(item);
            self.rows.push([0.0; COLUMNS]);
            *place = self.items.len() as u32;
        }
        &mut self.rows[*place as usize - 1]
    }

    /// The scores of a candidate.
    pub(crate) fn find(&self, item: ItemIdx) -> Option<&Row> {
        let place = *self.places.get(item.at())?;
        (place > 0).then(|| &self.rows[place as usize - 1])
    }
}

/// Fills `scratch` with the candidates for its `history`, newest first.
pub(crate) fn gather(state: &State, scratch: &mut Scratch) {
    scratch.clear(state.items.len());
    let history = std::mem::take(&mut scratch.history);
    let total = state.users.with_likes() as f32;
    for (back, &item) in history.iter().enumerate().take(HISTORY_ASKED) {
        let decays: [f32; PAIRS] = std::array::from_fn(|column| PAIR_MODELS[column].decay(back));
        let first = state.items.users(item) as f32;
        for pair in state.pairs.neighbours(item) {
            let seen = Seen { pair, first, second: state.items.users(pair.item) as f32, total };
            let row = scratch.row(pair.item);
            for column in 0..PAIRS {
                row[column] += decays[column] * PAIR_MODELS[column].value(seen);
            }
        }
    }
    scratch.history = history;
    for life in 0..LIVES {
        for &item in state.hot.top(life).iter().take(HOT_ASKED) {
            scratch.row(item);
        }
    }
    for place in 0..scratch.items.len() {
        let sums = state.hot.raw_all(scratch.items[place]);
        for life in 0..LIVES {
            scratch.rows[place][PAIRS + life] = sums[life] as f32;
        }
    }
}
