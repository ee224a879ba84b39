//! ListTransactions (66): the transactional ids that a coordinator knows (KIP-664).
//!
//! Versions 0-2, all flexible: 1 filters by how long a transaction has been open (KIP-994); 2 by a regular
//! expression on the transactional id (KIP-1152).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ListTransactions [0..=2, flexible 0..]: ListTransactionsRequest<'a> => ListTransactionsResponse<'a>;

    /// Asks for transactional ids; each filter that is empty lets all pass.
    pub struct ListTransactionsRequest<'a> {
        /// States by name.
        state_filters: Vec<Cow<'a, str>>;
        /// Producers.
        producer_id_filters: Vec<i64>;
        /// Only transactions open for longer than this, in ms; negative for all.
        duration_filter: i64 [1..] = -1;
        /// A regular expression (RE2) that the whole transactional id must match; null or empty for all.
        transactional_id_pattern: Option<Cow<'a, str>> [2..];
    }

    /// The transactional ids that pass.
    pub struct ListTransactionsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// State filters that name no state.
        unknown_state_filters: Vec<Cow<'a, str>>;
        /// The transactional ids.
        transaction_states: Vec<ListedTransaction<'a>>;
    }

    /// A transactional id.
    pub struct ListedTransaction<'a> {
        /// The transactional id.
        transactional_id: Cow<'a, str>;
        /// The producer.
        producer_id: i64;
        /// The state's name.
        transaction_state: Cow<'a, str>;
    }
}
