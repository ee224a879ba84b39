//! DescribeClientQuotas (48): the quotas of users, clients and addresses (KIP-546).
//!
//! Versions 0-1: 1 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeClientQuotas [0..=1, flexible 1..]: DescribeClientQuotasRequest<'a> =>
        DescribeClientQuotasResponse<'a>;

    /// Asks for quotas.
    pub struct DescribeClientQuotasRequest<'a> {
        /// What to match.
        components: Vec<ComponentData<'a>>;
        /// Whether to leave out those that have types not asked for.
        strict: bool;
    }

    /// What to match in one type.
    pub struct ComponentData<'a> {
        /// What it is: `user`, `client-id` or `ip`.
        entity_type: Cow<'a, str>;
        /// 0 the name in `match_value`, 1 the default, 2 any name.
        match_type: i8;
        /// The name to match, or null.
        match_value: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// The quotas found.
    pub struct DescribeClientQuotasResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What was found; null on errors.
        entries: Option<Vec<EntryData<'a>>> = Some(Vec::new());
    }

    /// Somebody and their quotas.
    pub struct EntryData<'a> {
        /// Whose quotas: a type and a name, or several.
        entity: Vec<EntityData<'a>>;
        /// Their quotas.
        values: Vec<ValueData<'a>>;
    }

    /// A user, client or address.
    pub struct EntityData<'a> {
        /// What it is: `user`, `client-id` or `ip`.
        entity_type: Cow<'a, str>;
        /// Its name; null for the default.
        entity_name: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// A quota.
    pub struct ValueData<'a> {
        /// The quota, as in `producer_byte_rate`.
        key: Cow<'a, str>;
        /// Its value.
        value: f64;
    }
}
