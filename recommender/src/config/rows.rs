//! The table of settings: one row a key.

use super::values::{
    counted_models, finite, join_pairs, join_rules, known_models, positive, put, put_rules, read_rules,
    share, split_pairs, within, words,
};
use super::{ConfigRow, Wrong, rules};
use crate::cooccurrence::ROW_MAX;
use crate::ingest::parse::Format;
use crate::judging::experiment::Experiment;
use crate::processor::monitors::MonitorRule;
use crate::processor::regressions::RegressionRule;
use crate::processor::risk::RiskRule;
use crate::processor::windowed::WindowRule;
use crate::segment::AgeBands;
use crate::state::ring::HISTORY_MAX;

/// The longest name of a topic, in bytes, that has room for that of a segment behind it.
const SEGMENTED_NAME_MAX: usize = 230;

/// Every key.
pub const ROWS: &[ConfigRow] = &[
    ConfigRow {
        key: "recommender.topics.events",
        doc: "Topics of behaviour events that name their action themselves.",
        get: |c| c.topics_events.join(","),
        set: |c, v| put(&mut c.topics_events, Some(words(v))),
        expected: "a list of topics",
    },
    ConfigRow {
        key: "recommender.topics.actions",
        doc: "Topics whose name implies the action of their events, as topic:action.",
        get: |c| join_pairs(&c.topics_actions),
        set: |c, v| put(&mut c.topics_actions, split_pairs(v)),
        expected: "a list of topic:action",
    },
    ConfigRow {
        key: "recommender.topics.formats",
        doc: "Topics of behaviour whose values are read in one way only, as topic:format: `json`, in any of the shapes that \
              are accepted, or `text`, `<item>:<action>`. In all others, and with `auto`, the formats are told apart by what \
              is in them.",
        get: |c| join_pairs(&c.topics_formats),
        set: |c, v| {
            let known = |pairs: &Vec<(String, String)>| {
                pairs.iter().all(|(_, format)| Format::from_name(format).is_some())
            };
            put(&mut c.topics_formats, split_pairs(v).filter(known))
        },
        expected: "a list of topic:format, each auto, json or text",
    },
    ConfigRow {
        key: "recommender.topics.items",
        doc: "Topics of item attributes, keyed by item id; a record without value removes the item.",
        get: |c| c.topics_items.join(","),
        set: |c, v| put(&mut c.topics_items, Some(words(v))),
        expected: "a list of topics",
    },
    ConfigRow {
        key: "recommender.topics.users",
        doc: "Topics of user attributes, keyed by user id; a record without value forgets the user.",
        get: |c| c.topics_users.join(","),
        set: |c, v| put(&mut c.topics_users, Some(words(v))),
        expected: "a list of topics",
    },
    ConfigRow {
        key: "recommender.action.weights",
        doc: "How much each action says, as action:weight. Positive is learnt, zero is only counted, negative \
              lowers the item and its like. An action without a weight is refused.",
        get: |c| {
            c.actions.iter().map(|(word, weight)| format!("{word}:{weight}")).collect::<Vec<_>>().join(",")
        },
        set: |c, v| {
            let mut actions = c.actions.clone();
            for (word, weight) in split_pairs(v).ok_or(Wrong::Other)? {
                let weight = weight.parse().ok().ok_or(Wrong::Other)?;
                actions.set(&word, weight).then_some(()).ok_or(Wrong::Other)?;
            }
            put(&mut c.actions, Some(actions))
        },
        expected: "a list of action:weight, at most 256 actions",
    },
    ConfigRow {
        key: "recommender.rating.positive.min",
        doc: "A `rate` event with a value from here on counts as liked.",
        get: |c| c.rating_positive_min.to_string(),
        set: |c, v| put(&mut c.rating_positive_min, finite(v)),
        expected: "a number",
    },
    ConfigRow {
        key: "recommender.rating.negative.max",
        doc: "A `rate` event with a value up to here counts as disliked; between the two it is only counted.",
        get: |c| c.rating_negative_max.to_string(),
        set: |c, v| put(&mut c.rating_negative_max, finite(v)),
        expected: "a number",
    },
    ConfigRow {
        key: "recommender.id.bytes.max",
        doc: "Longest id accepted, in bytes.",
        get: |c| c.id_bytes_max.to_string(),
        set: |c, v| put(&mut c.id_bytes_max, within(v, 1, 4096)),
        expected: "1 to 4096",
    },
    ConfigRow {
        key: "recommender.event.items.max",
        doc: "Most lines in one event.",
        get: |c| c.event_items_max.to_string(),
        set: |c, v| put(&mut c.event_items_max, within(v, 1, 100_000)),
        expected: "1 to 100000",
    },
    ConfigRow {
        key: "recommender.time.ahead.max.ms",
        doc: "How far an event's time may lie after its record's.",
        get: |c| c.time_ahead_max_ms.to_string(),
        set: |c, v| put(&mut c.time_ahead_max_ms, within(v, 0, 1 << 42).map(|ms| ms as i64)),
        expected: "0 or more milliseconds",
    },
    ConfigRow {
        key: "recommender.dedup.ids.max",
        doc: "How many event ids are remembered to recognise duplicates; 17 bytes each. 0 turns it off.",
        get: |c| c.dedup_ids_max.to_string(),
        set: |c, v| put(&mut c.dedup_ids_max, within(v, 0, 1 << 28)),
        expected: "0 to 268435456",
    },
    ConfigRow {
        key: "recommender.late.max.ms",
        doc: "How far an event's time may lie before the newest of its partition. 0: as far as it likes, as in a history that \
              is produced behind newer events.",
        get: |c| c.late_max_ms.to_string(),
        set: |c, v| put(&mut c.late_max_ms, within(v, 0, 1 << 42).map(|ms| ms as i64)),
        expected: "0 or more milliseconds",
    },
    ConfigRow {
        key: "recommender.robot.events.max",
        doc: "At how many different times a user may act within `recommender.robot.window.ms`; beyond, its events are \
              refused. The default is far beyond people and histories that are replayed: 600 a minute is much for a \
              shop. 0: any number.",
        get: |c| c.robot_events_max.to_string(),
        set: |c, v| put(&mut c.robot_events_max, within(v, 0, 1 << 30)),
        expected: "0 to 1073741824",
    },
    ConfigRow {
        key: "recommender.robot.window.ms",
        doc: "The window in which a user's acts are counted.",
        get: |c| c.robot_window_ms.to_string(),
        set: |c, v| put(&mut c.robot_window_ms, within(v, 1, 86_400_000).map(|ms| ms as i64)),
        expected: "1 to 86400000",
    },
    ConfigRow {
        key: "recommender.robot.agents",
        doc: "An event whose user agent has one of these in it, in capitals or not, is refused.",
        get: |c| c.robot_agents.join(","),
        set: |c, v| put(&mut c.robot_agents, Some(words(v))),
        expected: "a list of words",
    },
    ConfigRow {
        key: "recommender.burst.item.events.max",
        doc: "How many events in favour of an item there may be within `recommender.burst.window.ms`; beyond, they are \
              refused. 0, the default: any number, since what everybody wants looks the same.",
        get: |c| c.burst_item_events_max.to_string(),
        set: |c, v| put(&mut c.burst_item_events_max, within(v, 0, 1 << 30)),
        expected: "0 to 1073741824",
    },
    ConfigRow {
        key: "recommender.burst.address.events.max",
        doc: "How many events may come from one address (`ip`) within `recommender.burst.window.ms`; beyond, they are \
              refused. 0, the default: any number, since a whole company may share one.",
        get: |c| c.burst_address_events_max.to_string(),
        set: |c, v| put(&mut c.burst_address_events_max, within(v, 0, 1 << 30)),
        expected: "0 to 1073741824",
    },
    ConfigRow {
        key: "recommender.burst.window.ms",
        doc: "The window in which the events of an item or address are counted.",
        get: |c| c.burst_window_ms.to_string(),
        set: |c, v| put(&mut c.burst_window_ms, within(v, 1, 86_400_000).map(|ms| ms as i64)),
        expected: "1 to 86400000",
    },
    ConfigRow {
        key: "recommender.clean.events.enable",
        doc: "Whether every event that was learnt is written to `kindred.events.clean` in normal form.",
        get: |c| c.clean_events.to_string(),
        set: |c, v| put(&mut c.clean_events, v.parse().ok()),
        expected: "true or false",
    },
    ConfigRow {
        key: "recommender.segment.ages",
        doc: "The ages at which a band of users begins, in years; the first begins at 0. Each band and gender is a segment.",
        get: |c| c.segment_ages.text(),
        set: |c, v| put(&mut c.segment_ages, AgeBands::parse(v)),
        expected: "a list of at most 31 rising ages from 1 to 149",
    },
    ConfigRow {
        key: "recommender.segment.people.min",
        doc: "From how many people on a segment is in a list: what fewer came to is not told.",
        get: |c| c.segment_people_min.to_string(),
        set: |c, v| put(&mut c.segment_people_min, within(v, 1, 1 << 30).map(|people| people as u32)),
        expected: "1 to 1073741824",
    },
    ConfigRow {
        key: "recommender.segment.topics",
        doc: "Topics of behaviour whose events are written once more to the topic of who they are of: \
              `TOPIC.AGES.GENDER`, with `F`, `M`, `other` or `unknown` for GENDER. None by default: it doubles what is \
              written, in as many topics as there are segments.",
        get: |c| c.segment_topics.join(","),
        set: |c, v| {
            let short = |topics: &Vec<String>| topics.iter().all(|topic| topic.len() <= SEGMENTED_NAME_MAX);
            put(&mut c.segment_topics, Some(words(v)).filter(short))
        },
        expected: "a list of topics, each of at most 230 characters",
    },
    ConfigRow {
        key: "recommender.monitors",
        doc: "Topics to be watched for numbers or counts out of the ordinary, which become alerts; one rule each. The manual \
              of the recommender says what a rule may hold.",
        get: |c| c.monitors.text().to_owned(),
        set: |c, v| read_rules(&mut c.monitors, v, MonitorRule::read),
        expected: "rules, each `name: field=value …`",
    },
    ConfigRow {
        key: "recommender.regressions",
        doc: "What is predicted: numbers and chances from fields of messages, or the next number of a row; one rule each. \
              The manual of the recommender says what a rule may hold.",
        get: |c| c.regressions.text().to_owned(),
        set: |c, v| read_rules(&mut c.regressions, v, RegressionRule::read),
        expected: "rules, each `name: field=value …`",
    },
    ConfigRow {
        key: "recommender.risk",
        doc: "Of whom how much is too much: events beyond the limit are kept from the models and alerted of; one rule each. \
              The manual of the recommender says what a rule may hold.",
        get: |c| c.risk.text().to_owned(),
        set: |c, v| read_rules(&mut c.risk, v, RiskRule::read),
        expected: "rules, each `name: field=value …`",
    },
    ConfigRow {
        key: "recommender.memory.max",
        doc: "Most bytes of what is learnt, going by how much there is of it: less is held. Beyond it whatever takes \
              most gives way: the users idle longest, the items least acted on lately, or the weakest neighbours of the \
              items that have most. 0: as many bytes as the other bounds allow. Models with memory of their own come \
              on top.",
        get: |c| c.memory_max.to_string(),
        set: |c, v| put(&mut c.memory_max, within(v, 0, 1 << 40)),
        expected: "0 to 1099511627776",
    },
    ConfigRow {
        key: "recommender.users.max",
        doc: "Most users kept. Beyond it the twentieth that was idle longest is forgotten.",
        get: |c| c.users_max.to_string(),
        set: |c, v| put(&mut c.users_max, within(v, 20, 1 << 28)),
        expected: "20 to 268435456",
    },
    ConfigRow {
        key: "recommender.items.max",
        doc: "Most items kept. Beyond it the twentieth least acted on lately is forgotten.",
        get: |c| c.items_max.to_string(),
        set: |c, v| put(&mut c.items_max, within(v, 20, 1 << 26)),
        expected: "20 to 67108864",
    },
    ConfigRow {
        key: "recommender.user.history.max",
        doc: "How many of a user's events are kept.",
        get: |c| c.history_max.to_string(),
        set: |c, v| put(&mut c.history_max, within(v, 1, HISTORY_MAX)),
        expected: "1 to 5000",
    },
    ConfigRow {
        key: "recommender.cooccurrence.window",
        doc: "With how many of the user's items before it an item is counted as occurring together.",
        get: |c| c.window.to_string(),
        set: |c, v| put(&mut c.window, within(v, 1, 1 << 20)),
        expected: "1 to 1048576",
    },
    ConfigRow {
        key: "recommender.cooccurrence.row.max",
        doc: "How many neighbours an item keeps; the weakest are dropped.",
        get: |c| c.row_max.to_string(),
        set: |c, v| put(&mut c.row_max, within(v, 4, ROW_MAX)),
        expected: "4 to 50000",
    },
    ConfigRow {
        key: "recommender.tenants.max",
        doc: "Most tenants told apart, each by a recommender of its own; events of further ones are refused. The bounds above \
              but that on bytes are each tenant's. 0: who names a tenant is treated like who names none.",
        get: |c| c.tenants_max.to_string(),
        set: |c, v| put(&mut c.tenants_max, within(v, 0, 65_536)),
        expected: "0 to 65536",
    },
    ConfigRow {
        key: "recommender.heavy.hitters.max",
        doc: "How many counters find the items most acted on of all time, those dropped for want of room included; some 100 \
              bytes each. 0: none.",
        get: |c| c.hitters_max.to_string(),
        set: |c, v| put(&mut c.hitters_max, within(v, 0, 1 << 24)),
        expected: "0 to 16777216",
    },
    ConfigRow {
        key: "recommender.fatigue.impressions.max",
        doc: "An item shown to a user (`impression` events) so many times with no act on it is left out until the window \
              that began with the first of them is over. 0: never.",
        get: |c| c.fatigue.times.to_string(),
        set: |c, v| put(&mut c.fatigue.times, within(v, 0, 1 << 20).map(|times| times as u32)),
        expected: "0 to 1048576",
    },
    ConfigRow {
        key: "recommender.fatigue.window.ms",
        doc: "How long impressions of an item count together.",
        get: |c| c.fatigue.window_ms.to_string(),
        set: |c, v| put(&mut c.fatigue.window_ms, within(v, 1, 1 << 42).map(|ms| ms as i64)),
        expected: "1 or more milliseconds",
    },
    ConfigRow {
        key: "recommender.exploration",
        doc: "The share of places in recommendations given to any of the hundred best candidates left instead of the best. \
              Where it is above 0, each item carries its propensity.",
        get: |c| format!("{:?}", c.exploration),
        set: |c, v| put(&mut c.exploration, share(v)),
        expected: "0 to 1",
    },
    ConfigRow {
        key: "recommender.click.weight",
        doc: "How much the click model counts: scores are multiplied by the chance that the item is acted on once shown, to \
              the power of this. 0: there is no click model.",
        get: |c| format!("{:?}", c.clicks.weight),
        set: |c, v| put(&mut c.clicks.weight, finite(v).filter(|weight| (0.0..=10.0).contains(weight))),
        expected: "0 to 10",
    },
    ConfigRow {
        key: "recommender.click.window.ms",
        doc: "How long after an `impression` an act on the item still belongs to it.",
        get: |c| c.clicks.window_ms.to_string(),
        set: |c, v| put(&mut c.clicks.window_ms, within(v, 1, 1 << 42).map(|ms| ms as i64)),
        expected: "1 or more milliseconds",
    },
    ConfigRow {
        key: "recommender.click.pending.max",
        doc: "How many impressions wait for an act; beyond it nothing more is expected of the oldest. Some 300 bytes each.",
        get: |c| c.clicks.pending_max.to_string(),
        set: |c, v| put(&mut c.clicks.pending_max, within(v, 1, 1 << 24)),
        expected: "1 to 16777216",
    },
    ConfigRow {
        key: "recommender.click.bits",
        doc: "The click model has 2 to the power of this many weights, 16 bytes each.",
        get: |c| c.clicks.bits.to_string(),
        set: |c, v| put(&mut c.clicks.bits, within(v, 1, 24).map(|bits| bits as u32)),
        expected: "1 to 24",
    },
    ConfigRow {
        key: "recommender.models",
        doc: "Models with memory of their own that are on, beside those that always are. Each costs bytes or time.",
        get: |c| c.models.join(","),
        set: |c, v| known_models(v).map(|models| c.models = models),
        expected: "a list of models, each one of those of the manual of the recommender",
    },
    ConfigRow {
        key: "recommender.disabled.models",
        doc: "Models left out of those that always are on otherwise, popularity by half-life among them.",
        get: |c| c.models_off.join(","),
        set: |c, v| counted_models(v).map(|models| c.models_off = models),
        expected: "a list of models, each one of those of the manual of the recommender",
    },
    ConfigRow {
        key: "recommender.ease.items.max",
        doc: "How many items `ease` goes over, those with most users; 8 bytes for each pair of them.",
        get: |c| c.ease_items_max.to_string(),
        set: |c, v| put(&mut c.ease_items_max, within(v, 2, 16_384)),
        expected: "2 to 16384",
    },
    ConfigRow {
        key: "recommender.ease.lambda",
        doc: "How strongly `ease` is regularised.",
        get: |c| c.ease_lambda.to_string(),
        set: |c, v| put(&mut c.ease_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.als.factors",
        doc: "Numbers in a vector of `als`.",
        get: |c| c.als_factors.to_string(),
        set: |c, v| put(&mut c.als_factors, within(v, 1, 512)),
        expected: "1 to 512",
    },
    ConfigRow {
        key: "recommender.als.alpha",
        doc: "What `als` makes of a pair nobody has acted on: its weight where a like weighs 1.",
        get: |c| c.als_alpha.to_string(),
        set: |c, v| put(&mut c.als_alpha, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.als.lambda",
        doc: "How strongly `als` is regularised.",
        get: |c| c.als_lambda.to_string(),
        set: |c, v| put(&mut c.als_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.bpr.factors",
        doc: "Numbers in a vector of `bpr`.",
        get: |c| c.bpr_factors.to_string(),
        set: |c, v| put(&mut c.bpr_factors, within(v, 1, 512)),
        expected: "1 to 512",
    },
    ConfigRow {
        key: "recommender.bpr.rate",
        doc: "The step of `bpr`.",
        get: |c| c.bpr_rate.to_string(),
        set: |c, v| put(&mut c.bpr_rate, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.bpr.lambda",
        doc: "How strongly `bpr` is regularised.",
        get: |c| c.bpr_lambda.to_string(),
        set: |c, v| put(&mut c.bpr_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.sgd.factors",
        doc: "Numbers in a vector of `biased-sgd`.",
        get: |c| c.sgd_factors.to_string(),
        set: |c, v| put(&mut c.sgd_factors, within(v, 1, 512)),
        expected: "1 to 512",
    },
    ConfigRow {
        key: "recommender.sgd.rate",
        doc: "The step of `biased-sgd`.",
        get: |c| c.sgd_rate.to_string(),
        set: |c, v| put(&mut c.sgd_rate, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.sgd.lambda",
        doc: "How strongly `biased-sgd` is regularised.",
        get: |c| c.sgd_lambda.to_string(),
        set: |c, v| put(&mut c.sgd_lambda, positive(v)),
        expected: "a number above 0",
    },
    ConfigRow {
        key: "recommender.user-user.neighbours",
        doc: "How many nearest users count in `user-user`.",
        get: |c| c.user_user_neighbours.to_string(),
        set: |c, v| put(&mut c.user_user_neighbours, within(v, 1, 1 << 28)),
        expected: "1 to 268435456",
    },
    ConfigRow {
        key: "recommender.experiments",
        doc: "Which model answers whom, to compare them: rules such as `ranking: arms=fused:50|item-cosine:50 \
              scenario=home`. A user's arm follows from a hash; the first experiment that covers a scenario counts, one \
              without covers all. An arm is model:weight or name=model:weight.",
        get: |c| join_rules(&c.experiments),
        set: |c, v| put_rules(&mut c.experiments, rules::parse(v, Experiment::read)),
        expected: "rules of arms and, if wanted, a scenario",
    },
    ConfigRow {
        key: "recommender.evaluation.window.ms",
        doc: "The length of the windows over which answers are judged; the last 168 are kept.",
        get: |c| c.evaluation_window_ms.to_string(),
        set: |c, v| put(&mut c.evaluation_window_ms, within(v, 1000, 1 << 42).map(|ms| ms as i64)),
        expected: "1000 or more milliseconds",
    },
    ConfigRow {
        key: "recommender.evaluation.attribution.ms",
        doc: "How long after an `impression` an act of the user on the item belongs to the answer that showed it, if the act \
              has no `rec_id`.",
        get: |c| c.evaluation_attribution_ms.to_string(),
        set: |c, v| put(&mut c.evaluation_attribution_ms, within(v, 0, 1 << 42).map(|ms| ms as i64)),
        expected: "0 or more milliseconds",
    },
    ConfigRow {
        key: "recommender.evaluation.impressions.max",
        doc: "How many pairs of user and item are remembered for that, some 60 bytes each; the oldest are forgotten.",
        get: |c| c.evaluation_impressions_max.to_string(),
        set: |c, v| put(&mut c.evaluation_impressions_max, within(v, 0, 1 << 28)),
        expected: "0 to 268435456",
    },
    ConfigRow {
        key: "recommender.evaluation.clicks",
        doc: "Actions that count as clicks when answers are judged.",
        get: |c| c.evaluation_clicks.join(","),
        set: |c, v| put(&mut c.evaluation_clicks, Some(words(v))),
        expected: "a list of actions",
    },
    ConfigRow {
        key: "recommender.evaluation.conversions",
        doc: "Actions that count as conversions when answers are judged.",
        get: |c| c.evaluation_conversions.join(","),
        set: |c, v| put(&mut c.evaluation_conversions, Some(words(v))),
        expected: "a list of actions",
    },
    ConfigRow {
        key: "recommender.features.enable",
        doc: "Whether features of users and items are counted, answered over HTTP and written to `kindred.features.users` \
              and `kindred.features.items`.",
        get: |c| c.features.to_string(),
        set: |c, v| put(&mut c.features, v.parse().ok()),
        expected: "true or false",
    },
    ConfigRow {
        key: "recommender.windows",
        doc: "Figures over windows of any topic: rules such as `revenue: topic=orders field=total by=shop window=tumbling \
              size=1m aggregate=sum`. The manual of the recommender has every field.",
        get: |c| c.windows.text().to_owned(),
        set: |c, v| read_rules(&mut c.windows, v, WindowRule::read),
        expected: "rules of windows",
    },
];
