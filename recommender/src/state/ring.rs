//! A user's last events, oldest out first, and the bare items liked before those, packed into one string of bits.
//!
//! A million users of fifty events are what memory goes to, so an event takes as few bits as what is promised of it needs:
//!
//! ```text
//! header │ kinds │ older │ times: gaps, oldest first │ marks, oldest first │ traces, newest first
//!  3 words  what    items       of the events              item and number      of the latest events:
//!           acts    liked       in minutes                 of the kind          record and second
//!           were    before
//! ```
//!
//! | of an event | is kept | for |
//! |---|---|---|
//! | item, in as many bits as the greatest index in the history has | as long as the event | everything |
//! | kind: action, sign, whether the user came back later; a number into the list of those there are, of no bits if there is one | as long | forgetting, ranking |
//! | minute, as the gap to the event before, Golomb coded; a gap of its own says "at the very same time" | as long | forgetting: decayed sums count by the minute |
//! | stream, offset and second; of the newest the millisecond | the latest `TRACES` events, and until the finest windows have passed | evidence, forgetting |
//!
//! An event that leaves takes all of this with it. The item it liked stays known a while longer: recommending what the
//! user has long had is the most embarrassing answer there is.
//!
//! What does not fit the widths at hand — an item of more bits, a kind of act never seen, an event older than the one
//! before it — has the string written anew with wider ones, which happens a few times in the life of a history.

use std::cmp::Ordering;

use super::bits::{Bits, code_bits, order_of, width};
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
    /// The record it came in, of the latest events.
    pub origin: Option<Origin>,
    /// When, up to [`FAR`]; of all but the newest event the second, and of those without origin the minute.
    pub time_ms: i64,
}

/// Where an event stood in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// The stream it came from.
    pub source: SourceId,
    /// The place in that stream, up to [`FAR`].
    pub offset: i64,
}

impl Visit {
    /// Whether it stands in the history of what the user likes.
    pub(crate) fn is_liked(&self) -> bool {
        self.sign > 0 && !self.superseded
    }
}

/// The greatest offset and time that are kept; greater ones count as this. As a time it is the year 10889.
pub const FAR: i64 = (1 << 48) - 1;

/// Most events of a history.
pub const HISTORY_MAX: usize = 5_000;

/// Of how many of a user's latest events the record is known.
pub(crate) const TRACES: usize = 8;

/// For this long an event's second is kept, so that it can be taken back from windows of buckets under a minute, which
/// begin with a second.
const EXACT_MS: i64 = 300_000;

/// Most events whose second is kept on that account.
const TRACES_MAX: usize = 62;

/// How many liked items are remembered beyond the events. At the bound, further ones are forgotten.
const OLDER_MAX: usize = 4096;

/// Indexes of items end below this.
const ITEMS_MAX: u32 = 1 << 28;

/// To what precision times are kept of the latest events.
const SECOND_MS: i64 = 1000;

/// To what precision times are kept.
pub(crate) const MINUTE_MS: i64 = 60_000;

/// No two times are further apart, in minutes, as a number that may have a sign.
const GAP_MAX: u64 = 1 << 34;

const KIND_BITS: u32 = 11;
const SOURCE_BITS: u32 = 16;
const WITHIN_MINUTE_BITS: u32 = 6;
const HEADER_BITS: usize = 3 * 64;

/// Gap codes are tuned anew when a history has grown to these lengths.
const TUNED_AT: [usize; 3] = [4, 16, 64];

/// What is known of an event beside its item and time, as a number: action, for, against, superseded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind(u64);

impl Kind {
    const FOR: u64 = 1 << 8;
    const AGAINST: u64 = 1 << 9;
    const SUPERSEDED: u64 = 1 << 10;

    fn of(visit: &Visit) -> Self {
        let sign = match visit.sign.cmp(&0) {
            Ordering::Greater => Self::FOR,
            Ordering::Equal => 0,
            Ordering::Less => Self::AGAINST,
        };
        Self(u64::from(visit.action.0) | sign | if visit.superseded { Self::SUPERSEDED } else { 0 })
    }

    fn is_for(self) -> bool {
        self.0 & Self::FOR != 0
    }

    fn is_superseded(self) -> bool {
        self.0 & Self::SUPERSEDED != 0
    }

    fn is_liked(self) -> bool {
        self.is_for() && !self.is_superseded()
    }

    fn sign(self) -> i8 {
        i8::from(self.is_for()) - i8::from(self.0 & Self::AGAINST != 0)
    }
}

/// The first three words, unpacked, and where the parts stand that follow from them.
///
/// | word | bits | field |
/// |---|---|---|
/// | 0 | 48, 5, 5, 6 | time of the newest event; bits of an item; order of time gaps; order of offset gaps |
/// | 1 | 48, 16 | offset and source of the newest event |
/// | 2 | 14, 11, 13, 6, 19, 1 | events; kinds; older items; traces; bits of all times; whether gaps have a sign |
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Header {
    newest_ms: i64,
    item_bits: u32,
    time_order: u32,
    offset_order: u32,
    newest: Origin,
    events: usize,
    kinds: usize,
    older: usize,
    /// The newest event's included, which the header holds.
    traces: usize,
    times_bits: usize,
    /// Whether an event may be older than the one before it.
    signed: bool,
}

impl Header {
    fn read(bits: &Bits) -> Self {
        let (zero, one, two) = (bits.get(0, 64), bits.get(64, 64), bits.get(128, 64));
        let field = |word: u64, from: u32, n: u32| word >> from & ((1 << n) - 1);
        Self {
            newest_ms: field(zero, 0, 48) as i64,
            item_bits: field(zero, 48, 5) as u32,
            time_order: field(zero, 53, 5) as u32,
            offset_order: field(zero, 58, 6) as u32,
            newest: Origin { offset: field(one, 0, 48) as i64, source: SourceId((one >> 48) as u16) },
            events: field(two, 0, 14) as usize,
            kinds: field(two, 14, 11) as usize,
            older: field(two, 25, 13) as usize,
            traces: field(two, 38, 6) as usize,
            times_bits: field(two, 44, 19) as usize,
            signed: two >> 63 != 0,
        }
    }

    fn write(&self, bits: &mut Bits) {
        let zero = self.newest_ms as u64
            | u64::from(self.item_bits) << 48
            | u64::from(self.time_order) << 53
            | u64::from(self.offset_order) << 58;
        let two = self.events as u64
            | (self.kinds as u64) << 14
            | (self.older as u64) << 25
            | (self.traces as u64) << 38
            | (self.times_bits as u64) << 44
            | u64::from(self.signed) << 63;
        bits.set(0, 64, zero);
        bits.set(64, 64, self.newest.offset as u64 | u64::from(self.newest.source.0) << 48);
        bits.set(128, 64, two);
    }

    /// Bits of the number of a kind.
    fn kind_bits(&self) -> u32 {
        width(self.kinds.saturating_sub(1) as u64)
    }

    fn mark_bits(&self) -> u32 {
        self.item_bits + self.kind_bits()
    }

    fn older_at(&self) -> usize {
        HEADER_BITS + self.kinds * KIND_BITS as usize
    }

    fn times_at(&self) -> usize {
        self.older_at() + self.older * self.item_bits as usize
    }

    fn marks_at(&self) -> usize {
        self.times_at() + self.times_bits
    }

    fn mark_at(&self, event: usize) -> usize {
        self.marks_at() + event * self.mark_bits() as usize
    }

    fn traces_at(&self) -> usize {
        self.mark_at(self.events)
    }

    /// Whether an item of this index has room.
    fn has_room(&self, item: ItemIdx) -> bool {
        width(u64::from(item.0)) <= self.item_bits
    }

    /// The number that stands for an event at `time_ms` after one at `before_ms`: 0 at the very same time, else one more
    /// than the minutes between.
    fn gap(&self, before_ms: i64, time_ms: i64) -> u64 {
        let minutes = time_ms / MINUTE_MS - before_ms / MINUTE_MS;
        if time_ms == before_ms { 0 } else { 1 + if self.signed { zigzag(minutes) } else { minutes as u64 } }
    }

    /// The minutes that such a number stands for.
    fn minutes(&self, gap: u64) -> i64 {
        let minutes = gap.saturating_sub(1).min(GAP_MAX);
        if self.signed { unzigzag(minutes) } else { minutes as i64 }
    }
}

/// The last events of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ring {
    bits: Bits,
}

impl Ring {
    /// How many events are kept.
    pub fn len(&self) -> usize {
        Header::read(&self.bits).events
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = Visit> {
        self.unpacked().into_iter()
    }

    /// The events, oldest first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = Visit> {
        self.unpacked().into_iter().rev()
    }

    /// The distinct items of the history of what the user likes, newest first.
    pub(crate) fn liked(&self) -> impl Iterator<Item = ItemIdx> {
        self.marks().filter(|(_, kind)| kind.is_liked()).map(|(item, _)| item)
    }

    /// The same, each with its time in ms since 1970: exact, or the second or minute it was in.
    pub(crate) fn liked_at(&self) -> impl Iterator<Item = (ItemIdx, i64)> {
        self.newest_first().filter(Visit::is_liked).map(|visit| (visit.item, visit.time_ms))
    }

    /// The items acted on, newest first, each with the sign of the act.
    pub(crate) fn signs(&self) -> impl Iterator<Item = (ItemIdx, i8)> {
        self.marks().map(|(item, kind)| (item, kind.sign()))
    }

    /// Touches the words, so that they are in cache.
    pub(crate) fn touch(&self) -> u64 {
        self.bits.touch()
    }

    /// The items liked before the events kept, in order of index.
    pub(crate) fn older(&self) -> impl Iterator<Item = ItemIdx> {
        let header = Header::read(&self.bits);
        (0..header.older).map(move |place| self.older_of(&header, place))
    }

    /// Whether an item was liked before the events kept.
    pub(crate) fn is_older(&self, item: ItemIdx) -> bool {
        self.find_older(&Header::read(&self.bits), item).is_ok()
    }

    /// Marks earlier likes of an item as superseded, and says whether there were any.
    pub(crate) fn supersede(&mut self, item: ItemIdx) -> bool {
        let header = Header::read(&self.bits);
        let mut found = self.find_older(&header, item).is_ok();
        let (mut at, wide) = (header.marks_at(), header.mark_bits());
        let own = u64::from(item.0);
        for event in 0..header.events {
            let mark = self.bits.get(at, wide);
            at += wide as usize;
            if mark & ((1 << header.item_bits) - 1) != own {
                continue;
            }
            let kind = self.kind(mark >> header.item_bits);
            found |= kind.is_for();
            if kind.is_liked() {
                self.change_kind(event, Kind(kind.0 | Kind::SUPERSEDED));
                // No other of its likes stands, and where marks are may have changed.
                return true;
            }
        }
        found
    }

    /// Adds an event, dropping the oldest beyond `max`. `now_ms`: the newest time there is, of any user.
    pub(crate) fn push(&mut self, visit: &Visit, max: usize, now_ms: i64) {
        let visit = Visit { time_ms: visit.time_ms.clamp(0, FAR), ..*visit };
        let mut header = Header::read(&self.bits);
        while header.events >= max.clamp(1, HISTORY_MAX) {
            self.drop_oldest(&mut header);
        }
        let late = visit.time_ms / MINUTE_MS < header.newest_ms / MINUTE_MS && header.events > 0;
        let tuned = TUNED_AT.contains(&(header.events + 1));
        if header.events == 0 || late && !header.signed || tuned || !header.has_room(visit.item) {
            let mut visits = self.unpacked();
            visits.insert(0, visit);
            let older: Vec<ItemIdx> = self.older().collect();
            *self = Self::packed(&visits, &older);
        } else {
            self.append(header, &visit);
        }
        self.drop_traces(now_ms);
    }

    /// Gives items their new indexes and drops the events on others.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        if Header::read(&self.bits) == Header::default() {
            return;
        }
        if self.renumber_in_place(renumbering) {
            return;
        }
        let renumbered = |visit: Visit| renumbering.item(visit.item).map(|item| Visit { item, ..visit });
        let visits: Vec<Visit> = self.newest_first().filter_map(renumbered).collect();
        let older: Vec<ItemIdx> = self.older().filter_map(|item| renumbering.item(item)).collect();
        *self = Self::packed(&visits, &older);
    }

    /// The same where none is dropped, which leaves all else where it was: indexes only become less. False: some are.
    fn renumber_in_place(&mut self, renumbering: &Renumbering) -> bool {
        let header = Header::read(&self.bits);
        let older = (0..header.older).map(|place| header.older_at() + place * header.item_bits as usize);
        let places = older.chain((0..header.events).map(|event| header.mark_at(event)));
        let item = |bits: &Bits, at| ItemIdx(bits.get(at, header.item_bits) as u32);
        if places.clone().any(|at| renumbering.item(item(&self.bits, at)).is_none()) {
            return false;
        }
        for at in places {
            if let Some(new) = renumbering.item(item(&self.bits, at)) {
                self.bits.set(at, header.item_bits, u64::from(new.0));
            }
        }
        true
    }

    /// Bytes held, which follow from what is kept.
    pub(crate) fn size_bytes(&self) -> usize {
        self.bits.size_bytes()
    }

    /// Items and kinds, newest first.
    fn marks(&self) -> impl Iterator<Item = (ItemIdx, Kind)> {
        let header = Header::read(&self.bits);
        let (marks_at, wide) = (header.marks_at(), header.mark_bits());
        let only = self.kind(0);
        (0..header.events).rev().map(move |event| {
            let mark = self.bits.get(marks_at + event * wide as usize, wide);
            let item = ItemIdx((mark & ((1 << header.item_bits) - 1)) as u32);
            let kind = if header.kinds > 1 { self.kind(mark >> header.item_bits) } else { only };
            (item, kind)
        })
    }

    fn kind(&self, number: u64) -> Kind {
        Kind(self.bits.get(HEADER_BITS + number as usize * KIND_BITS as usize, KIND_BITS))
    }

    fn older_of(&self, header: &Header, place: usize) -> ItemIdx {
        let at = header.older_at() + place * header.item_bits as usize;
        ItemIdx(self.bits.get(at, header.item_bits) as u32)
    }

    /// Where an item stands among the older ones, or would.
    fn find_older(&self, header: &Header, item: ItemIdx) -> Result<usize, usize> {
        let (mut from, mut to) = (0, header.older);
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.older_of(header, middle).cmp(&item) {
                Ordering::Less => from = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    fn change_kind(&mut self, event: usize, kind: Kind) {
        let mut header = Header::read(&self.bits);
        let number = self.number_of(&mut header, kind);
        header.write(&mut self.bits);
        self.bits.set(header.mark_at(event) + header.item_bits as usize, header.kind_bits(), number);
    }

    /// The number of a kind, which is listed if it was not.
    fn number_of(&mut self, header: &mut Header, kind: Kind) -> u64 {
        if let Some(number) = (0..header.kinds as u64).find(|&number| self.kind(number) == kind) {
            return number;
        }
        let before = *header;
        let mut end = self.end(header);
        end = self.bits.insert(header.older_at(), KIND_BITS, kind.0, end);
        header.kinds += 1;
        if header.kind_bits() > before.kind_bits() {
            // From the newest on, so that those still to widen stand where they stood.
            for event in (0..header.events).rev() {
                let at = header.marks_at() + (event + 1) * before.mark_bits() as usize;
                end = self.bits.insert(at, 1, 0, end);
            }
        }
        header.kinds as u64 - 1
    }

    /// Where the last trace ends.
    fn end(&self, header: &Header) -> usize {
        let mut at = header.traces_at();
        for _ in 1..header.traces {
            at = self.trace(header, at).1;
        }
        at
    }

    fn append(&mut self, mut header: Header, visit: &Visit) {
        let number = self.number_of(&mut header, Kind::of(visit));
        let mut end = self.end(&header);
        let gap = header.gap(header.newest_ms, visit.time_ms);
        end = self.bits.insert_code(header.marks_at(), header.time_order, gap, end);
        header.times_bits += code_bits(header.time_order, gap);
        let mark = u64::from(visit.item.0) | number << header.item_bits;
        end = self.bits.insert(header.traces_at(), header.mark_bits(), mark, end);
        header.events += 1;
        let origin = visit.origin.unwrap_or_default();
        if header.traces > 0 {
            self.add_trace(&header, header.traces_at(), header.newest_ms, header.newest, origin, end);
        }
        header.traces += 1;
        header.newest_ms = visit.time_ms;
        header.newest = clamped(origin);
        header.write(&mut self.bits);
    }

    /// Puts the trace of an event in place, told from that of the event after it. The new end.
    fn add_trace(
        &mut self,
        header: &Header,
        at: usize,
        time_ms: i64,
        own: Origin,
        after: Origin,
        end: usize,
    ) -> usize {
        let (own, after) = (clamped(own), clamped(after));
        let gap = zigzag(after.offset - own.offset);
        let mut end = self.bits.insert_code(at, header.offset_order, gap, end);
        match own.source == after.source {
            true => end = self.bits.insert(at, 1, 0, end),
            false => {
                end = self.bits.insert(at, SOURCE_BITS + 1, u64::from(own.source.0) << 1 | 1, end);
            }
        }
        self.bits.insert(at, WITHIN_MINUTE_BITS, (time_ms % MINUTE_MS / SECOND_MS) as u64, end)
    }

    /// The trace at `at` — the time within its minute, the source if it is another, the gap of offsets — and its end.
    fn trace(&self, header: &Header, at: usize) -> ((i64, Option<SourceId>, i64), usize) {
        let within_ms = self.bits.get(at, WITHIN_MINUTE_BITS) as i64 * SECOND_MS;
        let mut at = at + WITHIN_MINUTE_BITS as usize;
        let other = self.bits.get(at, SOURCE_BITS + 1);
        let source = (other & 1 == 1).then_some(SourceId((other >> 1) as u16));
        at += if source.is_some() { SOURCE_BITS as usize + 1 } else { 1 };
        let (gap, next) = self.bits.get_code(at, header.offset_order);
        ((within_ms, source, unzigzag(gap)), next)
    }

    fn drop_oldest(&mut self, header: &mut Header) {
        if header.events <= 1 {
            let (visits, mut older) = (self.unpacked(), self.older().collect::<Vec<_>>());
            for liked in visits.iter().filter(|visit| visit.sign > 0) {
                if let (Err(place), true) = (older.binary_search(&liked.item), older.len() < OLDER_MAX) {
                    older.insert(place, liked.item);
                }
            }
            *self = Self::packed(&[], &older);
            *header = Header::read(&self.bits);
            return;
        }
        let mut end = self.end(header);
        if header.traces == header.events {
            end = self.drop_last_trace(header, end);
        }
        let mark = self.bits.get(header.marks_at(), header.mark_bits());
        let item = ItemIdx((mark & ((1 << header.item_bits) - 1)) as u32);
        let liked = self.kind(mark >> header.item_bits).is_for();
        end = self.bits.remove(header.marks_at(), header.mark_bits(), end);
        header.events -= 1;
        let (_, next) = self.bits.get_code(header.times_at(), header.time_order);
        let mut left = next - header.times_at();
        header.times_bits -= left;
        while left > 0 {
            let now = left.min(63);
            end = self.bits.remove(header.times_at(), now as u32, end);
            left -= now;
        }
        if let (Err(place), true) = (self.find_older(header, item), liked && header.older < OLDER_MAX) {
            let at = header.older_at() + place * header.item_bits as usize;
            self.bits.insert(at, header.item_bits, u64::from(item.0), end);
            header.older += 1;
        }
        header.write(&mut self.bits);
    }

    /// Drops the traces that nothing needs any more.
    fn drop_traces(&mut self, now_ms: i64) {
        let mut header = Header::read(&self.bits);
        if header.traces <= TRACES {
            return;
        }
        let times: Vec<i64> = self.times(&header);
        let mut end = self.end(&header);
        while header.traces > TRACES
            && (header.traces > TRACES_MAX || times[header.traces - 1] + MINUTE_MS <= now_ms - EXACT_MS)
        {
            end = self.drop_last_trace(&mut header, end);
        }
        header.write(&mut self.bits);
    }

    fn drop_last_trace(&mut self, header: &mut Header, end: usize) -> usize {
        let kept = Header { traces: header.traces - 1, ..*header };
        let (from, mut to) = (self.end(&kept), end);
        header.traces -= 1;
        while to > from {
            let now = (to - from).min(63);
            to = self.bits.remove(to - now, now as u32, to);
        }
        from
    }

    /// Where the gaps of the times end.
    fn times_end(&self, header: &Header) -> usize {
        (1..header.events).fold(header.times_at(), |at, _| self.bits.get_code(at, header.time_order).1)
    }

    /// The times of the events, newest first, to the minute but for those known better.
    fn times(&self, header: &Header) -> Vec<i64> {
        let mut gaps = Vec::with_capacity(header.events);
        let mut at = header.times_at();
        for _ in 1..header.events {
            let (gap, next) = self.bits.get_code(at, header.time_order);
            gaps.push(gap);
            at = next;
        }
        let mut times = Vec::with_capacity(header.events);
        let mut trace_at = header.traces_at();
        let mut time_ms = header.newest_ms;
        times.push(time_ms);
        for (place, &gap) in (1..).zip(gaps.iter().rev()) {
            if gap > 0 {
                let minute = (time_ms / MINUTE_MS - header.minutes(gap)) * MINUTE_MS;
                time_ms = minute.max(0);
            }
            if place < header.traces {
                let ((within_ms, ..), next) = self.trace(header, trace_at);
                trace_at = next;
                if gap > 0 {
                    time_ms += within_ms;
                }
            }
            times.push(time_ms);
        }
        times.truncate(header.events);
        times
    }

    /// Everything, newest first.
    fn unpacked(&self) -> Vec<Visit> {
        let header = Header::read(&self.bits);
        let mut visits: Vec<Visit> = Vec::with_capacity(header.events + 1);
        let mut origin = header.newest;
        let mut trace_at = header.traces_at();
        for ((place, (item, kind)), time_ms) in (0..).zip(self.marks()).zip(self.times(&header)) {
            if place > 0 && place < header.traces {
                let ((_, source, gap), next) = self.trace(&header, trace_at);
                origin = Origin {
                    source: source.unwrap_or(origin.source),
                    offset: origin.offset.wrapping_sub(gap),
                };
                trace_at = next;
            }
            visits.push(Visit {
                item,
                action: ActionId(kind.0 as u8),
                sign: kind.sign(),
                superseded: kind.is_superseded(),
                origin: (place < header.traces).then_some(origin),
                time_ms,
            });
        }
        visits
    }

    /// A history of these events, newest first, in the widths that suit them.
    fn packed(visits: &[Visit], older: &[ItemIdx]) -> Self {
        let mut ring = Self::default();
        if visits.is_empty() && older.is_empty() {
            return ring;
        }
        let items = visits.iter().map(|visit| visit.item).chain(older.iter().copied());
        let mut kinds: Vec<Kind> = Vec::new();
        for kind in visits.iter().rev().map(Kind::of) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let mut header = Header {
            item_bits: width(u64::from(items.map(|item| item.0).max().unwrap_or(0))).max(1),
            kinds: kinds.len(),
            older: older.len(),
            signed: visits.windows(2).any(|two| two[0].time_ms / MINUTE_MS < two[1].time_ms / MINUTE_MS),
            ..Header::default()
        };
        let mut end = ring.bits.insert(0, 63, 0, 0);
        end = ring.bits.insert(end, 63, 0, end);
        end = ring.bits.insert(end, 63, 0, end);
        end = ring.bits.insert(end, 3, 0, end);
        for kind in &kinds {
            end = ring.bits.insert(end, KIND_BITS, kind.0, end);
        }
        for item in older {
            end = ring.bits.insert(end, header.item_bits, u64::from(item.0), end);
        }
        let gap = |two: &[Visit]| header.gap(two[1].time_ms, two[0].time_ms);
        header.time_order = order_of(median(visits.windows(2).map(gap).collect())).min(31);
        let origins: Vec<Origin> = visits.iter().map_while(|visit| visit.origin).collect();
        let apart = |two: &[Origin]| zigzag(clamped(two[0]).offset - clamped(two[1]).offset);
        header.offset_order = order_of(median(origins.windows(2).map(apart).collect()));
        let Some(newest) = visits.first() else {
            header.write(&mut ring.bits);
            return ring;
        };
        for two in visits.windows(2).rev() {
            let gap = header.gap(two[1].time_ms, two[0].time_ms);
            end = ring.bits.insert_code(end, header.time_order, gap, end);
        }
        header.times_bits = end - header.times_at();
        for visit in visits.iter().rev() {
            let number = kinds.iter().position(|kind| *kind == Kind::of(visit)).unwrap_or(0) as u64;
            let mark = u64::from(visit.item.0) | number << header.item_bits;
            end = ring.bits.insert(end, header.mark_bits(), mark, end);
        }
        header.events = visits.len();
        for (two, visit) in origins.windows(2).zip(&visits[1..]) {
            end = ring.add_trace(&header, end, visit.time_ms, two[1], two[0], end);
        }
        header.traces = origins.len();
        header.newest_ms = newest.time_ms;
        header.newest = clamped(newest.origin.unwrap_or_default());
        header.write(&mut ring.bits);
        ring
    }
}

fn clamped(origin: Origin) -> Origin {
    Origin { offset: origin.offset.clamp(0, FAR), ..origin }
}

fn median(mut values: Vec<u64>) -> u64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0 } else { *values.select_nth_unstable(middle).1 }
}

/// Small numbers of either sign as small numbers.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl Snapshot for Ring {
    fn save(&self, out: &mut Writer) {
        self.bits.save(out);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (bits, room) = Bits::load(input)?;
        let ring = Self { bits };
        if room == 0 {
            return Ok(ring);
        }
        let header = Header::read(&ring.bits);
        let fits = header.events <= HISTORY_MAX
            && header.older <= OLDER_MAX
            && header.item_bits <= width(u64::from(ITEMS_MAX - 1))
            && header.traces <= header.events
            && header.traces_at() <= room
            && ring.end(&header) <= room
            && header.time_order < 32
            && header.offset_order < 56
            && ring.times_end(&header) == header.marks_at();
        if !fits {
            return Err(SnapshotError::Malformed("a history"));
        }
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn visit(item: u32, sign: i8, time_ms: i64) -> Visit {
        let origin = Some(Origin { source: SourceId(7), offset: time_ms * 3 });
        Visit { item: ItemIdx(item), action: ActionId(3), sign, superseded: false, origin, time_ms }
    }

    fn push(ring: &mut Ring, visit: Visit, max: usize) {
        ring.push(&visit, max, visit.time_ms);
    }

    #[test]
    fn an_event_comes_back_as_it_went_in() {
        let mut ring = Ring::default();
        let visits = [
            visit(0, 1, 0),
            visit(ITEMS_MAX - 1, -1, FAR / 3000 * 1000),
            visit(5, 0, 1000 << 30),
            visit(6, 1, 777 << 20),
        ];
        visits.iter().for_each(|&visit| push(&mut ring, visit, 10));
        assert!(ring.oldest_first().eq(visits));
        assert!(ring.newest_first().eq(visits.into_iter().rev()));
        push(&mut ring, visit(1, 1, FAR), 10);
        let newest = ring.newest_first().next().unwrap();
        assert_eq!((newest.origin.unwrap().offset, newest.time_ms), (FAR, FAR));
    }

    #[test]
    fn coming_back_supersedes_and_what_falls_out_is_remembered() {
        let mut ring = Ring::default();
        for (n, item) in (0..).zip([9, 8, 9, 7]) {
            assert_eq!(ring.supersede(ItemIdx(item)), n == 2);
            push(&mut ring, visit(item, 1, n * SECOND_MS), 3);
        }
        assert!(ring.liked().eq([7, 9, 8].map(ItemIdx)));
        assert!(ring.liked_at().eq([(ItemIdx(7), 3000), (ItemIdx(9), 2000), (ItemIdx(8), 1000)]));
        assert_eq!(ring.len(), 3);
        assert!(ring.older().eq([ItemIdx(9)]) && ring.is_older(ItemIdx(9)) && !ring.is_older(ItemIdx(8)));
        push(&mut ring, visit(6, -1, 5005), 3);
        assert!(ring.signs().eq([(ItemIdx(6), -1), (ItemIdx(7), 1), (ItemIdx(9), 1)]));
        let renumbering = Renumbering::dropping_least(&[9, 9, 9, 9, 9, 9, 9, 0, 0, 9], 2);
        ring.renumber(&renumbering);
        assert!(ring.signs().eq([(ItemIdx(6), -1), (ItemIdx(7), 1)]));
        assert_eq!(ring.newest_first().map(|visit| visit.time_ms).collect::<Vec<_>>(), [5005, 2000]);
        assert!(ring.older().eq([ItemIdx(7)]));
    }

    #[test]
    fn an_event_that_has_passed_takes_few_bytes() {
        let mut ring = Ring::default();
        for n in 0..50u32 {
            push(
                &mut ring,
                visit(n.wrapping_mul(2_654_435_761) % 100_000, 1, i64::from(n) * 50_000_000),
                100,
            );
        }
        assert_eq!(ring.newest_first().filter(|visit| visit.origin.is_some()).count(), TRACES);
        // 17 bits of item and 11 of time each, a header of 24 bytes, eight traces of some 5 bytes.
        assert!(ring.size_bytes() <= 250, "{}", ring.size_bytes());
    }

    #[test]
    fn within_minutes_every_second_is_known_and_later_the_minute_is() {
        let mut ring = Ring::default();
        let times: Vec<i64> = (0..40).map(|n| 1_700_000_000_000 + n * 7_001).collect();
        times.iter().for_each(|&time_ms| push(&mut ring, visit(1, 1, time_ms), 100));
        let floor = |time_ms: &i64, unit: i64| time_ms / unit * unit;
        let seconds: Vec<i64> = times.iter().map(|time_ms| floor(time_ms, SECOND_MS)).collect();
        let kept: Vec<i64> = ring.oldest_first().map(|visit| visit.time_ms).collect();
        assert!(kept[..39] == seconds[..39] && kept[39] == times[39], "the newest to the millisecond");
        push(&mut ring, visit(2, 1, times[39] + 2 * EXACT_MS), 100);
        let kept: Vec<i64> = ring.oldest_first().map(|visit| visit.time_ms).collect();
        assert!(kept[33..40] == seconds[33..], "the latest");
        assert!(kept[..33].iter().zip(&times).all(|(&kept, time)| kept == floor(time, MINUTE_MS)));
    }

    proptest! {
        /// What a plain list of events would say, whatever comes: items, kinds, minutes, order, evidence.
        #[test]
        fn as_a_list_of_events(
            acts in prop::collection::vec(
                (0u32..300, -1i8..2, 0u8..20, 0u16..3, -400_000i64..9_000_000, any::<bool>()), 1..120),
            max in 1usize..70,
        ) {
            let (mut ring, mut list) = (Ring::default(), Vec::<Visit>::new());
            let (mut older, mut now) = (std::collections::BTreeSet::new(), 1_700_000_000_000i64);
            let mut newest = now;
            for (n, (item, sign, action, source, step, same)) in (0..).zip(acts) {
                now = if same { now } else { (now + step).max(0) };
                newest = newest.max(now);
                let item = ItemIdx(item * item);
                let origin = Some(Origin { source: SourceId(source), offset: 1_000_000 + n * 17 });
                let visit = Visit { item, action: ActionId(action), sign, superseded: false, origin, time_ms: now };
                if sign > 0 {
                    let mut known = older.contains(&item);
                    for like in list.iter_mut().filter(|like| like.item == item && like.sign > 0) {
                        like.superseded = true;
                        known = true;
                    }
                    prop_assert_eq!(ring.supersede(item), known);
                }
                ring.push(&visit, max, newest);
                list.push(visit);
                while list.len() > max {
                    let gone = list.remove(0);
                    if gone.sign > 0 {
                        older.insert(gone.item);
                    }
                }
                let kept: Vec<Visit> = ring.oldest_first().collect();
                prop_assert_eq!(kept.len(), list.len());
                for (back, (kept, told)) in kept.iter().rev().zip(list.iter().rev()).enumerate() {
                    let floor = |time_ms: i64| time_ms / MINUTE_MS;
                    prop_assert_eq!(floor(kept.time_ms), floor(told.time_ms));
                    let exact = back < TRACES || told.time_ms > newest - EXACT_MS && back < TRACES_MAX;
                    // To the second; to the millisecond the newest, and those at the very same time.
                    let second = back > 0 && kept.time_ms == told.time_ms / SECOND_MS * SECOND_MS;
                    prop_assert!(!exact || kept.origin == told.origin && (second || kept.time_ms == told.time_ms));
                    let rest = Visit { time_ms: told.time_ms, origin: told.origin, ..*kept };
                    prop_assert_eq!(&rest, told);
                }
                prop_assert!(ring.older().eq(older.iter().copied()));
            }
            let mut out = Writer::default();
            ring.save(&mut out);
            let bytes = out.into_bytes();
            prop_assert_eq!(Ring::load(&mut Reader::new(&bytes)).unwrap(), ring);
        }

        /// A snapshot that nobody wrote is refused or read, and never panics.
        #[test]
        fn no_words_break_it(words in prop::collection::vec(any::<u64>(), 0..12), max in 1usize..5) {
            let mut out = Writer::default();
            out.u32(words.len() as u32);
            words.iter().for_each(|&word| out.u64(word));
            let bytes = out.into_bytes();
            if let Ok(mut ring) = Ring::load(&mut Reader::new(&bytes)) {
                let _ = ring.newest_first().count();
                ring.push(&visit(1, 1, 5), max, 5);
            }
        }
    }
}
