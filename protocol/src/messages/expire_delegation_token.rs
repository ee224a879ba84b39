//! ExpireDelegationToken (40): ends a delegation token, or says when (KIP-48).
//!
//! Versions 0-2: 2 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ExpireDelegationToken [0..=2, flexible 2..]: ExpireDelegationTokenRequest<'a> =>
        ExpireDelegationTokenResponse;

    /// A token to end.
    pub struct ExpireDelegationTokenRequest<'a> {
        /// The token's HMAC, which is its secret.
        hmac: Cow<'a, [u8]>;
        /// In how many milliseconds it is to expire; negative for at once.
        expiry_time_period_ms: i64;
    }

    /// What became of it.
    pub struct ExpireDelegationTokenResponse {
        /// 0, or why it failed.
        error_code: i16;
        /// When it expires unless renewed, in milliseconds since 1970.
        expiry_timestamp_ms: i64;
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
    }
}
