//! RenewDelegationToken (39): lets a delegation token live longer (KIP-48).
//!
//! Versions 0-2: 2 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    RenewDelegationToken [0..=2, flexible 2..]: RenewDelegationTokenRequest<'a> =>
        RenewDelegationTokenResponse;

    /// A token to renew.
    pub struct RenewDelegationTokenRequest<'a> {
        /// The token's HMAC, which is its secret.
        hmac: Cow<'a, [u8]>;
        /// For how long, in milliseconds; -1 for the server's default.
        renew_period_ms: i64;
    }

    /// What became of it.
    pub struct RenewDelegationTokenResponse {
        /// 0, or why it failed.
        error_code: i16;
        /// When it expires unless renewed, in milliseconds since 1970.
        expiry_timestamp_ms: i64;
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
    }
}
