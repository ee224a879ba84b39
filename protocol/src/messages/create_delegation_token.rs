//! CreateDelegationToken (38): gives out a token to authenticate with in place of a password (KIP-48).
//!
//! Versions 0-3: 2 is flexible; 3 may name another owner, and says who asked (KIP-373).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    CreateDelegationToken [0..=3, flexible 2..]: CreateDelegationTokenRequest<'a> =>
        CreateDelegationTokenResponse<'a>;

    /// Asks for a token.
    pub struct CreateDelegationTokenRequest<'a> {
        /// Type of the owner, as in `User`; null for who asks.
        owner_principal_type: Option<Cow<'a, str>> [3..] = Some(Cow::Borrowed(""));
        /// Name of the owner; null for who asks.
        owner_principal_name: Option<Cow<'a, str>> [3..] = Some(Cow::Borrowed(""));
        /// Who else may renew it.
        renewers: Vec<CreatableRenewers<'a>>;
        /// How long it can be renewed, in milliseconds; -1 for the server's default.
        max_lifetime_ms: i64;
    }

    /// Who may renew a token.
    pub struct CreatableRenewers<'a> {
        /// Type of principal, as in `User`.
        principal_type: Cow<'a, str>;
        /// Its name.
        principal_name: Cow<'a, str>;
    }

    /// The token.
    pub struct CreateDelegationTokenResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// Type of the token's owner, as in `User`.
        principal_type: Cow<'a, str>;
        /// Name of the token's owner.
        principal_name: Cow<'a, str>;
        /// Type of who asked for it.
        token_requester_principal_type: Cow<'a, str> [3..];
        /// Name of who asked for it.
        token_requester_principal_name: Cow<'a, str> [3..];
        /// When it was made, in milliseconds since 1970.
        issue_timestamp_ms: i64;
        /// When it expires unless renewed, in milliseconds since 1970.
        expiry_timestamp_ms: i64;
        /// When it expires in any case, in milliseconds since 1970.
        max_timestamp_ms: i64;
        /// The token's name.
        token_id: Cow<'a, str>;
        /// The token's HMAC, which is its secret.
        hmac: Cow<'a, [u8]>;
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
    }
}
