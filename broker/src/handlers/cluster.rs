//! DescribeCluster (60): the one node.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::handler::{Call, Handler, Reply};
use super::{Cx, operations};

/// Asks for brokers; the other type, 2, asks for controllers (KIP-919).
const BROKERS: i8 = 1;

/// Versions 0-2: 1 adds the endpoint type; 2 may list fenced brokers. All are flexible.
pub(super) struct DescribeCluster;

impl Handler for DescribeCluster {
    type Request<'a> = DescribeClusterRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: DescribeClusterRequest,
    ) -> Reply<DescribeClusterResponse<'a>> {
        if request.endpoint_type != BROKERS {
            return Reply::Answer(DescribeClusterResponse {
                error_code: ErrorCode::MismatchedEndpointType.code(),
                error_message: Some(Cow::Borrowed("The request was sent to an endpoint of the wrong type.")),
                ..DescribeClusterResponse::default()
            });
        }
        let (host, port) = cx.advertised(&call.connection);
        let broker = DescribeClusterBroker {
            broker_id: cx.node.id,
            host: Cow::Owned(host),
            port: port.into(),
            ..DescribeClusterBroker::default()
        };
        let authorized = request.include_cluster_authorized_operations.then_some(operations::CLUSTER);
        Reply::Answer(DescribeClusterResponse {
            endpoint_type: BROKERS,
            cluster_id: Cow::Borrowed(&cx.node.cluster_id),
            controller_id: cx.node.id,
            brokers: vec![broker],
            cluster_authorized_operations: authorized.unwrap_or(operations::NOT_ASKED),
            ..DescribeClusterResponse::default()
        })
    }
}
