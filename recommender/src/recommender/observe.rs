//! Looking on while a message is learnt.

use super::{Forgotten, Incoming, Recommender};
use crate::ingest::event::Event;
use crate::ingest::rejection::Rejection;

/// An event that was found clean, as those who look on see it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The message it is of.
    pub message: &'a Incoming<'a>,
    /// The event, with its action in the spelling it came in.
    pub event: &'a Event<'a>,
    /// Whose event it is, where users and items of tenants are told apart; `None` if nobody's or all are one.
    pub tenant: Option<&'a str>,
    /// The key under which its history is kept: the user, or the session in the user's place; `None` if it has neither.
    pub user: Option<&'a str>,
    /// The action, in the spelling of the settings.
    pub action: &'a str,
    /// What the action says for the item, after the event's rating.
    pub weight: f32,
    /// Whether all the events of the message are of the same user.
    pub of_one_user: bool,
}

/// Is shown what becomes of the events of a message.
pub(crate) trait Observer {
    /// Before an event is learnt.
    ///
    /// # Errors
    /// [`Rejection`] keeps it from being learnt, as if it had not been clean.
    fn admit(&mut self, seen: &Seen<'_>, recommender: &Recommender) -> Result<(), Rejection>;

    /// When an event has been learnt.
    fn learnt(&mut self, seen: &Seen<'_>, recommender: &Recommender);

    /// When an event was refused though others of its message were learnt. `line`: its place among them, from 0.
    fn refused(&mut self, line: usize, event: &Event<'_>, rejection: &Rejection);

    /// When a user has been forgotten, of a tenant if they are told apart, with the proof.
    fn forgotten(&mut self, tenant: Option<&str>, user: &str, proof: &Forgotten);
}

/// Nobody looks on.
pub(super) struct Unobserved;

impl Observer for Unobserved {
    fn admit(&mut self, _: &Seen<'_>, _: &Recommender) -> Result<(), Rejection> {
        Ok(())
    }

    fn learnt(&mut self, _: &Seen<'_>, _: &Recommender) {}

    fn refused(&mut self, _: usize, _: &Event<'_>, _: &Rejection) {}

    fn forgotten(&mut self, _: Option<&str>, _: &str, _: &Forgotten) {}
}
