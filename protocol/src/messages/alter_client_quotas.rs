//! AlterClientQuotas (49): changes quotas of users, clients and addresses (KIP-546).
//!
//! Versions 0-1: 1 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    AlterClientQuotas [0..=1, flexible 1..]: AlterClientQuotasRequest<'a> => AlterClientQuotasResponse<'a>;

    /// Changes of quotas.
    pub struct AlterClientQuotasRequest<'a> {
        /// Whose quotas to change.
        entries: Vec<EntryData<'a>>;
        /// Whether to check only and change nothing.
        validate_only: bool;
    }

    /// Somebody and changes of their quotas.
    pub struct EntryData<'a> {
        /// Whose quotas: a type and a name, or several.
        entity: Vec<EntityData<'a>>;
        /// The changes.
        ops: Vec<OpData<'a>>;
    }

    /// A user, client or address.
    pub struct EntityData<'a> {
        /// What it is: `user`, `client-id` or `ip`.
        entity_type: Cow<'a, str>;
        /// Its name; null for the default.
        entity_name: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// A change of a quota.
    pub struct OpData<'a> {
        /// The quota, as in `producer_byte_rate`.
        key: Cow<'a, str>;
        /// Its new value, unless it is removed.
        value: f64;
        /// Whether to remove it.
        remove: bool;
    }

    /// What became of them.
    pub struct AlterClientQuotasResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// What became of each.
        entries: Vec<EntryResponse<'a>>;
    }

    /// What became of one.
    pub struct EntryResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// Whose quotas: a type and a name, or several.
        entity: Vec<EntityData<'a>>;
    }
}
