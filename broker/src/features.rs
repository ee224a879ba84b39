//! Features: switches of the whole cluster, by Kafka's names, and the levels in force (KIP-584).
//!
//! Clients read two of them off ApiVersions: `transaction.version` 2 makes a transactional producer expect a new epoch
//! with every transaction (KIP-890), `group.version` 1 says that there are groups of KIP-848.

use std::borrow::Cow;

use protocol::messages::api_versions::{FinalizedFeatureKey, SupportedFeatureKey};

use crate::catalog::Image;

/// First version of ApiVersions whose clients can read a feature with minimum 0 (KAFKA-17011).
const ZERO_MINIMUM_SINCE: i16 = 4;

/// One feature: the levels that this program knows, and the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) min: i16,
    pub(crate) max: i16,
    /// In force unless the catalogue says otherwise (UpdateFeatures); 0 is not in force.
    default: i16,
}

impl Feature {
    /// The level in force.
    pub(crate) fn level(&self, image: &Image) -> i16 {
        image.feature(self.name).unwrap_or(self.default)
    }
}

/// All of them, by name.
pub(crate) const FEATURES: [Feature; 3] = [
    Feature { name: "group.version", min: 0, max: 1, default: 1 },
    // 4.0-IV0 to 4.0-IV3, by whose formats the catalogue is written.
    Feature { name: "metadata.version", min: 22, max: 25, default: 25 },
    Feature { name: "transaction.version", min: 0, max: 2, default: 2 },
];

/// What this program could do, for an answer of this version of ApiVersions.
pub(crate) fn supported(version: i16) -> Vec<SupportedFeatureKey<'static>> {
    let readable = |feature: &&Feature| feature.min > 0 || version >= ZERO_MINIMUM_SINCE;
    let supported = FEATURES.iter().filter(readable).map(|feature| SupportedFeatureKey {
        name: Cow::Borrowed(feature.name),
        min_version: feature.min,
        max_version: feature.max,
    });
    supported.collect()
}

/// What is in force.
pub(crate) fn finalized(image: &Image) -> Vec<FinalizedFeatureKey<'static>> {
    let levels = FEATURES.iter().map(|feature| (feature.name, feature.level(image)));
    let in_force = levels.filter(|(_, level)| *level > 0).map(|(name, level)| FinalizedFeatureKey {
        name: Cow::Borrowed(name),
        max_version_level: level,
        min_version_level: level,
    });
    in_force.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_cannot_read_a_minimum_of_0_are_not_shown_one() {
        let names = |version| supported(version).into_iter().map(|feature| feature.name).collect::<Vec<_>>();
        assert_eq!(names(3), ["metadata.version"]);
        assert_eq!(names(4), ["group.version", "metadata.version", "transaction.version"]);
        assert!(FEATURES.is_sorted_by_key(|feature| feature.name));
        assert!(
            finalized(&Image::default())
                .iter()
                .any(|one| one.name == "transaction.version" && one.max_version_level == 2)
        );
    }
}
