//! Which keys have new output: each waits once, and the owner takes them when it sees fit.

use std::collections::{BTreeSet, VecDeque};

use super::Recommender;
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::state::memory::{self, steady};
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// Keys whose output has changed since they were last taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Of whom the users and items are, if of a tenant.
    pub tenant: Option<String>,
    /// Users whose recommendations may have changed by what they did.
    pub users: Vec<String>,
    /// Items whose neighbours may have changed.
    pub items: Vec<String>,
    /// Whether more is left than was asked for.
    pub more: bool,
}

impl Recommender {
    /// Takes up to `limit` changed users and as many changed items off the longest queue, oldest first.
    pub fn take_changes(&mut self, limit: usize) -> Changes {
        let own = self.changed.len();
        // Among equals the first by name.
        let tenants =
            self.tenants.iter_mut().rev().map(|(name, tenant)| (tenant.changed.len(), name, tenant));
        let mut changes = match tenants.max_by_key(|(waiting, ..)| *waiting) {
            Some((waiting, name, tenant)) if waiting > own => {
                Changes { tenant: Some(name.clone()), ..tenant.take_own(limit) }
            }
            _ => self.take_own(limit),
        };
        changes.more = self.changed.len() > 0 || self.tenants.values().any(|tenant| tenant.changed.len() > 0);
        changes
    }

    fn take_own(&mut self, limit: usize) -> Changes {
        let mut users = Vec::new();
        for user in self.changed.users.take(limit).map(UserIdx) {
            users.push(self.state.users.id(user).to_owned());
            if self.changed.forgotten.remove(&user.0) {
                self.state.users.erase(user);
            }
        }
        let items = self
            .changed
            .items
            .take(limit)
            .map(|item| self.state.items.id(ItemIdx(item)).to_owned())
            .collect();
        Changes { users, items, ..Changes::default() }
    }

    /// Queues every user and every item, as if all of them had changed.
    pub fn queue_everything(&mut self) {
        (0..self.state.users.len() as u32).for_each(|user| self.changed.users.add(user));
        (0..self.state.items.len() as u32).for_each(|item| self.changed.items.add(item));
        self.changed.hot = true;
    }

    /// Whether hot lists may have changed since this was last asked.
    pub fn take_hot(&mut self) -> bool {
        self.tenants
            .values_mut()
            .fold(std::mem::take(&mut self.changed.hot), |hot, tenant| tenant.take_hot() | hot)
    }
}

/// Keys to publish, each once.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) users: Queue,
    pub(super) items: Queue,
    pub(super) hot: bool,
    /// Users that were forgotten: once it is known that their output is gone, their ids are erased.
    forgotten: BTreeSet<u32>,
}

impl Changed {
    /// How many keys wait.
    fn len(&self) -> usize {
        self.users.queue.len() + self.items.queue.len()
    }

    pub(super) fn act(&mut self, user: Option<UserIdx>, item: ItemIdx, met: &[ItemIdx]) {
        self.hot = true;
        if let Some(user) = user {
            self.forgotten.remove(&user.0);
            self.users.add(user.0);
        }
        if !met.is_empty() {
            self.items.add(item.0);
            met.iter().for_each(|other| self.items.add(other.0));
        }
    }
    /// A user was forgotten.
    pub(super) fn forget(&mut self, user: UserIdx) {
        self.users.add(user.0);
        self.forgotten.insert(user.0);
        self.hot = true;
    }

    /// A user is known again.
    pub(super) fn describe(&mut self, user: UserIdx) {
        self.forgotten.remove(&user.0);
    }

    /// Gives users their new indexes and drops the others.
    pub(super) fn renumber_users(&mut self, renumbering: &Renumbering) {
        self.users.renumber(renumbering);
        self.forgotten = self.forgotten.iter().filter_map(|&user| renumbering.index(user)).collect();
    }

    /// Most bytes where there are so many users and items.
    pub(super) fn size_bound(users: usize, items: usize) -> usize {
        Queue::size_bound(users) + Queue::size_bound(items)
    }

    /// Bytes held, by capacity.
    pub(super) fn size_bytes(&self) -> usize {
        self.users.size_bytes() + self.items.size_bytes()
    }

    pub(super) fn save(&self, out: &mut Writer) {
        for queue in [&self.users, &self.items] {
            out.u32(queue.queue.len() as u32);
            queue.queue.iter().for_each(|&key| out.u32(key));
        }
        out.u8(u8::from(self.hot));
        out.u32(self.forgotten.len() as u32);
        self.forgotten.iter().for_each(|&user| out.u32(user));
    }

    pub(super) fn load(input: &mut Reader<'_>, users: usize, items: usize) -> Result<Self, SnapshotError> {
        let mut queue = |keys: usize| {
            let mut queue = Queue::default();
            for _ in 0..input.count(4)? {
                let key = input.u32()?;
                if key as usize >= keys {
                    return Err(SnapshotError::Malformed("a changed key of nobody"));
                }
                queue.add(key);
            }
            Ok(queue)
        };
        let known = users;
        let (users, items) = (queue(users)?, queue(items)?);
        let hot = input.u8()? != 0;
        let mut forgotten = BTreeSet::new();
        for _ in 0..input.count(4)? {
            forgotten.insert(input.u32()?);
        }
        if forgotten.last().is_some_and(|&last| last as usize >= known) {
            return Err(SnapshotError::Malformed("a forgotten user of no index"));
        }
        Ok(Self { users, items, hot, forgotten })
    }
}

/// A queue in which a key stands at most once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    queue: VecDeque<u32>,
    /// A bit for each key: whether it stands in the queue.
    waiting: Vec<u64>,
}

impl Queue {
    pub(super) fn add(&mut self, key: u32) {
        let (word, bit) = (key as usize / 64, 1 << (key % 64));
        if self.waiting.len() <= word {
            let more = word + 1 - self.waiting.len();
            memory::extend(&mut self.waiting, more, || 0);
        }
        if self.waiting[word] & bit == 0 {
            self.waiting[word] |= bit;
            if self.queue.len() == self.queue.capacity() {
                self.queue.reserve_exact(self.queue.len() / 8 + 16);
            }
            self.queue.push_back(key);
        }
    }

    /// Most bytes where there are `keys`.
    fn size_bound(keys: usize) -> usize {
        steady::<u32>(keys) + steady::<u64>(keys.div_ceil(64))
    }

    fn size_bytes(&self) -> usize {
        4 * self.queue.capacity() + 8 * self.waiting.capacity()
    }

    pub(super) fn renumber(&mut self, renumbering: &Renumbering) {
        let waiting: Vec<u32> = self.queue.iter().filter_map(|&key| renumbering.index(key)).collect();
        *self = Self::default();
        waiting.into_iter().for_each(|key| self.add(key));
    }

    fn take(&mut self, limit: usize) -> impl Iterator<Item = u32> {
        let count = limit.min(self.queue.len());
        let waiting = &mut self.waiting;
        self.queue.drain(..count).inspect(|&key| waiting[key as usize / 64] &= !(1 << (key % 64)))
    }
}
