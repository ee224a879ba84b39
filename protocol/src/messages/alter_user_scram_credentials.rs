//! AlterUserScramCredentials (51): sets and removes what users authenticate with by SCRAM (KIP-554).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    AlterUserScramCredentials [0..=0, flexible 0..]: AlterUserScramCredentialsRequest<'a> =>
        AlterUserScramCredentialsResponse<'a>;

    /// Changes of credentials.
    pub struct AlterUserScramCredentialsRequest<'a> {
        /// Credentials to remove.
        deletions: Vec<ScramCredentialDeletion<'a>>;
        /// Credentials to set.
        upsertions: Vec<ScramCredentialUpsertion<'a>>;
    }

    /// A credential to remove.
    pub struct ScramCredentialDeletion<'a> {
        /// The user's name.
        name: Cow<'a, str>;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8;
    }

    /// A credential to set.
    pub struct ScramCredentialUpsertion<'a> {
        /// The user's name.
        name: Cow<'a, str>;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8;
        /// How often the password was hashed.
        iterations: i32;
        /// What the client chose to hash the password with.
        salt: Cow<'a, [u8]>;
        /// The hashed password.
        salted_password: Cow<'a, [u8]>;
    }

    /// What became of them.
    pub struct AlterUserScramCredentialsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// An answer for each user.
        results: Vec<AlterUserScramCredentialsResult<'a>>;
    }

    /// What became of a user's.
    pub struct AlterUserScramCredentialsResult<'a> {
        /// The user's name.
        user: Cow<'a, str>;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }
}
