//! DescribeConfigs (32): the configuration of topics, brokers and groups.
//!
//! Versions 0-4: 1 tells where values come from, in place of whether they are the default, and synonyms;
//! 3 types and documentation (KIP-569); 4 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeConfigs [0..=4, flexible 4..]: DescribeConfigsRequest<'a> => DescribeConfigsResponse<'a>;

    /// Asks for configuration values.
    pub struct DescribeConfigsRequest<'a> {
        /// What to describe.
        resources: Vec<DescribeConfigsResource<'a>>;
        /// Whether to tell where else a value could come from.
        include_synonyms: bool [1..];
        /// Whether to tell what each does.
        include_documentation: bool [3..];
    }

    /// A topic, broker or group whose configuration is wanted.
    pub struct DescribeConfigsResource<'a> {
        /// What it is: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8;
        /// Its name.
        resource_name: Cow<'a, str>;
        /// Keys wanted; null for all.
        configuration_keys: Option<Vec<Cow<'a, str>>> = Some(Vec::new());
    }

    /// Configuration values.
    pub struct DescribeConfigsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// An answer for each.
        results: Vec<DescribeConfigsResult<'a>>;
    }

    /// A resource's configuration.
    pub struct DescribeConfigsResult<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What it is: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8;
        /// Its name.
        resource_name: Cow<'a, str>;
        /// Every configuration value asked for.
        configs: Vec<DescribeConfigsResourceResult<'a>>;
    }

    /// One configuration value.
    pub struct DescribeConfigsResourceResult<'a> {
        /// The key.
        name: Cow<'a, str>;
        /// The value; null if it is secret.
        value: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// Whether it cannot be changed.
        read_only: bool;
        /// Whether it was never set.
        is_default: bool [0..=0];
        /// Where the value comes from: 1 topic, 2 broker, 3 all brokers, 4 file, 5 default.
        config_source: i8 [1.., ignorable] = -1;
        /// Whether it is secret, and so told as null.
        is_sensitive: bool;
        /// Where else the value could come from, the one in force first.
        synonyms: Vec<DescribeConfigsSynonym<'a>> [1.., ignorable];
        /// 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password.
        config_type: i8 [3.., ignorable];
        /// What it does.
        documentation: Option<Cow<'a, str>> [3.., ignorable] = Some(Cow::Borrowed(""));
    }

    /// Another place that the value could come from.
    pub struct DescribeConfigsSynonym<'a> {
        /// The key.
        name: Cow<'a, str>;
        /// The value.
        value: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// Where the value comes from, as in `config_source`.
        source: i8;
    }
}
