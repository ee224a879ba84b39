//! What all requests, and all responses, have in common.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::codec::{Decode, Encode};

/// A request, and with it an API.
///
/// `'a` is the frame that it borrows from. The response may borrow from there too, so that the answer for
/// a topic can take the topic's name as it came.
pub trait Request<'a>: Decode<'a> + Encode + Sized {
    /// The API.
    const KEY: ApiKey;
    /// The versions there are.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version, if any is.
    const FLEXIBLE_FROM: Option<i16>;
    /// What answers it.
    type Response: Response<'a>;
}

/// A response. See [`Request`].
pub trait Response<'a>: Decode<'a> + Encode + Sized {
    /// The API.
    const KEY: ApiKey;
    /// The versions there are.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version, if any is.
    const FLEXIBLE_FROM: Option<i16>;
}
