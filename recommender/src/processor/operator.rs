//! The contract of what stands beside the recommender.

use super::emission::Emission;
use crate::ingest::rejection::Rejection;
use crate::recommender::{Incoming, Recommender, Seen};
use crate::state::snapshot::{Reader, SnapshotError, Writer};

/// A machine with a state of its own beside the recommender.
///
/// Its state and what it writes may depend on nothing but the calls it gets: no clock, no randomness that is not seeded,
/// no order of a hash table. Every method has a default that does nothing, and an operator has those it needs.
pub(crate) trait Operator {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Whether messages of a topic are for [`Operator::hear`], whatever else they are.
    fn listens(&self, _topic: &str) -> bool {
        false
    }

    /// Notes that there is a message of any topic, before it is heard or learnt: the time has come to that of its record. Times
    /// may go back.
    fn pass(&mut self, _message: &Incoming<'_>, _out: &mut Vec<Emission>) {}

    /// Takes a message of a topic that it listens to. One that it cannot use becomes a dead letter among `out`.
    fn hear(&mut self, _message: &Incoming<'_>, _out: &mut Vec<Emission>) {}

    /// Looks at a clean event that is about to be learnt. Operators are asked in turn until one refuses. The dead letter of
    /// a refused event is not theirs to write.
    ///
    /// # Errors
    /// [`Rejection`] keeps the event from being learnt.
    fn admit(
        &mut self,
        _seen: &Seen<'_>,
        _recommender: &Recommender,
        _out: &mut Vec<Emission>,
    ) -> Result<(), Rejection> {
        Ok(())
    }

    /// Looks at an event that has just been learnt.
    fn learnt(&mut self, _seen: &Seen<'_>, _recommender: &Recommender, _out: &mut Vec<Emission>) {}

    /// Writes what is written now and then: after some thousand messages, and soon after the last.
    fn summarise(&mut self, _recommender: &Recommender, _out: &mut Vec<Emission>) {}

    /// Forgets a user of a tenant, or of none, as if it had never been. Operators of topics of any kind, whose keys are of no
    /// tenant, forget the key.
    fn forget(&mut self, _tenant: Option<&str>, _user: &str) {}

    /// Bytes held.
    fn size_bytes(&self) -> usize {
        0
    }

    /// Appends its state.
    fn save(&self, _out: &mut Writer) {}

    /// Takes over a state that was saved under the same settings.
    ///
    /// # Errors
    /// The bytes are no such state.
    fn load(&mut self, _input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        Ok(())
    }
}
