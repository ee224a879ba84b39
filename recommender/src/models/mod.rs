//! The models: each a file, each a way of reading the shared counts.
//!
//! Models are not separate programs with separate memories. What was counted is kept once, in the state, and a
//! model is a view on it; so a further model costs no learning time, and one walk over the rows of the history's
//! items feeds every model of pairs at once.
//!
//! A pair model scores a candidate x for a history h_0 (latest), h_1, ... as
//!
//! ```text
//! score(x) = finish(x) · Σ_k decay^k · own(h_k) · value(h_k, x)
//! ```
//!
//! where `value` reads the pair's counts. Factors that depend on one item alone are kept out of the inner loop.
//!
//! # Models with memory of their own
//! What counts cannot say is learnt by a [`Model`]: it hears of every act once the shared state has taken it in, and
//! scores items when asked. Those are off unless `recommender.models` names them ([`OPTIONAL`] lists what there is),
//! because each costs bytes or time; the ones that are on are further columns of the fusion. Every one of them passes
//! the tests of `models/contract.rs`: same log, same bytes; stop, save, load, go on; a forgotten user leaves no
//! answer; bounded; scores that do not depend on how many are asked for.

pub(crate) mod als;
pub(crate) mod biased_sgd;
pub(crate) mod bpr;
pub(crate) mod content;
#[cfg(test)]
mod contract;
pub(crate) mod cooccurrence;
pub(crate) mod ease;
pub(crate) mod embedding;
pub(crate) mod friends;
pub(crate) mod item_cosine;
pub(crate) mod item_ratings;
pub(crate) mod linear;
pub(crate) mod llr;
pub(crate) mod random;
mod ratings;
pub(crate) mod rules;
pub(crate) mod session_knn;
pub(crate) mod set;
pub(crate) mod user_knn;
pub(crate) mod user_user;
pub(crate) mod walk;

use std::fmt::Debug;

use crate::config::Config;
use crate::hot::LIVES;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::ingest::entity::ItemEntity;
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// The models, in the order of their columns: those that go by the history, then popularity by half-life.
pub(crate) const COLUMNS: usize = PERSONAL + LIVES;

/// How many models go by the history.
pub(crate) const PERSONAL: usize = 6;

/// The column of [`item_cosine`].
pub(crate) const COSINE: usize = 0;
/// The column of [`llr`].
pub(crate) const LLR: usize = 1;
/// The column of [`cooccurrence`].
pub(crate) const COOCCURRENCE: usize = 2;
/// The column of [`rules`].
pub(crate) const RULES: usize = 3;
/// The column of [`user_knn`].
pub(crate) const USER_KNN: usize = 4;
/// The column of [`walk`].
pub(crate) const WALK: usize = 5;

const NAMES: [&str; COLUMNS] = [
    item_cosine::NAME,
    llr::NAME,
    cooccurrence::NAME,
    rules::NAME,
    user_knn::NAME,
    walk::NAME,
    "popular-1h",
    "popular-6h",
    "popular-1d",
    "popular-3d",
    "popular-7d",
    "popular-30d",
    "popular-365d",
    "popular",
];

/// The name of a column.
pub(crate) fn column_name(column: usize) -> &'static str {
    NAMES[column]
}

/// The name of a column, or of a model with memory of its own, which stand behind those.
pub(crate) fn any_name(column: usize) -> &'static str {
    column.checked_sub(COLUMNS).map_or_else(|| NAMES[column], |place| OPTIONAL[place].name)
}

/// The column of a name.
pub(crate) fn column_of(name: &str) -> Option<usize> {
    NAMES.iter().position(|&known| known == name)
}

/// A model with memory of its own: its name and how one is made.
pub(crate) struct Optional {
    pub(crate) name: &'static str,
    make: fn(&Config) -> Box<dyn Model>,
}

/// The models that `recommender.models` may name.
pub(crate) const OPTIONAL: [Optional; OPTIONALS] = [
    Optional { name: ease::NAME, make: |config| Box::new(ease::Ease::new(config)) },
    Optional { name: als::NAME, make: |config| Box::new(als::Als::new(config)) },
    Optional { name: bpr::NAME, make: |config| Box::new(bpr::Bpr::new(config)) },
    Optional { name: user_user::NAME, make: |config| Box::new(user_user::UserUser::new(config)) },
    Optional { name: session_knn::NAME, make: |_| Box::new(session_knn::SessionKnn) },
    Optional { name: content::NAME, make: |_| Box::new(content::Content::default()) },
    Optional { name: embedding::NAME, make: |_| Box::new(embedding::Embedding::default()) },
    Optional { name: friends::NAME, make: |config| Box::new(friends::Friends::new(config)) },
    Optional {
        name: item_ratings::COSINE,
        make: |config| Box::new(item_ratings::ItemRatings::new(config, false)),
    },
    Optional {
        name: item_ratings::ADJUSTED,
        make: |config| Box::new(item_ratings::ItemRatings::new(config, true)),
    },
    Optional { name: biased_sgd::NAME, make: |config| Box::new(biased_sgd::BiasedSgd::new(config)) },
];

/// How many there are.
pub(crate) const OPTIONALS: usize = 11;

/// One act, as models hear of it after the shared state has learnt it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesson<'a> {
    pub(crate) state: &'a State,
    /// Who; acts of nobody teach these models nothing.
    pub(crate) user: UserIdx,
    pub(crate) item: ItemIdx,
    /// The act's word.
    pub(crate) action: &'a str,
    /// What the act says for the item.
    pub(crate) weight: f32,
    /// Whether it is the first act in favour of the item that is known of this user.
    pub(crate) first_like: bool,
    /// A rating, if the act is one.
    pub(crate) rating: Option<f64>,
}

/// Whose items are to be scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) state: &'a State,
    pub(crate) user: Option<UserIdx>,
    /// The distinct items to go by, newest first.
    pub(crate) history: &'a [ItemIdx],
}

impl Question<'_> {
    /// Every item the user is known to have liked: the history, and what fell out of it.
    pub(crate) fn liked(&self) -> Vec<ItemIdx> {
        self.user.map_or_else(|| self.history.to_vec(), |user| self.state.users.liked(user))
    }
}

/// Items with their scores; only those above 0 stand for anything.
pub(crate) type Scored = Vec<(ItemIdx, f32)>;

/// A model with memory of its own.
pub(crate) trait Model: Debug + Send + Sync {
    /// Learns one act.
    fn learn(&mut self, lesson: &Lesson<'_>);

    /// Hears what an item is.
    fn describe(&mut self, _item: ItemIdx, _entity: &ItemEntity<'_>) {}

    /// Hears that an item is gone.
    fn withdraw(&mut self, _item: ItemIdx) {}

    /// Puts off all work that can wait for [`Model::settle`], which will come before the first question.
    fn put_off(&mut self) {}

    /// Does all work that was put off, as a batch program would: what follows is as good as it gets.
    fn settle(&mut self, _state: &State) {}

    /// Forgets a user. `state` has forgotten it already; `liked`: the distinct items it had liked.
    fn forget(&mut self, state: &State, user: UserIdx, liked: &[ItemIdx]);

    /// Whether what a forgotten user taught about others stays until it has faded.
    fn fades(&self) -> bool {
        false
    }

    /// Gives items their new indexes and drops the others; `state` has done so already.
    fn renumber_items(&mut self, state: &State, renumbering: &Renumbering);

    /// Gives users their new indexes and drops the others.
    fn renumber_users(&mut self, _renumbering: &Renumbering) {}

    /// Appends every item there is something to say for, each once, in any order. Scores below 0 may be left out.
    fn score(&self, question: &Question<'_>, scored: &mut Scored);

    /// The rating the user would give an item, for models of ratings.
    fn predict(&self, _question: &Question<'_>, _item: ItemIdx) -> Option<f64> {
        None
    }

    /// Bytes held, by capacity.
    fn size_bytes(&self) -> usize;

    /// Appends what was learnt.
    fn save(&self, out: &mut Writer);

    /// Replaces what was learnt by what [`Model::save`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes end early or break a rule of the model.
    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError>;
}

/// The place of an optional model's name.
pub(crate) fn optional_of(name: &str) -> Option<usize> {
    OPTIONAL.iter().position(|optional| optional.name == name)
}
