//! What people of an age band and gender come to: how a user without a history is known a little.
//!
//! ```text
//! counts[segment][item] = users of the segment who came to the item        people[segment] = users with any
//! ```
//!
//! Each user counts in one segment, that of its attributes now; when they change, its items move with it. Users without
//! attributes count in none and cost nothing.
//!
//! For a user of a segment, what is hot is weighed by how much more the segment takes it than everyone does:
//!
//! ```text
//! s'(x) = s(x) · (c_x + 20·p_x) / ((n + 20)·p_x)        p_x = (n_x + 1)/(N + 1)
//! ```
//!
//! with c_x of the segment's n people, and n_x of all N, who came to x: Bayes' rule, P(x | segment) ∝ P(x)·P(segment | x),
//! as if twenty more people of the segment had taken what everyone takes.
//!
//! # Bounds
//! 4 bytes for each item and each segment that anyone is in: at most 31 by default, 132 with as many bands as there may be.

use super::memory::doubling;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use super::users::UserAttributes;
use crate::ids::{ItemIdx, Renumbering};
use crate::segment::{AgeBands, Group, Segment};

/// How many people's worth of everyone's taste a segment starts with.
const PRIOR: f64 = 20.0;

/// The counts of every segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segments {
    bands: AgeBands,
    counts: Vec<Vec<u32>>,
    people: Vec<u32>,
}

impl Default for Segments {
    fn default() -> Self {
        Self::new(AgeBands::default())
    }
}

impl Segments {
    /// Of people in these bands, none of whom came to anything yet.
    pub(crate) fn new(bands: AgeBands) -> Self {
        let segments = bands.segments().count();
        Self { bands, counts: vec![Vec::new(); segments], people: vec![0; segments] }
    }

    /// How ages fall into bands.
    pub(crate) fn bands(&self) -> &AgeBands {
        &self.bands
    }

    /// The segment of a user, if anything is known.
    pub(crate) fn of(&self, attributes: &UserAttributes) -> Option<Segment> {
        let segment = self.bands.segment(attributes.age, attributes.gender.as_deref());
        segment.is_known().then_some(segment)
    }

    /// Counts an item that a user came to for the first time; `first`: as its first item at all.
    pub(crate) fn count(&mut self, segment: Segment, item: ItemIdx, first: bool) {
        let counts = &mut self.counts[segment.at()];
        if counts.len() <= item.at() {
            counts.resize(item.at() + 1, 0);
        }
        counts[item.at()] = counts[item.at()].saturating_add(1);
        self.people[segment.at()] += u32::from(first);
    }

    /// Takes back all the items a user came to.
    pub(crate) fn uncount(&mut self, segment: Segment, items: &[ItemIdx]) {
        for item in items {
            if let Some(count) = self.counts[segment.at()].get_mut(item.at()) {
                *count = count.saturating_sub(1);
            }
        }
        let people = &mut self.people[segment.at()];
        *people = people.saturating_sub(u32::from(!items.is_empty()));
    }

    /// Counts all the items a user came to.
    pub(crate) fn count_all(&mut self, segment: Segment, items: &[ItemIdx]) {
        items.iter().enumerate().for_each(|(place, &item)| self.count(segment, item, place == 0));
    }

    /// How many of a segment came to anything.
    pub(crate) fn people(&self, segment: Segment) -> u32 {
        self.people[segment.at()]
    }

    /// The `n` items that most of a group came to, most first, each with how many.
    ///
    /// Segments of fewer than `people_min` people are left out, of sums too: what they came to cannot be told, not by
    /// subtracting one list from another either.
    pub(crate) fn top(
        &self,
        group: Group,
        people_min: u32,
        n: usize,
        keep: impl Fn(ItemIdx) -> bool,
    ) -> Vec<(ItemIdx, u32)> {
        let shown = |&segment: &Segment| group.has(segment) && self.people(segment) >= people_min;
        let shown: Vec<&[u32]> =
            self.bands.segments().filter(shown).map(|segment| &*self.counts[segment.at()]).collect();
        let items = shown.iter().map(|counts| counts.len()).max().unwrap_or(0);
        let sum = |at: usize| shown.iter().map(|counts| counts.get(at).copied().unwrap_or(0)).sum::<u32>();
        let counted = (0..items).map(|at| (ItemIdx(at as u32), sum(at)));
        let mut top: Vec<(ItemIdx, u32)> = counted.filter(|&(item, count)| count > 0 && keep(item)).collect();
        let most_first = |a: &(ItemIdx, u32), b: &(ItemIdx, u32)| b.1.cmp(&a.1).then(a.0.cmp(&b.0));
        if top.len() > n && n > 0 {
            top.select_nth_unstable_by(n - 1, most_first);
        }
        top.truncate(n);
        top.sort_unstable_by(most_first);
        top
    }

    /// The `n` items that most of a segment came to, if it is of at least `people_min` people.
    pub(crate) fn top_of(&self, segment: Segment, people_min: u32, n: usize) -> Vec<ItemIdx> {
        let top = self.top(Group::from(segment), people_min, n, |_| true);
        top.into_iter().map(|(item, _)| item).collect()
    }

    /// How much more a segment takes an item than everyone does; `users` of `total` came to it.
    pub(crate) fn lift(&self, segment: Segment, item: ItemIdx, users: u32, total: u32) -> f32 {
        let own = self.counts[segment.at()].get(item.at()).copied().unwrap_or(0);
        let share = (f64::from(users) + 1.0) / (f64::from(total) + 1.0);
        let people = f64::from(self.people(segment));
        ((f64::from(own) + PRIOR * share) / ((people + PRIOR) * share)) as f32
    }

    /// Gives items their new indexes and drops the others.
    pub(crate) fn renumber_items(&mut self, renumbering: &Renumbering) {
        self.counts.iter_mut().for_each(|counts| renumbering.compact(counts));
    }

    /// Most bytes that so many counts may take.
    pub(crate) fn size_bound(&self) -> usize {
        self.counts.len() * 28 + self.counts.iter().map(|counts| doubling::<u32>(counts.len())).sum::<usize>()
    }

    /// Bytes held, by capacity.
    pub(crate) fn size_bytes(&self) -> usize {
        self.counts.capacity() * 28 + self.counts.iter().map(|counts| counts.capacity() * 4).sum::<usize>()
    }
}

impl Snapshot for Segments {
    fn save(&self, out: &mut Writer) {
        out.text(&self.bands.text());
        for (counts, &people) in self.counts.iter().zip(&self.people) {
            out.u32(people);
            // Without what comes after the last count, of which it depends on who was forgotten whether it is there.
            let used = counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
            out.u32(used as u32);
            counts[..used].iter().for_each(|&count| out.u32(count));
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let bands = AgeBands::parse(input.text()?).ok_or(SnapshotError::Malformed("age bands"))?;
        let mut segments = Self::new(bands);
        for (counts, people) in segments.counts.iter_mut().zip(&mut segments.people) {
            *people = input.u32()?;
            for _ in 0..input.count(4)? {
                counts.push(input.u32()?);
            }
        }
        Ok(segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(age: f64, gender: Option<&str>) -> Segment {
        AgeBands::default().segment(Some(age), gender)
    }

    fn named(name: &str) -> Group {
        AgeBands::default().group(name).unwrap()
    }

    #[test]
    fn small_segments_are_in_no_list() {
        let mut segments = Segments::default();
        let item = ItemIdx(3);
        for (age, gender, people) in [(30.0, "f", 12), (40.0, "f", 3), (30.0, "m", 10)] {
            (0..people).for_each(|_| segments.count_all(segment(age, Some(gender)), &[item]));
        }
        let count = |name, least| segments.top(named(name), least, 5, |_| true).first().map(|&(_, n)| n);
        for (name, of_all, of_ten) in [
            ("age:25-34,gender:F", Some(12), Some(12)),
            ("age:35-44,gender:F", Some(3), None),
            ("age:35-44", Some(3), None),
            ("age:25-34", Some(22), Some(22)),
            // Not 15: less those of 25 to 34 it would say what the three came to.
            ("gender:F", Some(15), Some(12)),
            ("gender:other", None, None),
        ] {
            assert_eq!((count(name, 1), count(name, 10)), (of_all, of_ten), "{name}");
        }
        assert_eq!(segments.top_of(segment(40.0, Some("f")), 10, 5), []);
    }

    #[test]
    fn lists_and_lift_by_hand() {
        let mut segments = Segments::default();
        let own = segment(30.0, Some("f"));
        let (a, b) = (ItemIdx(0), ItemIdx(1));
        // Ten people: all came to a, two to b.
        for n in 0..10 {
            let items = if n < 2 { vec![a, b] } else { vec![a] };
            segments.count_all(own, &items);
        }
        assert_eq!(segments.top(own.into(), 1, 5, |_| true), [(a, 10), (b, 2)]);
        assert_eq!(segments.top(own.into(), 1, 1, |item| item != a), [(b, 2)]);
        // Of 99 people 9 came to a: p = 10/100, (10 + 2)/(30·.1) = 4; 19 came to b: p = .2, (2 + 4)/(30·.2) = 1.
        assert!((segments.lift(own, a, 9, 99) - 4.0).abs() < 1e-6);
        assert!((segments.lift(own, b, 19, 99) - 1.0).abs() < 1e-6);
        assert!((segments.lift(own, ItemIdx(7), 19, 99) - 4.0 / 6.0).abs() < 1e-6);
        let strangers = segment(70.0, None);
        assert!((segments.lift(strangers, a, 9, 99) - 1.0).abs() < 1e-6, "of whom nothing is known");
        let mut out = Writer::default();
        segments.save(&mut out);
        assert_eq!(Segments::load(&mut Reader::new(&out.into_bytes())).as_ref(), Ok(&segments));
        for n in 0..10 {
            segments.uncount(own, &[a, b][..if n < 2 { 2 } else { 1 }]);
        }
        let (mut emptied, mut never) = (Writer::default(), Writer::default());
        segments.save(&mut emptied);
        Segments::default().save(&mut never);
        assert_eq!(emptied.into_bytes(), never.into_bytes(), "as if they had never come");
    }
}
