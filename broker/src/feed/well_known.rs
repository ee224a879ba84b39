//! The settings that well-known topics are made with.

use recommender::processor::topics::COMPACTED;

/// Topics of attributes, which hold the latest value of each key as well: a record without a key is refused there.
const ENTITIES: [&str; 2] = ["items", "users"];

/// Whether the topic `name` is made compacted unless its maker says otherwise.
pub(crate) fn is_compacted(name: &str) -> bool {
    COMPACTED.contains(&name) || ENTITIES.contains(&name)
}
