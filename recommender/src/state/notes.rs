//! What must not be shown to a user, or not again: items hidden for good, and items shown time after time in vain.
//!
//! ```text
//! hide        item ──▶ hidden, until the user acts in favour of it
//! impression  item ──▶ shown: how many times since when ──▶ tired of it, once that is often enough within a window
//! any other act on the item, or the window over        ──▶ no longer counted
//! ```
//!
//! Kept apart from histories: an impression must not push out what the user did, and most users have neither.
//!
//! # Bounds
//! Of a user, [`HIDDEN_MAX`] hidden items, the first hidden forgotten beyond it, and [`SHOWN_MAX`] shown ones, those
//! shown least recently forgotten. Shown ones are only kept if fatigue is on.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::memory::doubling;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::{ItemIdx, Renumbering, UserIdx};

/// How many items a user may hide.
const HIDDEN_MAX: usize = 1024;

/// How many items that were shown to a user are remembered.
const SHOWN_MAX: usize = 128;

/// The notes of all users that have any.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Notes {
    users: HashMap<UserIdx, Note, FxBuildHasher>,
}

#[derive(Debug, Default, PartialEq)]
struct Note {
    /// In order of hiding.
    hidden: Vec<ItemIdx>,
    /// Shown least recently first.
    shown: Vec<Shown>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    item: ItemIdx,
    times: u32,
    /// The first of those times.
    since_ms: i64,
}

/// When a user is tired of an item: shown so many times within so long, with no act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fatigue {
    /// 0: never.
    pub(crate) times: u32,
    pub(crate) window_ms: i64,
}

impl Notes {
    /// Notes that a user wants to see an item no more.
    pub(crate) fn hide(&mut self, user: UserIdx, item: ItemIdx) {
        let hidden = &mut self.users.entry(user).or_default().hidden;
        if !hidden.contains(&item) {
            if hidden.len() == HIDDEN_MAX {
                hidden.remove(0);
            }
            hidden.push(item);
        }
    }

    /// Notes that an item was shown to a user.
    pub(crate) fn show(&mut self, user: UserIdx, item: ItemIdx, time_ms: i64, fatigue: Fatigue) {
        let shown = &mut self.users.entry(user).or_default().shown;
        let known = shown.iter().position(|shown| shown.item == item).map(|place| shown.remove(place));
        let running = known.filter(|known| time_ms.saturating_sub(known.since_ms) < fatigue.window_ms);
        let now = match running {
            Some(known) => Shown { times: known.times.saturating_add(1), ..known },
            None => Shown { item, times: 1, since_ms: time_ms },
        };
        if shown.len() == SHOWN_MAX {
            shown.remove(0);
        }
        shown.push(now);
    }

    /// Notes that a user acted on an item; `liked`: in favour of it.
    pub(crate) fn react(&mut self, user: UserIdx, item: ItemIdx, liked: bool) {
        let Some(note) = self.users.get_mut(&user) else { return };
        note.shown.retain(|shown| shown.item != item);
        note.hidden.retain(|&hidden| !liked || hidden != item);
        if note.is_empty() {
            self.users.remove(&user);
        }
    }

    /// The items not to show to a user now, in no particular order.
    pub(crate) fn unwanted(
        &self,
        user: UserIdx,
        now_ms: i64,
        fatigue: Fatigue,
    ) -> impl Iterator<Item = ItemIdx> {
        let tired = move |shown: &&Shown| {
            let running = now_ms.saturating_sub(shown.since_ms) < fatigue.window_ms;
            fatigue.times > 0 && shown.times >= fatigue.times && running
        };
        self.users.get(&user).into_iter().flat_map(move |note| {
            note.hidden.iter().copied().chain(note.shown.iter().filter(tired).map(|shown| shown.item))
        })
    }

    /// How many items a user has hidden and been shown.
    pub(crate) fn count(&self, user: UserIdx) -> usize {
        self.users.get(&user).map_or(0, |note| note.hidden.len() + note.shown.len())
    }

    /// Forgets a user.
    pub(crate) fn forget(&mut self, user: UserIdx) {
        self.users.remove(&user);
    }

    /// Gives users their new indexes and drops the others.
    pub(crate) fn renumber_users(&mut self, renumbering: &Renumbering) {
        let old = std::mem::take(&mut self.users);
        let kept = |(user, note): (UserIdx, Note)| Some((UserIdx(renumbering.index(user.0)?), note));
        self.users = old.into_iter().filter_map(kept).collect();
    }

    /// Gives items their new indexes and drops the others.
    pub(crate) fn renumber_items(&mut self, renumbering: &Renumbering) {
        self.users.retain(|_, note| {
            note.hidden = note.hidden.iter().filter_map(|&item| renumbering.item(item)).collect();
            let kept = |shown: &Shown| Some(Shown { item: renumbering.item(shown.item)?, ..*shown });
            note.shown = note.shown.iter().filter_map(kept).collect();
            !note.is_empty()
        });
    }

    /// Most bytes that so many notes may take.
    pub(crate) fn size_bound(&self) -> usize {
        let lists =
            |note: &Note| doubling::<ItemIdx>(note.hidden.len()) + doubling::<Shown>(note.shown.len());
        // At least 7/16 of a table's places are taken, each with a mark.
        let place = (size_of::<(UserIdx, Note)>() + 1) * 16 / 7 + 1;
        64 + self.users.len() * place + self.users.values().map(lists).sum::<usize>()
    }

    /// Bytes held, by capacity.
    pub(crate) fn size_bytes(&self) -> usize {
        let lists = |note: &Note| note.hidden.capacity() * 4 + note.shown.capacity() * size_of::<Shown>();
        self.users.capacity() * (size_of::<(UserIdx, Note)>() + 1)
            + self.users.values().map(lists).sum::<usize>()
    }
}

impl Note {
    fn is_empty(&self) -> bool {
        self.hidden.is_empty() && self.shown.is_empty()
    }
}

impl Snapshot for Notes {
    fn save(&self, out: &mut Writer) {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_unstable_by_key(|(user, _)| **user);
        out.u32(users.len() as u32);
        for (user, note) in users {
            out.u32(user.0);
            out.u32(note.hidden.len() as u32);
            note.hidden.iter().for_each(|item| out.u32(item.0));
            out.u32(note.shown.len() as u32);
            for shown in &note.shown {
                out.u32(shown.item.0);
                out.u32(shown.times);
                out.i64(shown.since_ms);
            }
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut notes = Self::default();
        for _ in 0..input.count(12)? {
            let user = UserIdx(input.u32()?);
            let mut note = Note::default();
            for _ in 0..input.count(4)? {
                note.hidden.push(ItemIdx(input.u32()?));
            }
            for _ in 0..input.count(16)? {
                let (item, times) = (ItemIdx(input.u32()?), input.u32()?);
                note.shown.push(Shown { item, times, since_ms: input.i64()? });
            }
            if note.hidden.len() > HIDDEN_MAX || note.shown.len() > SHOWN_MAX {
                return Err(SnapshotError::Malformed("notes of a user"));
            }
            notes.users.insert(user, note);
        }
        Ok(notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserIdx = UserIdx(3);
    const FATIGUE: Fatigue = Fatigue { times: 2, window_ms: 100 };

    fn unwanted(notes: &Notes, now_ms: i64) -> Vec<u32> {
        notes.unwanted(USER, now_ms, FATIGUE).map(|item| item.0).collect()
    }

    #[test]
    fn shown_in_vain_is_left_out_for_the_rest_of_the_window() {
        let mut notes = Notes::default();
        let show = |notes: &mut Notes, item, time_ms| notes.show(USER, ItemIdx(item), time_ms, FATIGUE);
        show(&mut notes, 7, 0);
        assert_eq!(unwanted(&notes, 0), [0; 0]);
        show(&mut notes, 7, 50);
        show(&mut notes, 8, 50);
        assert_eq!(unwanted(&notes, 60), [7]);
        assert_eq!(unwanted(&notes, 100), [0; 0], "the window is over");
        show(&mut notes, 7, 100);
        assert_eq!(unwanted(&notes, 100), [0; 0], "and counting began anew");
        show(&mut notes, 7, 110);
        assert_eq!(unwanted(&notes, 110), [7]);
        notes.react(USER, ItemIdx(7), false);
        assert_eq!(unwanted(&notes, 110), [0; 0], "an act ends it");
        assert_eq!(notes.unwanted(UserIdx(4), 0, FATIGUE).count(), 0);
        let off = Fatigue { times: 0, ..FATIGUE };
        (0..5).for_each(|_| notes.show(USER, ItemIdx(9), 120, off));
        assert_eq!(notes.unwanted(USER, 120, off).count(), 0);
    }

    #[test]
    fn hidden_stays_hidden_until_it_is_liked() {
        let mut notes = Notes::default();
        notes.hide(USER, ItemIdx(1));
        notes.hide(USER, ItemIdx(1));
        notes.react(USER, ItemIdx(1), false);
        assert_eq!(unwanted(&notes, 1 << 40), [1]);
        notes.react(USER, ItemIdx(1), true);
        assert_eq!(notes, Notes::default());
    }

    #[test]
    fn bounded_renumbered_forgotten_and_saved() {
        let mut notes = Notes::default();
        for item in 0..3000 {
            notes.hide(USER, ItemIdx(item));
            notes.show(USER, ItemIdx(item), i64::from(item), FATIGUE);
            notes.show(UserIdx(0), ItemIdx(item % 2), 0, FATIGUE);
        }
        assert_eq!(notes.users[&USER].hidden.len(), HIDDEN_MAX);
        assert_eq!(notes.users[&USER].shown.len(), SHOWN_MAX);
        assert!(notes.size_bytes() <= notes.size_bound());
        let mut out = Writer::default();
        notes.save(&mut out);
        assert_eq!(Notes::load(&mut Reader::new(&out.into_bytes())).as_ref(), Ok(&notes));
        // Item 2999 stays as 0, user 3 as 0.
        let last: Vec<i64> = (0..3000).collect();
        notes.renumber_items(&Renumbering::dropping_least(&last[..], 3000));
        assert_eq!(notes, Notes::default());
        notes.hide(USER, ItemIdx(5));
        notes.renumber_users(&Renumbering::dropping_least(&[0, 1, 2, 3], 1));
        assert_eq!(notes.users.keys().copied().collect::<Vec<_>>(), [UserIdx(2)]);
        assert_eq!(notes.count(UserIdx(2)), 1);
        notes.forget(UserIdx(2));
        assert_eq!(notes, Notes::default());
    }
}
