//! DescribeCluster (60): the brokers of a cluster (KIP-700).
//!
//! Versions 0-2: all flexible; 1 can ask for the controllers (KIP-919) and may answer
//! MISMATCHED_ENDPOINT_TYPE and UNSUPPORTED_ENDPOINT_TYPE; 2 can list fenced brokers (KIP-1073).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeCluster [0..=2, flexible 0..]: DescribeClusterRequest => DescribeClusterResponse<'a>;

    /// Asks for the brokers.
    pub struct DescribeClusterRequest {
        /// Whether to tell what the client may do with the cluster.
        include_cluster_authorized_operations: bool;
        /// Whom to describe: 1 brokers, 2 controllers.
        endpoint_type: i8 [1..] = 1;
        /// Whether to list fenced brokers.
        include_fenced_brokers: bool [2..];
    }

    /// The brokers.
    pub struct DescribeClusterResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// Who is described: 1 brokers, 2 controllers.
        endpoint_type: i8 [1..] = 1;
        /// The cluster's name for itself.
        cluster_id: Cow<'a, str>;
        /// The broker that takes administrative requests.
        controller_id: i32 = -1;
        /// Every broker of the cluster.
        brokers: Vec<DescribeClusterBroker<'a>>;
        /// Operations the client may do on the cluster, a bit each; the least number if it did not ask.
        cluster_authorized_operations: i32 = i32::MIN;
    }

    /// A broker.
    pub struct DescribeClusterBroker<'a> {
        /// The broker.
        broker_id: i32;
        /// Its host name.
        host: Cow<'a, str>;
        /// Its port.
        port: i32;
        /// Its rack, or null.
        rack: Option<Cow<'a, str>>;
        /// Whether it is registered but not in service.
        is_fenced: bool [2..];
    }
}
