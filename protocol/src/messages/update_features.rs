//! UpdateFeatures (57): sets the levels of features of the cluster (KIP-584).
//!
//! Versions 0-2, all flexible: 1 tells safe from unsafe downgrades and can check only (KIP-778); 2 has no
//! results of single features.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    UpdateFeatures [0..=2, flexible 0..]: UpdateFeaturesRequest<'a> => UpdateFeaturesResponse<'a>;

    /// New levels of features.
    pub struct UpdateFeaturesRequest<'a> {
        /// How long to wait, in milliseconds.
        timeout_ms: i32 = 60000;
        /// The features.
        feature_updates: Vec<FeatureUpdateKey<'a>>;
        /// Whether to check only and change nothing.
        validate_only: bool [1..];
    }

    /// A new level of a feature.
    pub struct FeatureUpdateKey<'a> {
        /// The feature's name.
        feature: Cow<'a, str>;
        /// Its new level; less than 1 to remove it.
        max_version_level: i16;
        /// Whether the level may be lowered.
        allow_downgrade: bool [0..=0];
        /// 1 only raises, 2 lowers if nothing is lost, 3 lowers in any case.
        upgrade_type: i8 [1..] = 1;
    }

    /// What became of them.
    pub struct UpdateFeaturesResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// The features.
        results: Vec<UpdatableFeatureResult<'a>> [0..=1, ignorable];
    }

    /// What became of one.
    pub struct UpdatableFeatureResult<'a> {
        /// The feature's name.
        feature: Cow<'a, str>;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }
}
