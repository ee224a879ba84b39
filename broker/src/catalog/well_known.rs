//! Topics that are known by name, whoever writes them.

use recommender::processor::topics::COMPACTED;

/// The group coordinator's topic, by Kafka's name.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// The transaction coordinator's topic, by Kafka's name.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// The journal of the recommender's transactions, of one partition.
pub(crate) const STEPS_TOPIC: &str = "__kindred_steps";
/// Topics of attributes, which hold the latest value of each key as well: a record without a key is refused there.
const ENTITIES: [&str; 2] = ["items", "users"];

/// Whether only the broker writes the topic `name`.
pub(super) fn is_internal(name: &str) -> bool {
    [OFFSETS_TOPIC, TRANSACTIONS_TOPIC, STEPS_TOPIC].contains(&name)
}

/// Whether the topic `name` is made compacted unless its maker says otherwise.
pub(super) fn is_compacted(name: &str) -> bool {
    COMPACTED.contains(&name) || ENTITIES.contains(&name)
}
