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
//! 4 bytes for each item and each of at most 31 segments that anyone is in.

use super::memory::doubling;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use super::users::UserAttributes;
use crate::ids::{ItemIdx, Renumbering};

/// Upper ends of the age bands in years, exclusive; one band is above the last, one for unknown ages before all.
const AGES: [f64; 6] = [18.0, 25.0, 35.0, 45.0, 55.0, 65.0];

const BANDS: [&str; 8] = ["any", "0-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65-up"];

const GENDERS: [&str; 4] = ["any", "female", "male", "other"];

const SEGMENTS: usize = BANDS.len() * GENDERS.len();

/// How many people's worth of everyone's taste a segment starts with.
const PRIOR: f64 = 20.0;

/// An age band and a gender, of which at least one is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment(usize);

impl Segment {
    /// The segment of a user, if anything is known.
    pub(crate) fn of(attributes: &UserAttributes) -> Option<Self> {
        let known = attributes.age.filter(|age| (0.0..150.0).contains(age));
        let band = known.map_or(0, |age| 1 + AGES.iter().filter(|&&end| age >= end).count());
        let gender = match attributes.gender.as_deref().map(|text| text.trim().to_lowercase()).as_deref() {
            None | Some("" | "unknown" | "any") => 0,
            Some("f" | "female" | "w" | "woman") => 1,
            Some("m" | "male" | "man") => 2,
            Some(_) => 3,
        };
        let number = band * GENDERS.len() + gender;
        (number > 0).then_some(Self(number))
    }

    /// Its number, above 0.
    pub(crate) fn number(self) -> u64 {
        self.0 as u64
    }

    /// The segment of a name such as `25-34/female`, `any/male` or `65-up/any`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let (band, gender) = name.split_once('/')?;
        let band = BANDS.iter().position(|&known| known == band)?;
        let gender = GENDERS.iter().position(|&known| known == gender)?;
        let number = band * GENDERS.len() + gender;
        (number > 0).then_some(Self(number))
    }
}

/// The counts of every segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segments {
    counts: Vec<Vec<u32>>,
    people: [u32; SEGMENTS],
}

impl Default for Segments {
    fn default() -> Self {
        Self { counts: vec![Vec::new(); SEGMENTS], people: [0; SEGMENTS] }
    }
}

impl Segments {
    /// Counts an item that a user came to for the first time; `first`: as its first item at all.
    pub(crate) fn count(&mut self, segment: Segment, item: ItemIdx, first: bool) {
        let counts = &mut self.counts[segment.0];
        if counts.len() <= item.at() {
            counts.resize(item.at() + 1, 0);
        }
        counts[item.at()] = counts[item.at()].saturating_add(1);
        self.people[segment.0] += u32::from(first);
    }

    /// Takes back all the items a user came to.
    pub(crate) fn uncount(&mut self, segment: Segment, items: &[ItemIdx]) {
        for item in items {
            if let Some(count) = self.counts[segment.0].get_mut(item.at()) {
                *count = count.saturating_sub(1);
            }
        }
        let people = &mut self.people[segment.0];
        *people = people.saturating_sub(u32::from(!items.is_empty()));
    }

    /// Counts all the items a user came to.
    pub(crate) fn count_all(&mut self, segment: Segment, items: &[ItemIdx]) {
        items.iter().enumerate().for_each(|(place, &item)| self.count(segment, item, place == 0));
    }

    /// How many of a segment came to anything.
    pub(crate) fn people(&self, segment: Segment) -> u32 {
        self.people[segment.0]
    }

    /// The `n` items that most of a segment came to, most first, each with how many.
    pub(crate) fn top(
        &self,
        segment: Segment,
        n: usize,
        keep: impl Fn(ItemIdx) -> bool,
    ) -> Vec<(ItemIdx, u32)> {
        let counts = self.counts[segment.0].iter().copied();
        let items = (0..).map(ItemIdx).zip(counts);
        let mut top: Vec<(ItemIdx, u32)> = items.filter(|&(item, count)| count > 0 && keep(item)).collect();
        let most_first = |a: &(ItemIdx, u32), b: &(ItemIdx, u32)| b.1.cmp(&a.1).then(a.0.cmp(&b.0));
        if top.len() > n && n > 0 {
            top.select_nth_unstable_by(n - 1, most_first);
        }
        top.truncate(n);
        top.sort_unstable_by(most_first);
        top
    }

    /// How much more a segment takes an item than everyone does; `users` of `total` came to it.
    pub(crate) fn lift(&self, segment: Segment, item: ItemIdx, users: u32, total: u32) -> f32 {
        let own = self.counts[segment.0].get(item.at()).copied().unwrap_or(0);
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
        SEGMENTS * 24 + self.counts.iter().map(|counts| doubling::<u32>(counts.len())).sum::<usize>()
    }

    /// Bytes held, by capacity.
    pub(crate) fn size_bytes(&self) -> usize {
        self.counts.capacity() * 24 + self.counts.iter().map(|counts| counts.capacity() * 4).sum::<usize>()
    }
}

impl Snapshot for Segments {
    fn save(&self, out: &mut Writer) {
        for (counts, &people) in self.counts.iter().zip(&self.people) {
            out.u32(people);
            // Without what comes after the last count, of which it depends on who was forgotten whether it is there.
            let used = counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
            out.u32(used as u32);
            counts[..used].iter().for_each(|&count| out.u32(count));
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut segments = Self::default();
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

    fn segment(age: Option<f64>, gender: Option<&str>) -> Option<Segment> {
        Segment::of(&UserAttributes { age, gender: gender.map(str::to_owned) })
    }

    #[test]
    fn bands_and_genders() {
        for (age, gender, name) in [
            (Some(17.9), None, "0-17/any"),
            (Some(18.0), Some("F"), "18-24/female"),
            (Some(34.0), Some("male"), "25-34/male"),
            (Some(90.0), Some("x"), "65-up/other"),
            (None, Some(" M "), "any/male"),
            (Some(-1.0), Some("w"), "any/female"),
            (Some(f64::INFINITY), Some("w"), "any/female"),
        ] {
            assert_eq!(segment(age, gender), Segment::from_name(name), "{name}");
            assert!(Segment::from_name(name).is_some(), "{name}");
        }
        assert_eq!((segment(None, None), segment(Some(200.0), Some(""))), (None, None));
        for name in ["", "any/any", "18-24", "18-25/male", "18-24/f"] {
            assert_eq!(Segment::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn lists_and_lift_by_hand() {
        let mut segments = Segments::default();
        let own = segment(Some(30.0), Some("f")).unwrap();
        let (a, b) = (ItemIdx(0), ItemIdx(1));
        // Ten people: all came to a, two to b.
        for n in 0..10 {
            let items = if n < 2 { vec![a, b] } else { vec![a] };
            segments.count_all(own, &items);
        }
        assert_eq!(segments.top(own, 5, |_| true), [(a, 10), (b, 2)]);
        assert_eq!(segments.top(own, 1, |item| item != a), [(b, 2)]);
        // Of 99 people 9 came to a: p = 10/100, (10 + 2)/(30·.1) = 4; 19 came to b: p = .2, (2 + 4)/(30·.2) = 1.
        assert!((segments.lift(own, a, 9, 99) - 4.0).abs() < 1e-6);
        assert!((segments.lift(own, b, 19, 99) - 1.0).abs() < 1e-6);
        assert!((segments.lift(own, ItemIdx(7), 19, 99) - 4.0 / 6.0).abs() < 1e-6);
        let strangers = segment(Some(70.0), None).unwrap();
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
