//! A user's last events, oldest out first, and the bare items liked before those.
//!
//! An event that leaves the ring takes its time, action and origin with it. The item it liked stays known a while
//! longer, in 4 bytes: recommending what the user has long had is the most embarrassing answer there is.

use std::collections::VecDeque;

use super::positions::SourceId;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::{ItemIdx, Renumbering};
use crate::ingest::action::ActionId;

/// One event of a user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    /// On what.
    pub item: ItemIdx,
    /// The act.
    pub action: ActionId,
    /// -1, 0 or 1: whether the act, with its rating, spoke against the item, neither, or for it.
    pub sign: i8,
    /// Whether the user came back to the same item later.
    pub superseded: bool,
    /// The stream it came from.
    pub source: SourceId,
    /// The place in that stream.
    pub offset: i64,
    /// When.
    pub time_ms: i64,
}

impl Visit {
    /// Whether it stands in the history of what the user likes.
    pub(crate) fn is_liked(&self) -> bool {
        self.sign > 0 && !self.superseded
    }
}

/// How many liked items are remembered beyond the ring. At the bound, further ones are forgotten.
const OLDER_MAX: usize = 4096;

/// The last events of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ring {
    visits: VecDeque<Visit>,
    /// Items liked before the oldest visit, in order of index.
    older: Vec<ItemIdx>,
}

impl Ring {
    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.visits.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.visits.is_empty()
    }

    /// The events, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Visit> {
        self.visits.iter().rev()
    }

    /// The items liked before the events kept, in order of index.
    pub(crate) fn older(&self) -> &[ItemIdx] {
        &self.older
    }

    /// Marks earlier likes of an item as superseded, and says whether there were any.
    pub(crate) fn supersede(&mut self, item: ItemIdx) -> bool {
        let mut found = self.older.binary_search(&item).is_ok();
        for visit in self.visits.iter_mut().filter(|visit| visit.item == item && visit.sign > 0) {
            visit.superseded = true;
            found = true;
        }
        found
    }

    /// Adds an event, dropping the oldest beyond `max`.
    pub(crate) fn push(&mut self, visit: Visit, max: usize) {
        while self.visits.len() >= max {
            if let Some(oldest) = self.visits.pop_front().filter(|visit| visit.sign > 0) {
                self.remember(oldest.item);
            }
        }
        self.visits.push_back(visit);
    }

    /// The events, oldest first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &Visit> {
        self.visits.iter()
    }

    /// Gives items their new indexes and drops the events on others.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        self.visits.retain_mut(|visit| match renumbering.item(visit.item) {
            Some(new) => {
                visit.item = new;
                true
            }
            None => false,
        });
        self.older = self.older.iter().filter_map(|&item| renumbering.item(item)).collect();
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.visits.capacity() * size_of::<Visit>() + self.older.capacity() * 4
    }

    fn remember(&mut self, item: ItemIdx) {
        if self.older.len() < OLDER_MAX
            && let Err(place) = self.older.binary_search(&item)
        {
            self.older.insert(place, item);
        }
    }
}

impl Snapshot for Ring {
    fn save(&self, out: &mut Writer) {
        out.u32(self.visits.len() as u32);
        for visit in &self.visits {
            out.u32(visit.item.0);
            out.u8(visit.action.0);
            out.u8(visit.sign as u8);
            out.u8(u8::from(visit.superseded));
            out.u16(visit.source.0);
            out.i64(visit.offset);
            out.i64(visit.time_ms);
        }
        out.u32(self.older.len() as u32);
        self.older.iter().for_each(|item| out.u32(item.0));
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let count = input.count(25)?;
        let mut visits = VecDeque::with_capacity(count);
        for _ in 0..count {
            visits.push_back(Visit {
                item: ItemIdx(input.u32()?),
                action: ActionId(input.u8()?),
                sign: input.u8()? as i8,
                superseded: input.u8()? != 0,
                source: SourceId(input.u16()?),
                offset: input.i64()?,
                time_ms: input.i64()?,
            });
        }
        let mut older = Vec::new();
        for _ in 0..input.count(4)? {
            older.push(ItemIdx(input.u32()?));
        }
        Ok(Self { visits, older })
    }
}
