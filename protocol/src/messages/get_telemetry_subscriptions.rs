//! GetTelemetrySubscriptions (71): which of its metrics a client is to push (KIP-714).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    GetTelemetrySubscriptions [0..=0, flexible 0..]: GetTelemetrySubscriptionsRequest =>
        GetTelemetrySubscriptionsResponse<'a>;

    /// Asks which of the client's metrics are wanted.
    pub struct GetTelemetrySubscriptionsRequest {
        /// The client; zero in its first request.
        client_instance_id: TopicId;
    }

    /// What is wanted.
    pub struct GetTelemetrySubscriptionsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// The id given to the client, if it had none.
        client_instance_id: TopicId;
        /// Stands for what is asked of the client.
        subscription_id: i32;
        /// Compression that may be used, the preferred first.
        accepted_compression_types: Vec<i8>;
        /// How often to push, in milliseconds.
        push_interval_ms: i32;
        /// The most that a push may carry, in bytes.
        telemetry_max_bytes: i32;
        /// Whether counters tell their increase since the last push.
        delta_temporality: bool;
        /// Prefixes of metrics; none for no metrics, an empty one for all.
        requested_metrics: Vec<Cow<'a, str>>;
    }
}
