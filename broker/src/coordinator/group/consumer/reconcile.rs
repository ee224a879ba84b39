//! How a member gets from what it has to what it is to have.
//!
//! ```text
//!                   must give back                            others have yet to give back
//!      ┌──────────▶ UNREVOKED ──────── gave back ─────┬─────────────▶ UNRELEASED ◀─┐
//!      │            (old epoch)                        │              (new epoch) ──┘ more was freed
//!   STABLE ────────────────────────────────────────────┤                   │
//!      ▲                 nothing to give back          │ all was free      │ all was freed
//!      └───────────────────────────────────────────────┴───────────────────┘
//! ```
//!
//! A member moves to the target's epoch only after it has given back what is not in the target, and gets a
//! partition only when nobody else holds it: so no partition ever has two owners, however late anyone is.
//!
//! Source: `CurrentAssignmentBuilder.java` of Apache Kafka; KIP-848.

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::types::TopicId;

use crate::coordinator::group::records::{CurrentAssignment, MemberState, Partitions};
use crate::coordinator::group::requests::Refusal;

/// A member and where it is to go.
pub(super) struct Reconciliation<'a> {
    pub(super) current: &'a CurrentAssignment,
    pub(super) target_epoch: i32,
    pub(super) target: &'a Partitions,
    /// Topics that the member reads. What is not among them it must give back, whatever the target says.
    pub(super) subscribed: &'a BTreeSet<TopicId>,
    /// The subscription has changed with this very request.
    pub(super) subscription_changed: bool,
    /// What the member says it owns, if it says.
    pub(super) owned: Option<&'a Partitions>,
    /// Whether any other member holds a partition.
    pub(super) held_by_others: &'a dyn Fn(TopicId, i32) -> bool,
}

impl Reconciliation<'_> {
    /// Where the member is after this step; as it was if it cannot move.
    pub(super) fn next(&self) -> Result<CurrentAssignment, Refusal> {
        let CurrentAssignment { epoch, state, revoking, .. } = self.current;
        match state {
            MemberState::Stable if *epoch != self.target_epoch => Ok(self.towards_target(*epoch)),
            MemberState::Stable if self.subscription_changed => Ok(self.drop_unsubscribed()),
            MemberState::Stable => Ok(self.current.clone()),
            MemberState::UnrevokedPartitions if !self.still_owns(revoking) => Ok(self.towards_target(*epoch)),
            MemberState::UnrevokedPartitions if self.subscription_changed => Ok(self.drop_unsubscribed()),
            MemberState::UnrevokedPartitions => Ok(self.current.clone()),
            MemberState::UnreleasedPartitions => Ok(self.towards_target(*epoch)),
            MemberState::Unknown if self.owned.is_some_and(Partitions::is_empty) => {
                Ok(self.towards_target(self.target_epoch))
            }
            MemberState::Unknown => Err(Refusal::new(
                ErrorCode::FencedMemberEpoch,
                "The consumer group member is in a unknown state. The member must abandon all its \
                 partitions and rejoin.",
            )),
        }
    }

    /// Whether the member may still read any of these: it has not said otherwise.
    fn still_owns(&self, partitions: &Partitions) -> bool {
        let Some(owned) = self.owned else { return true };
        !intersection(owned, partitions).is_empty()
    }

    /// Gives up topics that the member has just ceased to read; the target follows later.
    fn drop_unsubscribed(&self) -> CurrentAssignment {
        let mut assigned = self.current.assigned.clone();
        assigned.retain(|topic, _| self.subscribed.contains(topic));
        if assigned == self.current.assigned {
            return self.current.clone();
        }
        let mut revoking = self.current.revoking.clone();
        for (topic, partitions) in &self.current.assigned {
            if !self.subscribed.contains(topic) {
                revoking.entry(*topic).or_default().extend(partitions);
            }
        }
        if self.still_owns(&revoking) {
            self.moved(self.current.epoch, MemberState::UnrevokedPartitions, assigned, revoking)
        } else {
            let CurrentAssignment { epoch, state, revoking, .. } = self.current;
            self.moved(*epoch, *state, assigned, revoking.clone())
        }
    }

    /// As far towards the target as others allow, from `epoch`.
    fn towards_target(&self, epoch: i32) -> CurrentAssignment {
        let mut target = self.target.clone();
        target.retain(|topic, _| self.subscribed.contains(topic));
        let mut assigned = intersection(&self.current.assigned, &target);
        let revoking = difference(&self.current.assigned, &assigned);
        if !revoking.is_empty() && self.still_owns(&revoking) {
            return self.moved(epoch, MemberState::UnrevokedPartitions, assigned, revoking);
        }
        let mut unreleased = false;
        for (topic, partitions) in difference(&target, &assigned) {
            let held = |partition: &i32| (self.held_by_others)(topic, *partition);
            let (held, free): (BTreeSet<i32>, BTreeSet<i32>) = partitions.into_iter().partition(held);
            unreleased |= !held.is_empty();
            if !free.is_empty() {
                assigned.entry(topic).or_default().extend(free);
            }
        }
        let state = if unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        self.moved(self.target_epoch, state, assigned, Partitions::new())
    }

    /// The member moved on; unchanged if that comes to the same.
    fn moved(
        &self,
        epoch: i32,
        state: MemberState,
        assigned: Partitions,
        revoking: Partitions,
    ) -> CurrentAssignment {
        let current = self.current;
        let same = (epoch, state) == (current.epoch, current.state)
            && (&assigned, &revoking) == (&current.assigned, &current.revoking);
        if same {
            return current.clone();
        }
        CurrentAssignment { epoch, previous_epoch: current.epoch, state, assigned, revoking }
    }
}

/// What is in both.
fn intersection(a: &Partitions, b: &Partitions) -> Partitions {
    let both = a.iter().filter_map(|(topic, set)| Some((*topic, set & b.get(topic)?)));
    both.filter(|(_, set)| !set.is_empty()).collect()
}

/// What is in `a` and not in `b`.
fn difference(a: &Partitions, b: &Partitions) -> Partitions {
    let rest = a.iter().map(|(topic, set)| match b.get(topic) {
        Some(other) => (*topic, set - other),
        None => (*topic, set.clone()),
    });
    rest.filter(|(_, set)| !set.is_empty()).collect()
}

/// Whether all of `a` is in `b`.
pub(super) fn is_subset(a: &Partitions, b: &Partitions) -> bool {
    difference(a, b).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TopicId = TopicId([1; 16]);
    const U: TopicId = TopicId([2; 16]);

    fn of(topic: TopicId, partitions: &[i32]) -> Partitions {
        let set: BTreeSet<i32> = partitions.iter().copied().collect();
        if set.is_empty() { Partitions::new() } else { Partitions::from([(topic, set)]) }
    }

    fn at(epoch: i32, state: MemberState, assigned: &[i32], revoking: &[i32]) -> CurrentAssignment {
        let (assigned, revoking) = (of(T, assigned), of(T, revoking));
        CurrentAssignment { epoch, previous_epoch: epoch - 1, state, assigned, revoking }
    }

    /// Current, target (epoch 5), what the member says it owns, what others hold, and where that leads:
    /// epoch, state, assigned, to be given back.
    type Case =
        (CurrentAssignment, &'static [i32], Option<&'static [i32]>, &'static [i32], CurrentAssignment);

    #[test]
    fn members_give_back_before_they_get_and_get_what_is_free() {
        use MemberState::{Stable, UnreleasedPartitions as Unreleased, UnrevokedPartitions as Unrevoked};
        let cases: Vec<Case> = vec![
            // A new member gets what is free, and waits for the rest.
            (at(0, Stable, &[], &[]), &[1, 2], Some(&[]), &[], at(5, Stable, &[1, 2], &[])),
            (at(0, Stable, &[], &[]), &[1, 2], Some(&[]), &[2], at(5, Unreleased, &[1], &[])),
            (at(0, Stable, &[], &[]), &[1], Some(&[]), &[1], at(5, Unreleased, &[], &[])),
            (at(0, Stable, &[], &[]), &[], Some(&[]), &[], at(5, Stable, &[], &[])),
            // Giving back comes first, in the old epoch.
            (at(4, Stable, &[1, 2], &[]), &[1, 3], None, &[], at(4, Unrevoked, &[1], &[2])),
            (at(4, Stable, &[1, 2], &[]), &[1, 3], Some(&[1, 2]), &[], at(4, Unrevoked, &[1], &[2])),
            (at(4, Unrevoked, &[1], &[2]), &[1, 3], None, &[], at(4, Unrevoked, &[1], &[2])),
            (at(4, Unrevoked, &[1], &[2]), &[1, 3], Some(&[1, 2]), &[], at(4, Unrevoked, &[1], &[2])),
            (at(4, Unrevoked, &[1], &[2]), &[1, 3], Some(&[1]), &[], at(5, Stable, &[1, 3], &[])),
            (at(4, Unrevoked, &[1], &[2]), &[1, 3], Some(&[1]), &[3], at(5, Unreleased, &[1], &[])),
            // It already says that it does not own them.
            (at(4, Stable, &[1, 2], &[]), &[1], Some(&[1]), &[], at(5, Stable, &[1], &[])),
            // While it gave back, the target moved on: more to give back, or the same again.
            (at(4, Unrevoked, &[1], &[2]), &[3], Some(&[1]), &[], at(4, Unrevoked, &[], &[1])),
            (at(4, Unrevoked, &[1], &[2]), &[1, 2], Some(&[1]), &[], at(5, Stable, &[1, 2], &[])),
            // What others hold comes when it is freed.
            (at(5, Unreleased, &[1], &[]), &[1, 2], None, &[2], at(5, Unreleased, &[1], &[])),
            (at(5, Unreleased, &[1], &[]), &[1, 2, 3], None, &[3], at(5, Unreleased, &[1, 2], &[])),
            (at(5, Unreleased, &[1], &[]), &[1, 2], None, &[], at(5, Stable, &[1, 2], &[])),
            (at(4, Unreleased, &[1], &[]), &[2], None, &[], at(4, Unrevoked, &[], &[1])),
            // There already.
            (at(5, Stable, &[1], &[]), &[1], None, &[], at(5, Stable, &[1], &[])),
        ];
        for (current, target, owned, held, expected) in cases {
            let owned = owned.map(|owned| of(T, owned));
            let next = Reconciliation {
                current: &current,
                target_epoch: 5,
                target: &of(T, target),
                subscribed: &BTreeSet::from([T]),
                subscription_changed: false,
                owned: owned.as_ref(),
                held_by_others: &|_, partition| held.contains(&partition),
            };
            let next = next.next().unwrap();
            let what = format!("{current:?} to {target:?}, owning {owned:?}, held {held:?}");
            assert_eq!((next.epoch, next.state), (expected.epoch, expected.state), "{what}");
            assert_eq!((&next.assigned, &next.revoking), (&expected.assigned, &expected.revoking), "{what}");
            assert!(next == current || next.previous_epoch == current.epoch, "{what}");
        }
    }

    #[test]
    fn topics_no_longer_read_are_given_back_at_once() {
        let current = CurrentAssignment {
            epoch: 5,
            assigned: [of(T, &[1]), of(U, &[1])].into_iter().flatten().collect(),
            ..CurrentAssignment::default()
        };
        let target = current.assigned.clone();
        let subscribed = BTreeSet::from([U]);
        let mut step = Reconciliation {
            current: &current,
            target_epoch: 5,
            target: &target,
            subscribed: &subscribed,
            subscription_changed: true,
            owned: None,
            held_by_others: &|_, _| false,
        };
        let next = step.next().unwrap();
        assert_eq!(
            (next.state, &next.assigned, &next.revoking),
            (MemberState::UnrevokedPartitions, &of(U, &[1]), &of(T, &[1]))
        );
        let owned = of(U, &[1]);
        step.owned = Some(&owned);
        let next = step.next().unwrap();
        assert_eq!((next.state, &next.assigned), (MemberState::Stable, &of(U, &[1])));
        // What the target still has of it is not handed back.
        step.current = &next;
        step.target_epoch = 6;
        assert_eq!(step.next().unwrap().assigned, of(U, &[1]));
    }

    #[test]
    fn a_state_from_the_future_is_left_by_joining_anew() {
        let current = at(4, MemberState::Unknown, &[1], &[]);
        let (target, nothing) = (of(T, &[2]), Partitions::new());
        let mut step = Reconciliation {
            current: &current,
            target_epoch: 5,
            target: &target,
            subscribed: &BTreeSet::from([T]),
            subscription_changed: false,
            owned: None,
            held_by_others: &|_, _| false,
        };
        assert_eq!(step.next().unwrap_err().error, ErrorCode::FencedMemberEpoch);
        step.owned = Some(&nothing);
        assert_eq!(step.next().unwrap().assigned, of(T, &[2]));
    }
}
