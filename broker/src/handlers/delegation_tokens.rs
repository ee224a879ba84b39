//! Delegation tokens (KIP-48): CreateDelegationToken (38), RenewDelegationToken (39), ExpireDelegationToken (40),
//! DescribeDelegationToken (41).
//!
//! Not served: as Apache Kafka does without a `delegation.token.secret.key`, each says that they are disabled,
//! which clients understand better than an API that is not there.

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::create_delegation_token::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse,
};
use protocol::messages::describe_delegation_token::{
    DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
};
use protocol::messages::expire_delegation_token::{
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
};
use protocol::messages::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

use super::Cx;
use super::handler::{Call, Handler, Reply};

const DISABLED: ErrorCode = ErrorCode::DelegationTokenAuthDisabled;

macro_rules! disabled {
    ($(#[$about:meta])* $Handler:ident [$versions:expr]: $Request:ty => $Response:ident $(<$a:lifetime>)?) => {
        $(#[$about])*
        pub(super) struct $Handler;

        impl Handler for $Handler {
            type Request<'a> = $Request;
            const VERSIONS: RangeInclusive<i16> = $versions;

            async fn handle<'a>(_: &'a Arc<Cx>, _: &'a Call, _: $Request) -> Reply<$Response $(<$a>)?> {
                Reply::Answer($Response { error_code: DISABLED.code(), ..$Response::default() })
            }
        }
    };
}

disabled! {
    /// Versions 0-3: 2 is flexible; 3 may name another owner (KIP-373).
    CreateDelegationToken [0..=3]: CreateDelegationTokenRequest<'a> => CreateDelegationTokenResponse<'a>
}
disabled! {
    /// Versions 0-2: 2 is flexible.
    RenewDelegationToken [0..=2]: RenewDelegationTokenRequest<'a> => RenewDelegationTokenResponse
}
disabled! {
    /// Versions 0-2: 2 is flexible.
    ExpireDelegationToken [0..=2]: ExpireDelegationTokenRequest<'a> => ExpireDelegationTokenResponse
}
disabled! {
    /// Versions 0-3: 2 is flexible; 3 tells who asked for a token (KIP-373).
    DescribeDelegationToken [0..=3]: DescribeDelegationTokenRequest<'a> => DescribeDelegationTokenResponse<'a>
}
