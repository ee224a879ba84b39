//! A user's last events, oldest out first.

use std::collections::VecDeque;

use super::positions::SourceId;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::ItemIdx;
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

/// The last events of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ring {
    visits: VecDeque<Visit>,
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

    /// Marks earlier likes of an item as superseded, and says whether there were any.
    pub(crate) fn supersede(&mut self, item: ItemIdx) -> bool {
        let mut found = false;
        for visit in self.visits.iter_mut().filter(|visit| visit.item == item && visit.sign > 0) {
            visit.superseded = true;
            found = true;
        }
        found
    }

    /// Adds an event, dropping the oldest beyond `max`.
    pub(crate) fn push(&mut self, visit: Visit, max: usize) {
        while self.visits.len() >= max {
            self.visits.pop_front();
        }
        self.visits.push_back(visit);
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.visits.capacity() * size_of::<Visit>()
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
        Ok(Self { visits })
    }
}
