//! DescribeUserScramCredentials (50): with which SCRAM mechanisms users can authenticate (KIP-554).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeUserScramCredentials [0..=0, flexible 0..]: DescribeUserScramCredentialsRequest<'a> =>
        DescribeUserScramCredentialsResponse<'a>;

    /// Asks for the credentials of users.
    pub struct DescribeUserScramCredentialsRequest<'a> {
        /// The users; null or empty for all.
        users: Option<Vec<UserName<'a>>> = Some(Vec::new());
    }

    /// A user.
    pub struct UserName<'a> {
        /// The user's name.
        name: Cow<'a, str>;
    }

    /// The users.
    pub struct DescribeUserScramCredentialsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// The users.
        results: Vec<DescribeUserScramCredentialsResult<'a>>;
    }

    /// A user.
    pub struct DescribeUserScramCredentialsResult<'a> {
        /// The user's name.
        user: Cow<'a, str>;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What they can authenticate with.
        credential_infos: Vec<CredentialInfo>;
    }

    /// A credential, without its secrets.
    pub struct CredentialInfo {
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8;
        /// How often the password was hashed.
        iterations: i32;
    }
}
