//! Items: ids, attributes, how many users came to each.

use xxhash_rust::xxh3::xxh3_64;

use super::memory::{doubling, push, steady};
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::hot::{self, Hot};
use crate::ids::{IdMap, ItemIdx, Renumbering};
use crate::ingest::entity::ItemEntity;

/// Every item, bounded by its owner.
#[derive(Debug, Default)]
pub struct Items {
    ids: IdMap,
    items: Vec<Item>,
    /// Users who came to each.
    users: Vec<u32>,
    reach: Vec<Reach>,
    categories: IdMap,
    /// Items of each category, in order of index.
    members: Vec<Vec<ItemIdx>>,
}

/// How many users came to an item, in the forms that ranking reads: together, because it reads them for every
/// neighbour of every item of a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reach {
    /// Users.
    pub(crate) users: f32,
    /// Their logarithm, of 1 if there are none.
    pub(crate) log: f32,
}

impl Reach {
    fn of(users: u32) -> Self {
        Self { users: users as f32, log: crate::models::llr::log_of(users) }
    }
}

#[derive(Debug, Default)]
struct Item {
    last_ms: i64,
    attributes: Option<Box<ItemAttributes>>,
}

/// What is known of an item apart from behaviour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemAttributes {
    /// Its name for people.
    pub title: Option<String>,
    /// Its categories, as numbers of [`Items`].
    pub categories: Vec<u32>,
    /// Price of one piece.
    pub price: Option<f64>,
    /// Whether it may be recommended.
    pub available: bool,
    /// Not before.
    pub published_at_ms: Option<i64>,
    /// Not from here on.
    pub expires_at_ms: Option<i64>,
    /// XXH3-64 of the id of the user who offers it.
    pub owner: Option<u64>,
}

/// What [`ItemAttributes::owner`] is for a user.
pub(crate) fn owner_of(user_id: &str) -> u64 {
    xxh3_64(user_id.as_bytes())
}

impl Items {
    /// How many items are kept.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The index of an item.
    pub fn find(&self, id: &str) -> Option<ItemIdx> {
        self.ids.get(id).map(ItemIdx)
    }

    /// The id of an item.
    pub fn id(&self, item: ItemIdx) -> &str {
        self.ids.text_of(item.0)
    }

    /// Users who came to an item: n_i of the contingency tables.
    pub fn users(&self, item: ItemIdx) -> u32 {
        self.users[item.at()]
    }

    /// The same of every item, by index, ready for ranking.
    pub(crate) fn reach(&self) -> &[Reach] {
        &self.reach
    }

    /// An item's attributes, if there are any.
    pub fn attributes(&self, item: ItemIdx) -> Option<&ItemAttributes> {
        self.items[item.at()].attributes.as_deref()
    }

    /// An item's name for people.
    pub fn title(&self, item: ItemIdx) -> Option<&str> {
        self.attributes(item)?.title.as_deref()
    }

    /// The items of a category, or `None` if there never was such a category.
    pub fn category(&self, name: &str) -> Option<&[ItemIdx]> {
        self.categories.get(name).map(|index| self.members[index as usize].as_slice())
    }

    /// The names of all categories.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.categories.iter()
    }

    /// The names of an item's categories.
    pub fn categories_of(&self, item: ItemIdx) -> impl Iterator<Item = &str> {
        let numbers = self.attributes(item).map_or(&[][..], |attributes| &attributes.categories);
        numbers.iter().map(|&number| self.categories.text_of(number))
    }

    /// Whether an item may be recommended at a time.
    pub fn is_offered(&self, item: ItemIdx, now_ms: i64) -> bool {
        self.attributes(item).is_none_or(|attributes| {
            attributes.available
                && attributes.published_at_ms.is_none_or(|from| from <= now_ms)
                && attributes.expires_at_ms.is_none_or(|until| now_ms < until)
        })
    }

    /// Whether an item may be recommended at a time to the user of whom [`owner_of`] says `own`.
    pub(crate) fn is_offered_to(&self, item: ItemIdx, own: Option<u64>, now_ms: i64) -> bool {
        let owner = self.attributes(item).and_then(|attributes| attributes.owner);
        (owner.is_none() || owner != own) && self.is_offered(item, now_ms)
    }

    pub(crate) fn intern(&mut self, id: &str) -> Option<ItemIdx> {
        let (index, new) = self.ids.get_or_insert(id)?;
        if new {
            push(&mut self.items, Item::default());
            push(&mut self.users, 0);
            push(&mut self.reach, Reach::of(0));
        }
        Some(ItemIdx(index))
    }

    /// Drops the `count` items that least was done with lately, an act of a week ago counting half; of those alike, the ones
    /// idle longest.
    pub(crate) fn idlest(&self, count: usize, hot: &Hot) -> Renumbering {
        // Bits of numbers that are not negative are in their order.
        let sum = |index| hot.raw(ItemIdx(index), hot::WEEK).to_bits();
        let last: Vec<(u64, i64)> =
            self.items.iter().zip(0..).map(|(item, index)| (sum(index), item.last_ms)).collect();
        Renumbering::dropping_least(&last, count)
    }

    /// Gives items their new indexes and drops the others.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        self.ids.renumber(renumbering);
        renumbering.compact(&mut self.items);
        renumbering.compact(&mut self.users);
        renumbering.compact(&mut self.reach);
        for members in &mut self.members {
            members.retain_mut(|item| match renumbering.item(*item) {
                Some(new) => {
                    *item = new;
                    true
                }
                None => false,
            });
            members.shrink_to(2 * members.len());
        }
    }

    pub(crate) fn uncount_user(&mut self, item: ItemIdx) {
        self.set_users(item, self.users(item).saturating_sub(1));
    }

    pub(crate) fn seen(&mut self, item: ItemIdx, time_ms: i64) {
        let last_ms = &mut self.items[item.at()].last_ms;
        *last_ms = time_ms.max(*last_ms);
    }

    pub(crate) fn count_user(&mut self, item: ItemIdx) {
        self.set_users(item, self.users(item).saturating_add(1));
    }

    fn set_users(&mut self, item: ItemIdx, users: u32) {
        self.users[item.at()] = users;
        self.reach[item.at()] = Reach::of(users);
    }

    /// Replaces an item's attributes. `categories_max`: how many categories there may be.
    pub(crate) fn describe(&mut self, item: ItemIdx, entity: &ItemEntity<'_>, categories_max: usize) {
        self.leave_categories(item);
        let mut categories = Vec::new();
        for name in &entity.categories {
            let number = match self.categories.get(name) {
                Some(number) => number,
                None if self.categories.len() >= categories_max => continue,
                None => match self.categories.get_or_insert(name) {
                    Some((number, _)) => number,
                    None => continue,
                },
            };
            if self.members.len() <= number as usize {
                self.members.resize_with(number as usize + 1, Vec::new);
            }
            if !categories.contains(&number) {
                categories.push(number);
                self.join_category(item, number);
            }
        }
        self.items[item.at()].attributes = Some(Box::new(ItemAttributes {
            title: entity.title.as_deref().map(str::to_owned),
            categories,
            price: entity.price,
            available: entity.available.unwrap_or(true),
            published_at_ms: entity.published_at_ms,
            expires_at_ms: entity.expires_at_ms,
            owner: entity.owner_id.as_deref().map(owner_of),
        }));
    }

    /// An item that is gone: its counts stay, it is no longer offered.
    pub(crate) fn withdraw(&mut self, item: ItemIdx) {
        self.leave_categories(item);
        let gone = ItemAttributes { available: false, ..ItemAttributes::default() };
        self.items[item.at()].attributes = Some(Box::new(gone));
    }

    /// Most bytes that so many items with such attributes may take.
    pub(crate) fn size_bound(&self) -> usize {
        let members: usize = self.members.iter().map(|list| doubling::<ItemIdx>(list.len())).sum();
        let attributes = self.items.iter().filter_map(|item| item.attributes.as_deref());
        self.ids.size_bound()
            + self.categories.size_bound()
            + steady::<Item>(self.items.len())
            + steady::<u32>(self.users.len())
            + steady::<Reach>(self.reach.len())
            + members
            + attributes.map(bound_of).sum::<usize>()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let members: usize = self.members.iter().map(|list| list.capacity() * 4).sum();
        let attributes: usize =
            self.items.iter().filter_map(|item| item.attributes.as_deref()).map(bytes_of).sum();
        self.ids.size_bytes()
            + self.categories.size_bytes()
            + self.items.capacity() * size_of::<Item>()
            + self.users.capacity() * 4
            + self.reach.capacity() * size_of::<Reach>()
            + members
            + attributes
    }

    fn join_category(&mut self, item: ItemIdx, number: u32) {
        let members = &mut self.members[number as usize];
        if let Err(place) = members.binary_search(&item) {
            members.insert(place, item);
        }
    }

    fn leave_categories(&mut self, item: ItemIdx) {
        let Some(attributes) = self.items[item.at()].attributes.take() else { return };
        for number in attributes.categories {
            let members = &mut self.members[number as usize];
            if let Ok(place) = members.binary_search(&item) {
                members.remove(place);
            }
        }
    }
}

fn bound_of(attributes: &ItemAttributes) -> usize {
    let title = attributes.title.as_ref().map_or(0, String::len);
    size_of::<ItemAttributes>() + title + doubling::<u32>(attributes.categories.len())
}

fn bytes_of(attributes: &ItemAttributes) -> usize {
    let title = attributes.title.as_ref().map_or(0, String::capacity);
    size_of::<ItemAttributes>() + title + attributes.categories.capacity() * 4
}

impl Snapshot for Items {
    fn save(&self, out: &mut Writer) {
        self.ids.save(out);
        self.categories.save(out);
        for (item, &users) in self.items.iter().zip(&self.users) {
            out.i64(item.last_ms);
            out.u32(users);
            out.u8(u8::from(item.attributes.is_some()));
            if let Some(attributes) = &item.attributes {
                save_attributes(attributes, out);
            }
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let ids = IdMap::load(input)?;
        let categories = IdMap::load(input)?;
        let mut items =
            Self { members: vec![Vec::new(); categories.len()], ids, categories, ..Self::default() };
        for index in 0..items.ids.len() as u32 {
            let mut item = Item { last_ms: input.i64()?, attributes: None };
            let users = input.u32()?;
            items.users.push(users);
            items.reach.push(Reach::of(users));
            if input.u8()? != 0 {
                let attributes = load_attributes(input)?;
                for &number in &attributes.categories {
                    let members = items.members.get_mut(number as usize);
                    members.ok_or(SnapshotError::Malformed("category"))?.push(ItemIdx(index));
                }
                item.attributes = Some(Box::new(attributes));
            }
            items.items.push(item);
        }
        Ok(items)
    }
}

fn save_attributes(attributes: &ItemAttributes, out: &mut Writer) {
    out.u8(u8::from(attributes.title.is_some()));
    out.text(attributes.title.as_deref().unwrap_or(""));
    out.u32(attributes.categories.len() as u32);
    attributes.categories.iter().for_each(|&number| out.u32(number));
    out.f64(attributes.price.unwrap_or(f64::NAN));
    out.u8(u8::from(attributes.available));
    out.i64(attributes.published_at_ms.unwrap_or(i64::MIN));
    out.i64(attributes.expires_at_ms.unwrap_or(i64::MIN));
    out.u8(u8::from(attributes.owner.is_some()));
    out.u64(attributes.owner.unwrap_or(0));
}

fn load_attributes(input: &mut Reader<'_>) -> Result<ItemAttributes, SnapshotError> {
    let titled = input.u8()? != 0;
    let title = input.text()?;
    let mut attributes =
        ItemAttributes { title: titled.then(|| title.to_owned()), ..ItemAttributes::default() };
    for _ in 0..input.count(4)? {
        attributes.categories.push(input.u32()?);
    }
    attributes.price = Some(input.f64()?).filter(|price| !price.is_nan());
    attributes.available = input.u8()? != 0;
    attributes.published_at_ms = Some(input.i64()?).filter(|&ms| ms != i64::MIN);
    attributes.expires_at_ms = Some(input.i64()?).filter(|&ms| ms != i64::MIN);
    let owned = input.u8()? != 0;
    let owner = input.u64()?;
    attributes.owner = owned.then_some(owner);
    Ok(attributes)
}
