//! ApiVersions (18): what this broker serves, read off the table itself.

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::ApiKey;
use protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};

use super::handler::{Call, Handler, Reply};
use super::{Cx, ROWS};
use crate::features;

/// First version whose client names its software (KIP-511).
const SOFTWARE_SINCE: i16 = 3;
/// First version that says which node of which cluster it means to talk to (KIP-1242).
const TARGET_SINCE: i16 = 5;

/// Versions 0-5: 1 adds throttling; 3 is flexible, names the client's software and answers features;
/// 4 may answer features whose minimum is 0; 5 carries the cluster and node it expects.
///
/// The response header is always version 0, so that a client of any age can read it. A version
/// above ours is answered by [`unsupported`], with the body unread (KIP-511).
pub(super) struct ApiVersions;

impl Handler for ApiVersions {
    type Request<'a> = ApiVersionsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: ApiVersionsRequest<'a>,
    ) -> Reply<ApiVersionsResponse<'a>> {
        let names = [&request.client_software_name, &request.client_software_version];
        if call.version >= SOFTWARE_SINCE && !names.into_iter().all(|name| is_software_name(name)) {
            return Reply::Answer(failed(ErrorCode::InvalidRequest));
        }
        if call.version >= TARGET_SINCE && !is_meant(cx, &request) {
            return Reply::Answer(failed(ErrorCode::RebootstrapRequired));
        }
        Reply::Answer(ApiVersionsResponse {
            api_keys: served(),
            supported_features: features::supported(call.version),
            finalized_features_epoch: 0,
            finalized_features: cx.catalog.with_image(features::finalized),
            ..ApiVersionsResponse::default()
        })
    }
}

/// The answer to an ApiVersions request of a version that we do not know: error 35 in the form of
/// version 0, with only this API's own range.
pub(super) fn unsupported() -> ApiVersionsResponse<'static> {
    let own = served().into_iter().filter(|row| row.api_key == ApiKey::ApiVersions.code()).collect();
    ApiVersionsResponse { api_keys: own, ..failed(ErrorCode::UnsupportedVersion) }
}

fn failed(code: ErrorCode) -> ApiVersionsResponse<'static> {
    ApiVersionsResponse { error_code: code.code(), ..ApiVersionsResponse::default() }
}

fn served() -> Vec<ApiVersion> {
    ROWS.iter()
        .map(|row| ApiVersion {
            api_key: row.key.code(),
            min_version: row.version_min,
            max_version: row.version_max,
        })
        .collect()
}

fn is_meant(cx: &Cx, request: &ApiVersionsRequest<'_>) -> bool {
    let cluster = request.cluster_id.as_deref().is_none_or(|id| id == cx.node.cluster_id);
    let node = request.node_id == -1 || request.node_id == cx.node.id;
    cluster && node
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`, as Apache Kafka checks it.
fn is_software_name(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kafkas_pattern() {
        for (name, good) in [
            ("kafka-python", true),
            ("a", true),
            ("2.0.6", true),
            ("", false),
            ("-a", false),
            ("a.", false),
            ("a b", false),
            ("ä", false),
        ] {
            assert_eq!(is_software_name(name), good, "{name:?}");
        }
    }
}
