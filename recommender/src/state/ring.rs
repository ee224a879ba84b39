//! A user's last events, oldest out first, and the bare items liked before those.
//!
//! An event that leaves the ring takes its time, action and origin with it. The item it liked stays known a while
//! longer, in 4 bytes: recommending what the user has long had is the most embarrassing answer there is.
//!
//! ```text
//! marks   item + what became of it   4 bytes an event    what learning and ranking walk over
//! traces  action, origin, time      16 bytes an event    what evidence and forgetting look up
//! ```

use std::collections::VecDeque;

use super::memory::doubling;
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
    /// The place in that stream, up to [`FAR`].
    pub offset: i64,
    /// When, up to [`FAR`].
    pub time_ms: i64,
}

impl Visit {
    /// Whether it stands in the history of what the user likes.
    pub(crate) fn is_liked(&self) -> bool {
        self.sign > 0 && !self.superseded
    }
}

/// The greatest offset and time that are kept; greater ones count as this. As a time it is the year 10889.
pub const FAR: i64 = (1 << 48) - 1;

/// How many liked items are remembered beyond the ring. At the bound, further ones are forgotten.
const OLDER_MAX: usize = 4096;

/// Indexes of items end below this.
const ITEMS_MAX: u32 = 1 << 28;

/// An item, and above its index what the event said of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark(u32);

impl Mark {
    const LIKED: u32 = 1 << 31;
    const FOR: u32 = 1 << 30;
    const AGAINST: u32 = 1 << 29;

    fn of(visit: &Visit) -> Self {
        let mut mark = visit.item.0;
        if visit.is_liked() {
            mark |= Self::LIKED;
        }
        match visit.sign {
            1.. => mark |= Self::FOR,
            0 => {}
            ..0 => mark |= Self::AGAINST,
        }
        Self(mark)
    }

    fn item(self) -> ItemIdx {
        ItemIdx(self.0 & (ITEMS_MAX - 1))
    }

    fn is_liked(self) -> bool {
        self.0 & Self::LIKED != 0
    }

    fn sign(self) -> i8 {
        i8::from(self.0 & Self::FOR != 0) - i8::from(self.0 & Self::AGAINST != 0)
    }

    fn with_item(self, item: ItemIdx) -> Self {
        Self(self.0 & !(ITEMS_MAX - 1) | item.0)
    }
}

/// The rest of an event; offset and time in 48 bits each.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Trace {
    offset_low: u32,
    time_low: u32,
    offset_high: u16,
    time_high: u16,
    source: SourceId,
    action: ActionId,
}

impl Trace {
    fn of(visit: &Visit) -> Self {
        let (offset, time) = (visit.offset.clamp(0, FAR), visit.time_ms.clamp(0, FAR));
        Self {
            offset_low: offset as u32,
            time_low: time as u32,
            offset_high: (offset >> 32) as u16,
            time_high: (time >> 32) as u16,
            source: visit.source,
            action: visit.action,
        }
    }

    fn time_ms(self) -> i64 {
        i64::from(self.time_high) << 32 | i64::from(self.time_low)
    }

    fn visit(self, mark: Mark) -> Visit {
        Visit {
            item: mark.item(),
            action: self.action,
            sign: mark.sign(),
            superseded: mark.sign() > 0 && !mark.is_liked(),
            source: self.source,
            offset: i64::from(self.offset_high) << 32 | i64::from(self.offset_low),
            time_ms: self.time_ms(),
        }
    }
}

/// The last events of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ring {
    marks: VecDeque<Mark>,
    traces: VecDeque<Trace>,
    /// Items liked before the oldest event, in order of index.
    older: Vec<ItemIdx>,
}

impl Ring {
    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The events, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = Visit> {
        self.marks.iter().zip(&self.traces).rev().map(|(&mark, trace)| trace.visit(mark))
    }

    /// The distinct items of the history of what the user likes, newest first.
    pub(crate) fn liked(&self) -> impl Iterator<Item = ItemIdx> {
        self.marks.iter().rev().filter(|mark| mark.is_liked()).map(|mark| mark.item())
    }

    /// The same, each with its time in ms since 1970.
    pub(crate) fn liked_at(&self) -> impl Iterator<Item = (ItemIdx, i64)> {
        let both = self.marks.iter().zip(&self.traces).rev();
        both.filter(|(mark, _)| mark.is_liked()).map(|(mark, trace)| (mark.item(), trace.time_ms()))
    }

    /// The items acted on, newest first, each with the sign of the act.
    pub(crate) fn signs(&self) -> impl Iterator<Item = (ItemIdx, i8)> {
        self.marks.iter().rev().map(|mark| (mark.item(), mark.sign()))
    }

    /// Something of the newest event, for the sake of having it in cache.
    pub(crate) fn first_word(&self) -> u32 {
        self.marks.back().map_or(0, |mark| mark.0)
    }

    /// The items liked before the events kept, in order of index.
    pub(crate) fn older(&self) -> &[ItemIdx] {
        &self.older
    }

    /// Marks earlier likes of an item as superseded, and says whether there were any.
    pub(crate) fn supersede(&mut self, item: ItemIdx) -> bool {
        let mut found = self.older.binary_search(&item).is_ok();
        for mark in self.marks.iter_mut().filter(|mark| mark.item() == item && mark.sign() > 0) {
            mark.0 &= !Mark::LIKED;
            found = true;
        }
        found
    }

    /// Adds an event, dropping the oldest beyond `max`.
    pub(crate) fn push(&mut self, visit: Visit, max: usize) {
        while self.marks.len() >= max {
            self.traces.pop_front();
            if let Some(oldest) = self.marks.pop_front().filter(|mark| mark.sign() > 0) {
                self.remember(oldest.item());
            }
        }
        self.make_room(max);
        self.marks.push_back(Mark::of(&visit));
        self.traces.push_back(Trace::of(&visit));
    }

    /// The events, oldest first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = Visit> {
        self.marks.iter().zip(&self.traces).map(|(&mark, trace)| trace.visit(mark))
    }

    /// Gives items their new indexes and drops the events on others.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        let kept = |mark: &Mark| renumbering.item(mark.item());
        let mut marks = self.marks.iter();
        self.traces.retain(|_| marks.next().and_then(kept).is_some());
        self.marks.retain_mut(|mark| match kept(mark) {
            Some(new) => {
                *mark = mark.with_item(new);
                true
            }
            None => false,
        });
        self.marks.shrink_to(most_room(self.marks.len()));
        self.traces.shrink_to(most_room(self.traces.len()));
        self.older.retain_mut(|item| match renumbering.item(*item) {
            Some(new) => {
                *item = new;
                true
            }
            None => false,
        });
        self.older.shrink_to(2 * self.older.len());
    }

    /// Most bytes that so many events may take.
    pub(crate) fn size_bound(&self) -> usize {
        most_room(self.len()) * (size_of::<Mark>() + size_of::<Trace>())
            + doubling::<ItemIdx>(self.older.len())
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.marks.capacity() * size_of::<Mark>()
            + self.traces.capacity() * size_of::<Trace>()
            + self.older.capacity() * 4
    }

    /// Makes room for one more event: half as much again as there is, where doubling would leave a third of a
    /// million rings empty.
    fn make_room(&mut self, max: usize) {
        let length = self.marks.len();
        if length == self.marks.capacity() || length == self.traces.capacity() {
            let more = (length / 2).clamp(4, max.saturating_sub(length).max(4));
            self.marks.reserve_exact(more);
            self.traces.reserve_exact(more);
        }
    }

    fn remember(&mut self, item: ItemIdx) {
        if self.older.len() < OLDER_MAX
            && let Err(place) = self.older.binary_search(&item)
        {
            self.older.insert(place, item);
        }
    }
}

/// For how many events there is room at most where there are so many: see [`Ring::make_room`].
fn most_room(events: usize) -> usize {
    (events + events / 2).max(events + 4)
}

impl Snapshot for Ring {
    fn save(&self, out: &mut Writer) {
        out.u32(self.marks.len() as u32);
        for visit in self.oldest_first() {
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
        let mut ring = Self::default();
        ring.marks.reserve_exact(count);
        ring.traces.reserve_exact(count);
        for _ in 0..count {
            let visit = Visit {
                item: ItemIdx(input.u32()?),
                action: ActionId(input.u8()?),
                sign: input.u8()? as i8,
                superseded: input.u8()? != 0,
                source: SourceId(input.u16()?),
                offset: input.i64()?,
                time_ms: input.i64()?,
            };
            if visit.item.0 >= ITEMS_MAX {
                return Err(SnapshotError::Malformed("item of a history"));
            }
            ring.marks.push_back(Mark::of(&visit));
            ring.traces.push_back(Trace::of(&visit));
        }
        for _ in 0..input.count(4)? {
            ring.older.push(ItemIdx(input.u32()?));
        }
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(item: u32, sign: i8, time_ms: i64) -> Visit {
        let (action, source) = (ActionId(3), SourceId(7));
        Visit { item: ItemIdx(item), action, sign, superseded: false, source, offset: time_ms * 3, time_ms }
    }

    #[test]
    fn an_event_comes_back_as_it_went_in() {
        let mut ring = Ring::default();
        let visits =
            [visit(0, 1, 0), visit(ITEMS_MAX - 1, -1, FAR / 3), visit(5, 0, 1 << 40), visit(6, 1, 1 << 32)];
        visits.iter().for_each(|&visit| ring.push(visit, 10));
        assert!(ring.oldest_first().eq(visits));
        assert!(ring.newest_first().eq(visits.into_iter().rev()));
        ring.push(visit(1, 1, FAR), 10);
        assert_eq!(ring.newest_first().next().map(|visit| (visit.offset, visit.time_ms)), Some((FAR, FAR)));
    }

    #[test]
    fn coming_back_supersedes_and_what_falls_out_is_remembered() {
        let mut ring = Ring::default();
        for (n, item) in (0..).zip([9, 8, 9, 7]) {
            assert_eq!(ring.supersede(ItemIdx(item)), n == 2);
            ring.push(visit(item, 1, n), 3);
        }
        assert!(ring.liked().eq([7, 9, 8].map(ItemIdx)));
        assert!(ring.liked_at().eq([(ItemIdx(7), 3), (ItemIdx(9), 2), (ItemIdx(8), 1)]));
        assert_eq!((ring.len(), ring.older()), (3, &[ItemIdx(9)][..]));
        ring.push(visit(6, -1, 5), 3);
        assert!(ring.signs().eq([(ItemIdx(6), -1), (ItemIdx(7), 1), (ItemIdx(9), 1)]));
        let renumbering = Renumbering::dropping_least(&[9, 9, 9, 9, 9, 9, 9, 0, 0, 9], 5);
        ring.renumber(&renumbering);
        assert!(ring.signs().eq([(ItemIdx(6), -1), (ItemIdx(7), 1)]));
        assert_eq!(ring.newest_first().map(|visit| visit.time_ms).collect::<Vec<_>>(), [5, 2]);
        assert_eq!(ring.older(), [ItemIdx(7)]);
    }
}
