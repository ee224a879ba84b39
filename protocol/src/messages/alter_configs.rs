//! AlterConfigs (33): replaces configuration; what is not named goes back to its default. Superseded by
//! IncrementalAlterConfigs.
//!
//! Versions 0-2: 2 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    AlterConfigs [0..=2, flexible 2..]: AlterConfigsRequest<'a> => AlterConfigsResponse<'a>;

    /// Configuration to set.
    pub struct AlterConfigsRequest<'a> {
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
        /// The value; null where none is needed.
        value: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// What became of each.
    pub struct AlterConfigsResponse<'a> {
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
