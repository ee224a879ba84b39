//! IncrementalAlterConfigs (44): changes configuration value by value (KIP-339).
//!
//! Versions 0-1: 1 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    IncrementalAlterConfigs [0..=1, flexible 1..]: IncrementalAlterConfigsRequest<'a> => IncrementalAlterConfigsResponse<'a>;

    /// Configuration to change.
    pub struct IncrementalAlterConfigsRequest<'a> {
        /// What to configure.
        resources: Vec<AlterConfigsResource<'a>>;
        /// Whether to check only and change nothing.
        validate_only: bool;
    }

    /// What to configure.
    pub struct AlterConfigsResource<'a> {
        /// What it is: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8;
        /// Its name.
        resource_name: Cow<'a, str>;
        /// Its configuration.
        configs: Vec<AlterableConfig<'a>>;
    }

    /// A configuration value.
    pub struct AlterableConfig<'a> {
        /// The key.
        name: Cow<'a, str>;
        /// What to do: 0 set, 1 delete, 2 append to the list, 3 take from the list.
        config_operation: i8;
        /// The value; null where none is needed.
        value: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// What became of each.
    pub struct IncrementalAlterConfigsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// An answer for each.
        responses: Vec<AlterConfigsResourceResponse<'a>>;
    }

    /// What became of it.
    pub struct AlterConfigsResourceResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What it is: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8;
        /// Its name.
        resource_name: Cow<'a, str>;
    }
}
