//! PushTelemetry (72): metrics of a client (KIP-714).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    PushTelemetry [0..=0, flexible 0..]: PushTelemetryRequest<'a> => PushTelemetryResponse;

    /// Metrics of a client.
    pub struct PushTelemetryRequest<'a> {
        /// The client.
        client_instance_id: TopicId;
        /// Stands for what was asked of the client.
        subscription_id: i32;
        /// Whether the client is going.
        terminating: bool;
        /// The metrics' compression, as of record batches.
        compression_type: i8;
        /// OpenTelemetry `MetricsData`, in Protocol Buffers.
        metrics: Cow<'a, [u8]>;
    }

    /// What became of them.
    pub struct PushTelemetryResponse {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
    }
}
