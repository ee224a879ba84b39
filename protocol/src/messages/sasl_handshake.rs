//! SaslHandshake (17): chooses a SASL mechanism.
//!
//! Versions 0-1: after 0 the mechanism's tokens follow as bare frames, after 1 in SaslAuthenticate
//! (KIP-152). Neither is flexible, and no other can be: clients up to 2.4 would misread it (KAFKA-9577).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    SaslHandshake [0..=1]: SaslHandshakeRequest<'a> => SaslHandshakeResponse<'a>;

    /// Chooses a mechanism.
    pub struct SaslHandshakeRequest<'a> {
        /// The mechanism chosen.
        mechanism: Cow<'a, str>;
    }

    /// The mechanisms there are.
    pub struct SaslHandshakeResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// The mechanisms there are.
        mechanisms: Vec<Cow<'a, str>>;
    }
}
