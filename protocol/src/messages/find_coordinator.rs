//! FindCoordinator (10): which broker coordinates a group or a transactional id.
//!
//! Versions 0-6: 0 finds groups only; 1 adds transactional ids, error messages and the throttle time; 3
//! is flexible; 4 asks for many keys at once (KIP-699); 5 may answer TRANSACTION_ABORTABLE (KIP-890); 6
//! finds share partitions, keyed `group:topic id:partition` (KIP-932).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    FindCoordinator [0..=6, flexible 3..]: FindCoordinatorRequest<'a> => FindCoordinatorResponse<'a>;

    /// Asks who coordinates.
    pub struct FindCoordinatorRequest<'a> {
        /// What to find: a group or a transactional id.
        key: Cow<'a, str> [0..=3];
        /// What the keys are: 0 groups, 1 transactional ids, 2 share partitions.
        key_type: i8 [1..];
        /// Groups or transactional ids.
        coordinator_keys: Vec<Cow<'a, str>> [4..];
    }

    /// Who coordinates.
    pub struct FindCoordinatorResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// 0, or why it failed.
        error_code: i16 [0..=3];
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [1..=3, ignorable] = Some(Cow::Borrowed(""));
        /// The coordinator.
        node_id: i32 [0..=3];
        /// The coordinator's host name.
        host: Cow<'a, str> [0..=3];
        /// Its port.
        port: i32 [0..=3];
        /// An answer for each key.
        coordinators: Vec<Coordinator<'a>> [4..];
    }

    /// Who coordinates one key.
    pub struct Coordinator<'a> {
        /// What was asked for.
        key: Cow<'a, str>;
        /// The coordinator.
        node_id: i32;
        /// The coordinator's host name.
        host: Cow<'a, str>;
        /// Its port.
        port: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }
}
