//! DescribeDelegationToken (41): the delegation tokens that there are (KIP-48).
//!
//! Versions 0-3: 2 is flexible; 3 says who asked for each (KIP-373).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeDelegationToken [0..=3, flexible 2..]: DescribeDelegationTokenRequest<'a> =>
        DescribeDelegationTokenResponse<'a>;

    /// Asks for tokens.
    pub struct DescribeDelegationTokenRequest<'a> {
        /// Whose tokens; null for all.
        owners: Option<Vec<DescribeDelegationTokenOwner<'a>>> = Some(Vec::new());
    }

    /// An owner of tokens.
    pub struct DescribeDelegationTokenOwner<'a> {
        /// Type of principal, as in `User`.
        principal_type: Cow<'a, str>;
        /// Its name.
        principal_name: Cow<'a, str>;
    }

    /// The tokens.
    pub struct DescribeDelegationTokenResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// The tokens.
        tokens: Vec<DescribedDelegationToken<'a>>;
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
    }

    /// A token.
    pub struct DescribedDelegationToken<'a> {
        /// Type of the token's owner, as in `User`.
        principal_type: Cow<'a, str>;
        /// Name of the token's owner.
        principal_name: Cow<'a, str>;
        /// Type of who asked for it.
        token_requester_principal_type: Cow<'a, str> [3..];
        /// Name of who asked for it.
        token_requester_principal_name: Cow<'a, str> [3..];
        /// When it was made, in milliseconds since 1970.
        issue_timestamp: i64;
        /// When it expires unless renewed, in milliseconds since 1970.
        expiry_timestamp: i64;
        /// When it expires in any case, in milliseconds since 1970.
        max_timestamp: i64;
        /// The token's name.
        token_id: Cow<'a, str>;
        /// The token's HMAC, which is its secret.
        hmac: Cow<'a, [u8]>;
        /// Who else may renew it.
        renewers: Vec<DescribedDelegationTokenRenewer<'a>>;
    }

    /// Who may renew a token.
    pub struct DescribedDelegationTokenRenewer<'a> {
        /// Type of principal, as in `User`.
        principal_type: Cow<'a, str>;
        /// Its name.
        principal_name: Cow<'a, str>;
    }
}
