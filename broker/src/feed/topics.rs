//! The recommender's output topics, and the settings that well-known topics are made with.

/// Ranked hot items per scope and window.
pub(crate) const HOT: &str = "kindred.hot";
/// Ranked neighbours per item.
pub(crate) const SIMILAR_ITEMS: &str = "kindred.similar-items";
/// Ranked recommendations per user.
pub(crate) const RECOMMENDATIONS: &str = "kindred.recommendations";
/// Messages that could not be used, as received, with the reason in their headers.
pub(crate) const DEAD_LETTER: &str = "kindred.events.dead-letter";

/// Topics that hold the latest value of each key, whoever makes them: our lists, and the attributes
/// of items and users. A record without a key is refused there.
const COMPACTED: [&str; 5] = [HOT, SIMILAR_ITEMS, RECOMMENDATIONS, "items", "users"];

/// Whether the topic `name` is made compacted unless its maker says otherwise.
pub(crate) fn is_compacted(name: &str) -> bool {
    COMPACTED.contains(&name)
}
