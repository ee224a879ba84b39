//! UpdateFeatures (57): raises and lowers the levels of features (KIP-584, KIP-778).
//!
//! Source: `FeatureControlManager` in Apache Kafka.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{ApiError, Image, Record};
use crate::features::FEATURES;

/// From this version on all updates are made or none, and the one error is the answer's.
const WHOLE_SINCE: i16 = 2;
/// First version that says which way a level may go.
const TYPES_SINCE: i16 = 1;

/// Versions 0-2, all flexible: 1 tells upgrades from safe and unsafe downgrades, and may only check; 2 answers one
/// error for all.
pub(super) struct UpdateFeatures;

/// Which way a level may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// One update, checked in itself.
#[derive(Clone, Debug)]
struct Update {
    name: String,
    level: i16,
    way: Way,
}

impl Handler for UpdateFeatures {
    type Request<'a> = UpdateFeaturesRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: UpdateFeaturesRequest<'a>,
    ) -> Reply<UpdateFeaturesResponse<'a>> {
        let mut seen = BTreeSet::new();
        let asked: Vec<_> = (request.feature_updates.iter())
            .map(|update| match seen.insert(update.feature.to_string()) {
                true => parse(update, call.version),
                false => Err(ApiError::new(ErrorCode::InvalidRequest, "a feature may be named once only")),
            })
            .collect();
        let (validate_only, all_or_none) = (request.validate_only, call.version >= WHOLE_SINCE);
        let decide = move |image: &Image| {
            let answers: Vec<_> = asked.into_iter().map(|update| decided(image, update?)).collect();
            let refused = all_or_none && answers.iter().any(Result::is_err);
            let records = answers.iter().flatten().filter(|_| !validate_only && !refused).flatten().cloned();
            (records.collect(), answers)
        };
        let answers = match cx.change_records(decide).await {
            Ok(answers) => answers,
            Err(error) => return Reply::Answer(whole(error.into())),
        };
        if all_or_none {
            let refused = answers.into_iter().find_map(Result::err);
            return Reply::Answer(refused.map_or_else(none_refused, whole));
        }
        let results = request.feature_updates.into_iter().zip(answers).map(|(update, answer)| {
            let (code, message) = match answer {
                Ok(_) => (ErrorCode::None, None),
                Err(error) => (error.code, Some(Cow::Owned(error.message))),
            };
            UpdatableFeatureResult {
                feature: update.feature,
                error_code: code.code(),
                error_message: message,
            }
        });
        Reply::Answer(UpdateFeaturesResponse { results: results.collect(), ..none_refused() })
    }
}

fn none_refused<'a>() -> UpdateFeaturesResponse<'a> {
    UpdateFeaturesResponse { error_message: None, ..UpdateFeaturesResponse::default() }
}

fn whole<'a>(error: ApiError) -> UpdateFeaturesResponse<'a> {
    UpdateFeaturesResponse {
        error_code: error.code.code(),
        error_message: Some(Cow::Owned(error.message)),
        ..UpdateFeaturesResponse::default()
    }
}

fn parse(update: &FeatureUpdateKey<'_>, version: i16) -> Result<Update, ApiError> {
    let way = match (version >= TYPES_SINCE, update.upgrade_type, update.allow_downgrade) {
        (false, _, false) | (true, 1, _) => Way::Up,
        (false, _, true) | (true, 2 | 3, _) => Way::Down,
        (true, other, _) => {
            let message = format!("the upgrade type {other} is not known");
            return Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message));
        }
    };
    Ok(Update { name: update.feature.to_string(), level: update.max_version_level, way })
}

/// The record that makes an update, unless it changes nothing.
fn decided(image: &Image, update: Update) -> Result<Option<Record>, ApiError> {
    let refused = |why: String| {
        let message = format!("Invalid update version {} for feature {}. {why}", update.level, update.name);
        Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message))
    };
    let Some(feature) = FEATURES.iter().find(|feature| feature.name == update.name) else {
        return refused("The feature is not known.".to_owned());
    };
    let level = feature.level(image);
    if !(feature.min..=feature.max).contains(&update.level) {
        return refused(format!("Versions {}-{} are supported.", feature.min, feature.max));
    }
    match update.way {
        Way::Up if update.level < level => refused(
            "Can't downgrade the version of this feature without setting the upgrade type to \
                     either safe or unsafe downgrade."
                .to_owned(),
        ),
        Way::Down if update.level > level => refused("Can't downgrade to a newer version.".to_owned()),
        _ if update.level == level => Ok(None),
        _ => Ok(Some(Record::Feature { name: update.name, level: update.level })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_move_the_way_that_was_asked_for() {
        let image = Image::default();
        let ask = |name: &str, level, way| decided(&image, Update { name: name.to_owned(), level, way });
        let lowered = Record::Feature { name: "transaction.version".to_owned(), level: 0 };
        assert_eq!(ask("transaction.version", 0, Way::Down).unwrap(), Some(lowered));
        assert_eq!(ask("transaction.version", 2, Way::Up).unwrap(), None);
        for (name, level, way) in [
            ("transaction.version", 0, Way::Up),
            ("transaction.version", 3, Way::Up),
            ("transaction.version", -1, Way::Down),
            ("metadata.version", 1, Way::Down),
            ("no.such.feature", 1, Way::Up),
        ] {
            let refused = ask(name, level, way).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidUpdateVersion, "{name} {level}");
            assert!(refused.message.contains(name), "{}", refused.message);
        }
    }

    #[test]
    fn version_0_says_with_a_flag_that_a_level_may_be_lowered() {
        let update = |allow_downgrade, upgrade_type| FeatureUpdateKey {
            feature: "transaction.version".into(),
            max_version_level: 1,
            allow_downgrade,
            upgrade_type,
        };
        assert_eq!(parse(&update(true, 1), 0).unwrap().way, Way::Down);
        assert_eq!(parse(&update(false, 1), 0).unwrap().way, Way::Up);
        assert_eq!(parse(&update(false, 3), 1).unwrap().way, Way::Down);
        assert_eq!(parse(&update(false, 0), 1).unwrap_err().code, ErrorCode::InvalidUpdateVersion);
    }
}
