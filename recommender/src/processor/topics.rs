//! The topics that are written.

/// Ranked hot items per scope and window.
pub const HOT: &str = "kindred.hot";
/// Ranked neighbours per item.
pub const SIMILAR_ITEMS: &str = "kindred.similar-items";
/// Ranked recommendations per user.
pub const RECOMMENDATIONS: &str = "kindred.recommendations";
/// Every event that was learnt, in the one normal form, by user.
pub const CLEAN_EVENTS: &str = "kindred.events.clean";
/// What is out of the ordinary, by what it is about.
pub const ALERTS: &str = "kindred.alerts";
/// Messages that could not be used, as received, with the reason in their headers.
pub const DEAD_LETTER: &str = "kindred.events.dead-letter";
/// For each user that was forgotten, under a hash of its id, the proof of what was taken back.
pub const FORGOTTEN: &str = "kindred.forgotten";
/// Questions in: the JSON of [`crate::Ask::from_json`].
pub const REQUESTS: &str = "kindred.requests";
/// Answers to them, unless a question names another topic.
pub const RESPONSES: &str = "kindred.responses";
/// What answers were worth, by figure, window and where they came from.
pub const EVALUATION: &str = "kindred.evaluation";
/// Features by user.
pub const USER_FEATURES: &str = "kindred.features.users";
/// Features by item.
pub const ITEM_FEATURES: &str = "kindred.features.items";
/// Figures over windows, by rule, window and key, of rules that name no other topic.
pub const WINDOWS: &str = "kindred.windows";

/// Those that hold the latest value of each key.
pub const COMPACTED: &[&str] =
    &[HOT, SIMILAR_ITEMS, RECOMMENDATIONS, EVALUATION, USER_FEATURES, ITEM_FEATURES, WINDOWS];
