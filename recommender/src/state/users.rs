//! Users: ids, histories, attributes.

use std::collections::BTreeMap;
use std::hint;

use super::memory::{push, steady};
use super::ring::Ring;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::{IdMap, ItemIdx, Renumbering, UserIdx};

/// How many histories are asked for at once.
const AT_ONCE: usize = 16;

/// Every user, bounded by its owner.
#[derive(Debug, Default)]
pub struct Users {
    ids: IdMap,
    rings: Vec<Ring>,
    /// The second of each one's last act, since 1970.
    last_s: Vec<u32>,
    attributes: BTreeMap<UserIdx, UserAttributes>,
    /// How many different items each liked: apart, because ranking looks at it for thousands of users.
    likes: Vec<u32>,
    /// Users with at least one liked item, those dropped for want of room included: what they liked still counts.
    with_likes: u32,
}

/// What is known of a user apart from behaviour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserAttributes {
    /// In years.
    pub age: Option<f64>,
    /// As sent.
    pub gender: Option<String>,
}

impl Users {
    /// How many users are kept.
    pub fn len(&self) -> usize {
        self.rings.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.rings.is_empty()
    }

    /// Users with at least one liked item: N of the contingency tables.
    pub fn with_likes(&self) -> u32 {
        self.with_likes
    }

    /// How many different items a user liked.
    pub fn likes(&self, user: UserIdx) -> u32 {
        self.likes[user.at()]
    }

    /// The index of a user.
    pub fn find(&self, id: &str) -> Option<UserIdx> {
        self.ids.get(id).map(UserIdx)
    }

    /// The id of a user.
    pub fn id(&self, user: UserIdx) -> &str {
        self.ids.text_of(user.0)
    }

    /// A user's history.
    pub fn ring(&self, user: UserIdx) -> &Ring {
        &self.rings[user.at()]
    }

    /// The distinct items a user is known to have liked: those of the ring, newest first, then those before it.
    pub(crate) fn liked(&self, user: UserIdx) -> Vec<ItemIdx> {
        let ring = self.ring(user);
        let mut liked: Vec<ItemIdx> = ring.liked().collect();
        let mut recent = liked.clone();
        recent.sort_unstable();
        liked.extend(ring.older().filter(|item| recent.binary_search(item).is_err()));
        liked
    }

    /// A user's attributes, if there are any.
    pub fn attributes(&self, user: UserIdx) -> Option<&UserAttributes> {
        self.attributes.get(&user)
    }

    /// Forgets all but the id of a user, and says what its history was.
    pub(crate) fn forget(&mut self, user: UserIdx) -> Ring {
        let likes = std::mem::take(&mut self.likes[user.at()]);
        self.with_likes -= u32::from(likes > 0);
        self.attributes.remove(&user);
        self.last_s[user.at()] = 0;
        std::mem::take(&mut self.rings[user.at()])
    }

    /// Erases the id of a user of whom nothing else is kept: it is found no more, and its place goes with the idlest.
    pub(crate) fn erase(&mut self, user: UserIdx) {
        self.ids.erase(user.0);
    }

    /// Drops the `count` users that were idle longest.
    pub(crate) fn idlest(&self, count: usize) -> Renumbering {
        Renumbering::dropping_least(&self.last_s, count)
    }

    /// Gives users their new indexes and drops the others, whose likes stay counted.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        self.ids.renumber(renumbering);
        renumbering.compact(&mut self.rings);
        renumbering.compact(&mut self.last_s);
        renumbering.compact(&mut self.likes);
        let attributes = std::mem::take(&mut self.attributes).into_iter();
        let kept = attributes.filter_map(|(user, known)| Some((UserIdx(renumbering.index(user.0)?), known)));
        self.attributes = kept.collect();
    }

    /// Gives items in histories their new indexes.
    pub(crate) fn renumber_items(&mut self, renumbering: &Renumbering) {
        for rings in self.rings.chunks_mut(AT_ONCE) {
            // They lie all over memory: asking for several first lets the processor wait for all at once.
            hint::black_box(rings.iter().fold(0, |sum, ring| sum ^ ring.touch()));
            rings.iter_mut().for_each(|ring| ring.renumber(renumbering));
        }
    }

    pub(crate) fn intern(&mut self, id: &str) -> Option<UserIdx> {
        let (index, new) = self.ids.get_or_insert(id)?;
        if new {
            push(&mut self.rings, Ring::default());
            push(&mut self.last_s, 0);
            push(&mut self.likes, 0);
        }
        Some(UserIdx(index))
    }

    pub(crate) fn ring_mut(&mut self, user: UserIdx) -> &mut Ring {
        &mut self.rings[user.at()]
    }

    pub(crate) fn seen(&mut self, user: UserIdx, time_ms: i64) {
        let last_s = &mut self.last_s[user.at()];
        *last_s = second(time_ms).max(*last_s);
    }

    pub(crate) fn count_liked(&mut self, user: UserIdx) {
        let likes = &mut self.likes[user.at()];
        self.with_likes += u32::from(*likes == 0);
        *likes = likes.saturating_add(1);
    }

    pub(crate) fn set_attributes(&mut self, user: UserIdx, attributes: Option<UserAttributes>) {
        match attributes {
            Some(known) => _ = self.attributes.insert(user, known),
            None => _ = self.attributes.remove(&user),
        }
    }

    /// Most bytes that so many users with such histories may take.
    pub(crate) fn size_bound(&self) -> usize {
        self.ids.size_bound()
            + steady::<Ring>(self.rings.len())
            + steady::<u32>(self.last_s.len())
            + steady::<u32>(self.likes.len())
            + self.histories_bytes()
            + self.attributes_bytes()
    }

    /// Bytes of ids, of histories, of all else.
    pub(crate) fn size_bytes(&self) -> [usize; 3] {
        let rings = self.rings.capacity() * size_of::<Ring>() + self.histories_bytes();
        let rest = 4 * (self.last_s.capacity() + self.likes.capacity()) + self.attributes_bytes();
        [self.ids.size_bytes(), rings, rest]
    }

    fn histories_bytes(&self) -> usize {
        self.rings.iter().map(Ring::size_bytes).sum()
    }

    /// A tree's nodes are at least half full.
    fn attributes_bytes(&self) -> usize {
        let text: usize = self.attributes.values().flat_map(|known| &known.gender).map(String::len).sum();
        2 * self.attributes.len() * size_of::<(UserIdx, UserAttributes)>() + text
    }
}

/// The second of a time, as far as there is room for it: the year 2106.
pub(crate) fn second(time_ms: i64) -> u32 {
    u32::try_from(time_ms.max(0) / 1000).unwrap_or(u32::MAX)
}

impl Snapshot for Users {
    fn save(&self, out: &mut Writer) {
        self.ids.save(out);
        out.u32(self.with_likes);
        for ((ring, &likes), &last_s) in self.rings.iter().zip(&self.likes).zip(&self.last_s) {
            ring.save(out);
            out.u32(likes);
            out.u32(last_s);
        }
        out.u32(self.attributes.len() as u32);
        for (user, attributes) in &self.attributes {
            out.u32(user.0);
            out.f64(attributes.age.unwrap_or(f64::NAN));
            out.u8(u8::from(attributes.gender.is_some()));
            out.text(attributes.gender.as_deref().unwrap_or(""));
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let ids = IdMap::load(input)?;
        let mut users = Self { with_likes: input.u32()?, ..Self::default() };
        for _ in 0..ids.len() {
            push(&mut users.rings, Ring::load(input)?);
            push(&mut users.likes, input.u32()?);
            push(&mut users.last_s, input.u32()?);
        }
        for _ in 0..input.count(17)? {
            let user = UserIdx(input.u32()?);
            let age = Some(input.f64()?).filter(|age| !age.is_nan());
            let known = input.u8()? != 0;
            let gender = input.text()?;
            let attributes = UserAttributes { age, gender: known.then(|| gender.to_owned()) };
            if user.at() >= ids.len() || users.attributes.insert(user, attributes).is_some() {
                return Err(SnapshotError::Malformed("attributes of nobody"));
            }
        }
        Ok(Self { ids, ..users })
    }
}
