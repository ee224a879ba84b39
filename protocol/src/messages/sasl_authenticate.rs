//! SaslAuthenticate (36): carries the tokens of a SASL mechanism (KIP-152).
//!
//! Versions 0-2: 1 tells how long the session lives (KIP-368); 2 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    SaslAuthenticate [0..=2, flexible 2..]: SaslAuthenticateRequest<'a> => SaslAuthenticateResponse<'a>;

    /// The client's next token.
    pub struct SaslAuthenticateRequest<'a> {
        /// What the client says, in the mechanism chosen.
        auth_bytes: Cow<'a, [u8]>;
    }

    /// The broker's next token.
    pub struct SaslAuthenticateResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What the broker says, in the mechanism chosen.
        auth_bytes: Cow<'a, [u8]>;
        /// How long until the client must authenticate again (KIP-368); 0 for never.
        session_lifetime_ms: i64 [1.., ignorable];
    }
}
