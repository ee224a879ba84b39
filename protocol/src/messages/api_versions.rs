//! ApiVersions (18): which APIs and versions a broker serves; the first thing most clients ask.
//!
//! Versions 0-5: 1 adds the throttle time to the answer; 3 is flexible and tells the client's software
//! and the cluster's features; 4 lets a feature's minimum be 0 (KAFKA-17011); 5 lets the client say which
//! cluster and node it means to talk to, and may answer REBOOTSTRAP_REQUIRED (KIP-1242).
//!
//! The response's *header* is never flexible: a client must be able to read the answer to a version that
//! the broker does not know. Such a request is answered in version 0 with UNSUPPORTED_VERSION and this
//! API's own range (KIP-511).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ApiVersions [0..=5, flexible 3..]: ApiVersionsRequest<'a> => ApiVersionsResponse<'a>;

    /// Asks which APIs and versions the broker serves.
    pub struct ApiVersionsRequest<'a> {
        /// The client library.
        client_software_name: Cow<'a, str> [3.., ignorable];
        /// The client library's version.
        client_software_version: Cow<'a, str> [3.., ignorable];
        /// The cluster the client means to talk to, if it knows.
        cluster_id: Option<Cow<'a, str>> [5.., ignorable];
        /// The broker the client means to talk to, if it knows, else -1.
        node_id: i32 [5.., ignorable] = -1;
    }

    /// Which APIs and versions the broker serves.
    pub struct ApiVersionsResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// The APIs served.
        api_keys: Vec<ApiVersion>;
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
    } tagged {
        /// Features supported; versions below 4 leave out those whose minimum is 0.
        supported_features(0): Vec<SupportedFeatureKey<'a>> [3.., ignorable];
        /// Grows with every change of the finalized features; -1 if not known.
        finalized_features_epoch(1): i64 [3.., ignorable] = -1;
        /// Features in force in the whole cluster.
        finalized_features(2): Vec<FinalizedFeatureKey<'a>> [3.., ignorable];
        /// Whether a controller is ready to take over from ZooKeeper.
        zk_migration_ready(3): bool [3.., ignorable];
    }

    /// One API that is served.
    pub struct ApiVersion {
        /// The API's key.
        api_key: i16;
        /// The lowest version served.
        min_version: i16;
        /// The highest version served.
        max_version: i16;
    }

    /// A feature that the broker supports.
    pub struct SupportedFeatureKey<'a> {
        /// The feature's name.
        name: Cow<'a, str>;
        /// The lowest version supported.
        min_version: i16;
        /// The highest version supported.
        max_version: i16;
    }

    /// A feature in force in the whole cluster.
    pub struct FinalizedFeatureKey<'a> {
        /// The feature's name.
        name: Cow<'a, str>;
        /// The highest version in force.
        max_version_level: i16;
        /// The lowest version in force.
        min_version_level: i16;
    }
}
