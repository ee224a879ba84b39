//! What a user disliked lowers what is like it, at once.
//!
//! For each of the user's latest disliked items j, a candidate's score is multiplied by 1 − cosine(j, candidate),
//! cosine = c/√(n_j·n): nothing happens to what nobody relates to j, and what everyone takes with j all but goes.

use super::candidates::Scratch;
use crate::cooccurrence::Margins;
use crate::ids::ItemIdx;
use crate::state::State;

/// How many disliked items count, the latest.
const DISLIKES_ASKED: usize = 20;

/// Lowers the scores of candidates like those `disliked`, newest first.
pub(crate) fn lower(state: &State, disliked: impl Iterator<Item = ItemIdx>, scratch: &mut Scratch) {
    for item in disliked.take(DISLIKES_ASKED) {
        for pair in state.pairs.neighbours(item) {
            let Some(place) = scratch.find(pair.item) else { continue };
            let margins = Margins {
                both: pair.count,
                first: state.items.users(item),
                second: state.items.users(pair.item),
                total: state.users.with_likes(),
            };
            scratch.scores[place] *= 1.0 - margins.cosine().min(1.0) as f32;
        }
    }
}
