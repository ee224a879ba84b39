//! Users: ids, histories, attributes.

use super::memory::doubling;
use super::ring::Ring;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::{IdMap, ItemIdx, Renumbering, UserIdx};

/// Every user, bounded by its owner.
#[derive(Debug, Default)]
pub struct Users {
    ids: IdMap,
    users: Vec<User>,
    /// How many different items each liked: apart, because ranking looks at it for thousands of users.
    likes: Vec<u32>,
    /// Users with at least one liked item, those dropped for want of room included: what they liked still counts.
    with_likes: u32,
}

#[derive(Debug, Default)]
struct User {
    ring: Ring,
    last_ms: i64,
    attributes: Option<Box<UserAttributes>>,
}

impl User {
    fn attributes_bytes(&self) -> usize {
        let gender = |attributes: &UserAttributes| attributes.gender.as_ref().map_or(0, String::len);
        self.attributes.as_deref().map_or(0, |known| size_of::<UserAttributes>() + gender(known))
    }
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
        self.users.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
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
        &self.users[user.at()].ring
    }

    /// The distinct items a user is known to have liked: those of the ring, newest first, then those before it.
    pub(crate) fn liked(&self, user: UserIdx) -> Vec<ItemIdx> {
        let ring = self.ring(user);
        let mut liked: Vec<ItemIdx> = ring.liked().collect();
        let mut recent = liked.clone();
        recent.sort_unstable();
        liked.extend(ring.older().iter().filter(|item| recent.binary_search(item).is_err()));
        liked
    }

    /// A user's attributes, if there are any.
    pub fn attributes(&self, user: UserIdx) -> Option<&UserAttributes> {
        self.users[user.at()].attributes.as_deref()
    }

    /// Forgets all but the id of a user, and says what its history was.
    pub(crate) fn forget(&mut self, user: UserIdx) -> Ring {
        let likes = std::mem::take(&mut self.likes[user.at()]);
        self.with_likes -= u32::from(likes > 0);
        std::mem::take(&mut self.users[user.at()]).ring
    }

    /// Erases the id of a user of whom nothing else is kept: it is found no more, and its place goes with the idlest.
    pub(crate) fn erase(&mut self, user: UserIdx) {
        self.ids.erase(user.0);
    }

    /// Which users to drop when there are too many: the twentieth that was idle longest.
    pub(crate) fn idlest(&self) -> Renumbering {
        let last: Vec<i64> = self.users.iter().map(|user| user.last_ms).collect();
        Renumbering::dropping_least(&last, 20)
    }

    /// Gives users their new indexes and drops the others, whose likes stay counted.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        self.ids.renumber(renumbering);
        renumbering.compact(&mut self.users);
        renumbering.compact(&mut self.likes);
    }

    /// Gives items in histories their new indexes.
    pub(crate) fn renumber_items(&mut self, renumbering: &Renumbering) {
        self.users.iter_mut().for_each(|user| user.ring.renumber(renumbering));
    }

    pub(crate) fn intern(&mut self, id: &str) -> Option<UserIdx> {
        let (index, new) = self.ids.get_or_insert(id)?;
        if new {
            self.users.push(User::default());
            self.likes.push(0);
        }
        Some(UserIdx(index))
    }

    pub(crate) fn ring_mut(&mut self, user: UserIdx) -> &mut Ring {
        &mut self.users[user.at()].ring
    }

    pub(crate) fn seen(&mut self, user: UserIdx, time_ms: i64) {
        let last_ms = &mut self.users[user.at()].last_ms;
        *last_ms = time_ms.max(*last_ms);
    }

    pub(crate) fn count_liked(&mut self, user: UserIdx) {
        let likes = &mut self.likes[user.at()];
        self.with_likes += u32::from(*likes == 0);
        *likes = likes.saturating_add(1);
    }

    pub(crate) fn set_attributes(&mut self, user: UserIdx, attributes: Option<UserAttributes>) {
        self.users[user.at()].attributes = attributes.map(Box::new);
    }

    /// Most bytes that so many users with such histories may take.
    pub(crate) fn size_bound(&self) -> usize {
        let rings: usize =
            self.users.iter().map(|user| user.ring.size_bound() + user.attributes_bytes()).sum();
        self.ids.size_bound() + doubling::<User>(self.users.len()) + doubling::<u32>(self.likes.len()) + rings
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let rings: usize =
            self.users.iter().map(|user| user.ring.size_bytes() + user.attributes_bytes()).sum();
        self.ids.size_bytes() + self.users.capacity() * size_of::<User>() + self.likes.capacity() * 4 + rings
    }
}

impl Snapshot for Users {
    fn save(&self, out: &mut Writer) {
        self.ids.save(out);
        out.u32(self.with_likes);
        for (user, &likes) in self.users.iter().zip(&self.likes) {
            user.ring.save(out);
            out.u32(likes);
            out.i64(user.last_ms);
            out.u8(u8::from(user.attributes.is_some()));
            if let Some(attributes) = &user.attributes {
                out.f64(attributes.age.unwrap_or(f64::NAN));
                out.u8(u8::from(attributes.gender.is_some()));
                out.text(attributes.gender.as_deref().unwrap_or(""));
            }
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let ids = IdMap::load(input)?;
        let with_likes = input.u32()?;
        let mut users = Vec::with_capacity(ids.len());
        let mut likes = Vec::with_capacity(ids.len());
        for _ in 0..ids.len() {
            let ring = Ring::load(input)?;
            likes.push(input.u32()?);
            let mut user = User { ring, last_ms: input.i64()?, attributes: None };
            if input.u8()? != 0 {
                let age = Some(input.f64()?).filter(|age| !age.is_nan());
                let known = input.u8()? != 0;
                let gender = input.text()?;
                user.attributes =
                    Some(Box::new(UserAttributes { age, gender: known.then(|| gender.to_owned()) }));
            }
            users.push(user);
        }
        Ok(Self { ids, users, likes, with_likes })
    }
}
