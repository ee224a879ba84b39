//! ListConfigResources (74): what there is that has configuration of its own (KIP-1142).
//!
//! Versions 0-1, both flexible: 0 was ListClientMetricsResources (KIP-1000) and lists these only; 1 names
//! types.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ListConfigResources [0..=1, flexible 0..]: ListConfigResourcesRequest => ListConfigResourcesResponse<'a>;

    /// Asks for what has configuration.
    pub struct ListConfigResourcesRequest {
        /// What to list; empty for all.
        resource_types: Vec<i8> [1..];
    }

    /// What has configuration.
    pub struct ListConfigResourcesResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// What was found.
        config_resources: Vec<ConfigResource<'a>>;
    }

    /// Something that has configuration.
    pub struct ConfigResource<'a> {
        /// Its name.
        resource_name: Cow<'a, str>;
        /// What it is: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [1.., ignorable] = 16;
    }
}
