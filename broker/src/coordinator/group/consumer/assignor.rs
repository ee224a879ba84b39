//! Who gets which partitions: the assignors that run in the broker.
//!
//! Both are deterministic, and both look at the target before, never at what members really have by now:
//! reconciliation takes care of that.
//!
//! | name | aims at | moves |
//! |---|---|---|
//! | `uniform` | loads that differ by one at most | no more than that takes |
//! | `range` | the same partition numbers of each topic together, static members first | as it comes |
//!
//! Where subscriptions differ, `uniform` ends where moving no single partition would even out two loads,
//! as Apache Kafka's does. Left out: racks, since there is one broker; assignors of the client.
//!
//! Source: `UniformAssignor.java`, `RangeAssignor.java` of Apache Kafka 4.1; KIP-848.

use std::collections::{BTreeMap, BTreeSet};

use protocol::types::TopicId;

use crate::coordinator::group::records::Partitions;

/// An assignor of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// Even loads, few moves.
    Uniform,
    /// Ranges of each topic.
    Range,
}

/// A member, to an assignor.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) id: &'a str,
    pub(super) instance_id: Option<&'a str>,
    /// The topics it reads, none that is not in [`Spec::topics`].
    pub(super) topics: BTreeSet<TopicId>,
    /// What it was to have before.
    pub(super) before: Option<&'a Partitions>,
}

/// What there is to assign.
#[derive(Clone, Debug)]
pub(super) struct Spec<'a> {
    /// By id.
    pub(super) members: Vec<Candidate<'a>>,
    /// Topics and how many partitions each has.
    pub(super) topics: BTreeMap<TopicId, i32>,
}

impl Assignor {
    /// Every assignor, the default first.
    pub const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignors of a list with commas between, in its order, each once.
    #[must_use]
    pub fn named(list: &str) -> Vec<Self> {
        let mut named = Vec::new();
        for name in list.split(',').map(str::trim) {
            let known = Self::ALL.into_iter().find(|assignor| assignor.name() == name);
            named.extend(known.filter(|assignor| !named.contains(assignor)));
        }
        named
    }

    /// What each member is to have: one entry a member, in their order. Every partition of a topic that
    /// anyone reads is in one of them.
    pub(super) fn assign(self, spec: &Spec<'_>) -> Vec<Partitions> {
        match self {
            Self::Uniform => Uniform::new(spec).assign(),
            Self::Range => range(spec),
        }
    }
}

/// Who reads each topic, as positions in `members`.
fn readers(members: &[&Candidate<'_>]) -> BTreeMap<TopicId, Vec<usize>> {
    let mut readers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        for topic in &member.topics {
            readers.entry(*topic).or_default().push(at);
        }
    }
    readers
}

fn range(spec: &Spec<'_>) -> Vec<Partitions> {
    // A static member that comes back under another id keeps its place.
    let mut order: Vec<usize> = (0..spec.members.len()).collect();
    order.sort_by_key(|at| {
        let member = &spec.members[*at];
        (member.instance_id.is_none(), member.instance_id, member.id)
    });
    let sorted: Vec<&Candidate<'_>> = order.iter().map(|at| &spec.members[*at]).collect();
    let mut assigned = vec![Partitions::new(); spec.members.len()];
    for (topic, readers) in readers(&sorted) {
        let count = spec.topics.get(&topic).copied().unwrap_or_default();
        let (each, extra) = (count / readers.len() as i32, count % readers.len() as i32);
        let mut next = 0;
        for (nth, reader) in (0..).zip(readers) {
            let end = next + each + i32::from(nth < extra);
            if end > next {
                assigned[order[reader]].insert(topic, (next..end).collect());
            }
            next = end;
        }
    }
    assigned
}

struct Uniform<'a> {
    spec: &'a Spec<'a>,
    readers: BTreeMap<TopicId, Vec<usize>>,
    assigned: Vec<Partitions>,
    loads: Vec<usize>,
}

impl<'a> Uniform<'a> {
    fn new(spec: &'a Spec<'a>) -> Self {
        let members: Vec<_> = spec.members.iter().collect();
        Self {
            spec,
            readers: readers(&members),
            assigned: vec![Partitions::new(); members.len()],
            loads: vec![0; members.len()],
        }
    }

    fn assign(mut self) -> Vec<Partitions> {
        let free = self.keep();
        self.hand_out(free);
        // First from those who have more than an even share of all: who has less should not pass on what it
        // gets back later.
        let total: usize = self.loads.iter().sum();
        let share = total.div_ceil(self.loads.len().max(1));
        while self.even_out(share) {}
        while self.even_out(0) {}
        self.assigned
    }

    fn give(&mut self, member: usize, topic: TopicId, partition: i32) {
        self.assigned[member].entry(topic).or_default().insert(partition);
        self.loads[member] += 1;
    }

    fn take(&mut self, member: usize, topic: TopicId) -> Option<i32> {
        let partitions = self.assigned[member].get_mut(&topic)?;
        let partition = partitions.pop_last();
        if partitions.is_empty() {
            self.assigned[member].remove(&topic);
        }
        self.loads[member] -= usize::from(partition.is_some());
        partition
    }

    /// Everyone keeps what they had and still read. Returns what nobody has.
    fn keep(&mut self) -> Vec<(TopicId, i32)> {
        let mut free: BTreeSet<(TopicId, i32)> = BTreeSet::new();
        for topic in self.readers.keys() {
            let count = self.spec.topics.get(topic).copied().unwrap_or_default();
            free.extend((0..count).map(|partition| (*topic, partition)));
        }
        let spec = self.spec;
        for (at, member) in spec.members.iter().enumerate() {
            let before = member.before.into_iter().flatten();
            for (topic, partitions) in before.filter(|(topic, _)| member.topics.contains(topic)) {
                for partition in partitions {
                    if free.remove(&(*topic, *partition)) {
                        self.give(at, *topic, *partition);
                    }
                }
            }
        }
        free.into_iter().collect()
    }

    /// Each goes to the reader with the least.
    fn hand_out(&mut self, free: Vec<(TopicId, i32)>) {
        for (topic, partition) in free {
            let least = self.readers[&topic].iter().copied().min_by_key(|at| self.loads[*at]);
            if let Some(least) = least {
                self.give(least, topic, partition);
            }
        }
    }

    /// Moves partitions from readers that have more to readers of the same topic that have less, by two or
    /// more; only from those that have more than `above`. Every move lessens the sum of the squares of the
    /// loads, so there is an end to it.
    fn even_out(&mut self, above: usize) -> bool {
        let mut moved = false;
        for topic in self.readers.keys().copied().collect::<Vec<_>>() {
            while let Some((from, to)) = self.uneven(topic)
                && self.loads[from] > above
                && let Some(partition) = self.take(from, topic)
            {
                self.give(to, topic, partition);
                moved = true;
            }
        }
        moved
    }

    fn uneven(&self, topic: TopicId) -> Option<(usize, usize)> {
        let readers = self.readers[&topic].iter().copied();
        let owners = readers.clone().filter(|at| self.assigned[*at].contains_key(&topic));
        let most = owners.max_by_key(|at| self.loads[*at])?;
        let least = readers.min_by_key(|at| self.loads[*at])?;
        (self.loads[most] > self.loads[least] + 1).then_some((most, least))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topic(n: u8) -> TopicId {
        TopicId([n; 16])
    }

    fn spec<'a>(
        members: &'a [(&'a str, &'a [u8])],
        before: &'a BTreeMap<&'a str, Partitions>,
        topics: &[i32],
    ) -> Spec<'a> {
        let candidate = |(id, reads): &(&'a str, &[u8])| Candidate {
            id,
            instance_id: None,
            topics: reads.iter().map(|n| topic(*n)).collect(),
            before: before.get(id),
        };
        let topics = (0..).zip(topics).map(|(n, count)| (topic(n), *count)).collect();
        Spec { members: members.iter().map(candidate).collect(), topics }
    }

    fn shown(assigned: &[Partitions]) -> Vec<String> {
        let one = |partitions: &Partitions| {
            let each = partitions.iter().flat_map(|(topic, set)| set.iter().map(move |p| (topic.0[0], p)));
            each.map(|(topic, p)| format!("{topic}-{p}")).collect::<Vec<_>>().join(" ")
        };
        assigned.iter().map(one).collect()
    }

    fn load(partitions: &Partitions) -> usize {
        partitions.values().map(BTreeSet::len).sum()
    }

    #[test]
    fn range_puts_the_same_numbers_together_and_static_members_first() {
        let none = BTreeMap::new();
        let members: [(&str, &[u8]); 3] = [("a", &[0, 1]), ("b", &[0, 1]), ("c", &[0])];
        let mut spec = spec(&members, &none, &[5, 2]);
        assert_eq!(shown(&Assignor::Range.assign(&spec)), ["0-0 0-1 1-0", "0-2 0-3 1-1", "0-4"]);
        spec.members[2].instance_id = Some("i");
        assert_eq!(shown(&Assignor::Range.assign(&spec)), ["0-2 0-3 1-0", "0-4 1-1", "0-0 0-1"]);
    }

    #[test]
    fn uniform_moves_no_more_than_it_must() {
        let none = BTreeMap::new();
        let two: [(&str, &[u8]); 2] = [("a", &[0]), ("b", &[0])];
        let first = Assignor::Uniform.assign(&spec(&two, &none, &[6]));
        assert_eq!(shown(&first), ["0-0 0-2 0-4", "0-1 0-3 0-5"]);
        let before = BTreeMap::from([("a", first[0].clone()), ("b", first[1].clone())]);
        let three: [(&str, &[u8]); 3] = [("a", &[0]), ("b", &[0]), ("c", &[0])];
        let joined = Assignor::Uniform.assign(&spec(&three, &before, &[6]));
        assert_eq!(shown(&joined), ["0-0 0-2", "0-1 0-3", "0-4 0-5"]);
        let one: [(&str, &[u8]); 1] = [("b", &[0])];
        assert_eq!(
            shown(&Assignor::Uniform.assign(&spec(&one, &before, &[7]))),
            ["0-0 0-1 0-2 0-3 0-4 0-5 0-6"]
        );
    }

    #[test]
    fn topics_nobody_reads_and_partitions_that_are_gone_are_left_out() {
        let gone = Partitions::from([(topic(0), BTreeSet::from([0, 9])), (topic(7), BTreeSet::from([0]))]);
        let before = BTreeMap::from([("a", gone)]);
        let members: [(&str, &[u8]); 2] = [("a", &[0]), ("b", &[])];
        for assignor in Assignor::ALL {
            assert_eq!(shown(&assignor.assign(&spec(&members, &before, &[2, 3]))), ["0-0 0-1", ""]);
        }
        assert_eq!(Assignor::Uniform.assign(&spec(&[], &before, &[2])), []);
        assert_eq!(Assignor::Range.assign(&spec(&[], &before, &[2])), []);
    }

    fn any_group() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<i32>, u64)> {
        let reads = proptest::collection::vec(0..4u8, 0..4);
        (proptest::collection::vec(reads, 1..8), proptest::collection::vec(0..12i32, 4), any::<u64>())
    }

    /// Some assignment that was: every partition with somebody or nobody, readers or not.
    fn some_before(members: usize, topics: &[i32], seed: u64) -> Vec<Partitions> {
        let mut before = vec![Partitions::new(); members];
        for (n, count) in topics.iter().enumerate() {
            for partition in 0..*count {
                let pick = (seed >> ((partition as usize * 5 + n * 7) % 60)) as usize % (members + 1);
                if pick < members {
                    before[pick].entry(topic(n as u8)).or_default().insert(partition);
                }
            }
        }
        before
    }

    proptest! {
        #[test]
        fn every_partition_that_is_read_has_one_owner_who_reads_it((reads, topics, seed) in any_group()) {
            let ids: Vec<String> = (0..reads.len()).map(|n| format!("m{n}")).collect();
            let members: Vec<(&str, &[u8])> =
                ids.iter().zip(&reads).map(|(id, reads)| (id.as_str(), reads.as_slice())).collect();
            let before = some_before(reads.len(), &topics, seed);
            let before: BTreeMap<&str, Partitions> =
                ids.iter().map(String::as_str).zip(before).collect();
            let spec = spec(&members, &before, &topics);
            for assignor in Assignor::ALL {
                let assigned = assignor.assign(&spec);
                let mut owned = BTreeSet::new();
                for (member, partitions) in spec.members.iter().zip(&assigned) {
                    for (topic, set) in partitions {
                        prop_assert!(member.topics.contains(topic) && !set.is_empty());
                        prop_assert!(set.iter().all(|partition| owned.insert((*topic, *partition))), "two owners");
                    }
                }
                let read: BTreeSet<TopicId> = spec.members.iter().flat_map(|member| member.topics.clone()).collect();
                let expected: usize = read.iter().map(|topic| spec.topics[topic] as usize).sum();
                prop_assert_eq!(owned.len(), expected);
                // What is settled stays as it is.
                let settled: BTreeMap<&str, Partitions> =
                    ids.iter().map(String::as_str).zip(assigned.clone()).collect();
                prop_assert_eq!(assignor.assign(&self::spec(&members, &settled, &topics)), assigned);
            }
        }

        #[test]
        fn uniform_is_even_and_sticky_where_all_read_the_same(
            members in 1..9usize, topics in proptest::collection::vec(0..12i32, 3), seed: u64,
        ) {
            let ids: Vec<String> = (0..members).map(|n| format!("m{n}")).collect();
            let candidates: Vec<(&str, &[u8])> = ids.iter().map(|id| (id.as_str(), &[0, 1, 2][..])).collect();
            let before = some_before(members, &topics, seed);
            let named: BTreeMap<&str, Partitions> = ids.iter().map(String::as_str).zip(before.clone()).collect();
            let assigned = Assignor::Uniform.assign(&spec(&candidates, &named, &topics));
            let loads: Vec<usize> = assigned.iter().map(load).collect();
            prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{loads:?}");
            // Nobody gives anything away who has no more than the larger share.
            let total: usize = loads.iter().sum();
            let (least, most) = (total / members, total.div_ceil(members));
            for (was, is) in before.iter().zip(&assigned) {
                let kept: usize = was.iter()
                    .map(|(topic, set)| is.get(topic).map_or(0, |now| set.intersection(now).count()))
                    .sum();
                prop_assert!(kept >= load(was).min(least), "{kept} of {} kept", load(was));
                prop_assert!(load(was) > most || kept == load(was) || load(is) == least);
            }
        }
    }
}
