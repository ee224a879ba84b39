//! ListConfigResources (74): what can be configured, or has been (KIP-714, KIP-1142).

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use super::Cx;
use super::configs::BROKER_LOGGER;
use super::handler::{Call, Handler, Reply};
use crate::catalog::ResourceKind;

/// Every type there is.
const ALL: [i8; 5] = [2, 4, BROKER_LOGGER, 16, 32];

/// Versions 0-1: 0 lists subscriptions to clients' metrics; 1 what it is asked for. Both are flexible.
pub(super) struct ListConfigResources;

impl Handler for ListConfigResources {
    type Request<'a> = ListConfigResourcesRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: ListConfigResourcesRequest,
    ) -> Reply<ListConfigResourcesResponse<'a>> {
        let kinds = match &request.resource_types[..] {
            _ if call.version == 0 => vec![ResourceKind::ClientMetrics.code()],
            [] => ALL.to_vec(),
            asked => asked.to_vec(),
        };
        if kinds.iter().any(|kind| !ALL.contains(kind)) {
            return Reply::Answer(ListConfigResourcesResponse {
                error_code: ErrorCode::UnsupportedVersion.code(),
                ..ListConfigResourcesResponse::default()
            });
        }
        let mut config_resources = Vec::new();
        for kind in ALL.into_iter().filter(|kind| kinds.contains(kind)) {
            config_resources.extend(
                names(cx, kind)
                    .into_iter()
                    .map(|name| ConfigResource { resource_name: Cow::Owned(name), resource_type: kind }),
            );
        }
        Reply::Answer(ListConfigResourcesResponse {
            config_resources,
            ..ListConfigResourcesResponse::default()
        })
    }
}

/// Topics and brokers are listed whether something was set on them or not; the others are known by that alone.
fn names(cx: &Cx, kind: i8) -> Vec<String> {
    match ResourceKind::from_code(kind) {
        Some(ResourceKind::Topic) => cx.catalog.topics().iter().map(|topic| topic.name.to_string()).collect(),
        Some(ResourceKind::Broker) | None => vec![cx.node.id.to_string()],
        Some(kind) => cx.catalog.with_image(|image| image.configured(kind).map(str::to_owned).collect()),
    }
}
