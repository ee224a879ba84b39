//! Why an event was not learnt, in words for the dead-letter topic and in a code for counters.

use thiserror::Error;

/// Why a message or one of its events was refused.
///
/// `Display` is the sentence for people, [`Rejection::code`] the stable word for headers and metrics.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Rejection {
    /// No value, on a topic of events.
    #[error("the value is empty")]
    Empty,
    /// Bytes that are no text: compressed, Avro, Protobuf, a picture.
    #[error("the value is not UTF-8 text (byte {at} is invalid)")]
    NotText {
        /// Position of the first bad byte.
        at: usize,
    },
    /// Text that is neither JSON nor `<item>:<action>`.
    #[error("the value is neither JSON nor <item>:<action>: {detail}")]
    NotAnEvent {
        /// What the decoder tripped over, with its position.
        detail: String,
    },
    /// JSON of an accepted shape with a field of the wrong type.
    #[error("the event is malformed: {detail}")]
    Malformed {
        /// Which field, and what was expected.
        detail: String,
    },
    /// Neither the event nor its topic names an action.
    #[error("the event names no action and its topic implies none")]
    MissingAction,
    /// An action without a configured weight.
    #[error("unknown action {action:?}: give it a weight in recommender.action.weights to accept it")]
    UnknownAction {
        /// The action as sent, shortened.
        action: String,
    },
    /// No user and no session.
    #[error("the event has neither user_id nor session_id")]
    MissingUserId,
    /// No item.
    #[error("the event has no item_id")]
    MissingItemId,
    /// An id of no characters, or with control characters.
    #[error("{field} is empty or has control characters")]
    BadId {
        /// Which field.
        field: &'static str,
    },
    /// An id longer than allowed.
    #[error("{field} is {length_bytes} bytes long, more than recommender.id.bytes.max = {max_bytes}")]
    IdTooLong {
        /// Which field.
        field: &'static str,
        /// Its length.
        length_bytes: usize,
        /// The most allowed.
        max_bytes: usize,
    },
    /// A time that cannot be read.
    #[error("the time {text:?} is neither RFC 3339 nor a number")]
    BadTime {
        /// The time as sent, shortened.
        text: String,
    },
    /// A time before 1970 or too far after the record's own.
    #[error(
        "the event's time is {ahead_ms} ms ahead of its record, more than recommender.time.ahead.max.ms = {max_ms}"
    )]
    TooFarAhead {
        /// How far ahead.
        ahead_ms: i64,
        /// The most allowed.
        max_ms: i64,
    },
    /// A time before 1970.
    #[error("the event's time lies before 1970")]
    BeforeEpoch,
    /// An `event_id` seen before.
    #[error("event_id {event_id:?} was seen before")]
    Duplicate {
        /// The id, shortened.
        event_id: String,
    },
    /// More lines in one event than allowed.
    #[error("the event has {count} items, more than recommender.event.items.max = {max}")]
    TooManyItems {
        /// How many there are.
        count: usize,
        /// The most allowed.
        max: usize,
    },
    /// More tenants than allowed.
    #[error("the tenant is new, and there are recommender.tenants.max = {max}")]
    TooManyTenants {
        /// The most allowed.
        max: usize,
    },
    /// The user withheld consent.
    #[error("the user did not consent to being learnt from")]
    NoConsent,
    /// A number that is not finite.
    #[error("{field} is not a finite number")]
    NotFinite {
        /// Which field.
        field: &'static str,
    },
    /// A field that a rule needs is not there.
    #[error("rule {rule}: {field} is missing")]
    MissingField {
        /// The rule.
        rule: String,
        /// Where the field should be.
        field: String,
    },
    /// Something else where a rule needs a number.
    #[error("rule {rule}: {field} is {found}, not a number")]
    NotANumber {
        /// The rule.
        rule: String,
        /// Where it stands.
        field: String,
        /// What stands there, shortened.
        found: String,
    },
    /// A number that a rule cannot reckon with: infinite, or beyond ±10^100.
    #[error("rule {rule}: {field} is too large to reckon with")]
    Overflow {
        /// The rule.
        rule: String,
        /// Where it stands.
        field: String,
    },
    /// More of the like than a rule of `recommender.risk` allows.
    #[error("rule {rule}: more than {limit} of {subject} within {window_ms} ms")]
    Quarantined {
        /// The rule.
        rule: String,
        /// Whose.
        subject: String,
        /// The most allowed.
        limit: u32,
        /// In how long.
        window_ms: i64,
    },
    /// Every window that a number belongs to is gone.
    #[error("rule {rule:?}: the message is late: its windows are closed")]
    LateForWindow {
        /// The rule.
        rule: String,
    },
    /// A time too far behind the newest of its partition.
    #[error(
        "the event lies {behind_ms} ms behind the newest of its partition, more than recommender.late.max.ms = {max_ms}"
    )]
    Late {
        /// How far behind.
        behind_ms: i64,
        /// The most allowed.
        max_ms: i64,
    },
    /// A user who does more than people can.
    #[error(
        "its user acted at {events} different times within {window_ms} ms, more than recommender.robot.events.max = {max}"
    )]
    Robot {
        /// At how many times.
        events: u64,
        /// The most allowed.
        max: u64,
        /// Within how long.
        window_ms: i64,
    },
    /// A user agent that says it is none of a person.
    #[error("the user agent {agent:?} is a robot's by recommender.robot.agents")]
    RobotAgent {
        /// The agent, shortened.
        agent: String,
    },
    /// More events of one item or address than allowed.
    #[error(
        "its {of} had {events} events within {window_ms} ms, more than recommender.burst.{of}.events.max = {max}"
    )]
    Burst {
        /// `item` or `address`.
        of: &'static str,
        /// How many there were.
        events: u64,
        /// The most allowed.
        max: u64,
        /// Within how long.
        window_ms: i64,
    },
    /// The key of an entity is missing where it is needed (a tombstone).
    #[error("a tombstone needs the id as its key")]
    MissingKey,
}

impl Rejection {
    /// A stable word for the dead-letter header `reason` and the counter's label.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotText { .. } => "not-text",
            Self::NotAnEvent { .. } => "not-an-event",
            Self::Malformed { .. } => "malformed",
            Self::MissingAction => "missing-action",
            Self::UnknownAction { .. } => "unknown-action",
            Self::MissingUserId => "missing-user-id",
            Self::MissingItemId => "missing-item-id",
            Self::BadId { .. } => "bad-id",
            Self::IdTooLong { .. } => "id-too-long",
            Self::BadTime { .. } => "bad-time",
            Self::TooFarAhead { .. } => "too-far-ahead",
            Self::BeforeEpoch => "before-epoch",
            Self::Duplicate { .. } => "duplicate",
            Self::TooManyItems { .. } => "too-many-items",
            Self::TooManyTenants { .. } => "too-many-tenants",
            Self::NoConsent => "no-consent",
            Self::NotFinite { .. } => "not-finite",
            Self::MissingField { .. } => "missing-field",
            Self::NotANumber { .. } => "not-a-number",
            Self::Overflow { .. } => "overflow",
            Self::Quarantined { .. } => "quarantined",
            Self::LateForWindow { .. } => "late-for-window",
            Self::MissingKey => "missing-key",
            Self::Late { .. } => "late",
            Self::Robot { .. } | Self::RobotAgent { .. } => "robot",
            Self::Burst { .. } => "burst",
        }
    }
}

impl Rejection {
    /// What refused it, for the dead-letter header `rule`: the setting whose value could let it pass, or `format` if it could
    /// not be read, `fields` if what it says cannot be, `consent`, or the name of a rule that was set.
    pub fn rule(&self) -> &str {
        match self {
            Self::Empty
            | Self::NotText { .. }
            | Self::NotAnEvent { .. }
            | Self::Malformed { .. }
            | Self::BadTime { .. } => "format",
            Self::MissingAction
            | Self::MissingUserId
            | Self::MissingItemId
            | Self::BadId { .. }
            | Self::BeforeEpoch
            | Self::NotFinite { .. }
            | Self::MissingKey => "fields",
            Self::NoConsent => "consent",
            Self::UnknownAction { .. } => "recommender.action.weights",
            Self::IdTooLong { .. } => "recommender.id.bytes.max",
            Self::TooFarAhead { .. } => "recommender.time.ahead.max.ms",
            Self::Duplicate { .. } => "recommender.dedup.ids.max",
            Self::TooManyItems { .. } => "recommender.event.items.max",
            Self::TooManyTenants { .. } => "recommender.tenants.max",
            Self::Late { .. } => "recommender.late.max.ms",
            Self::Robot { .. } => "recommender.robot.events.max",
            Self::RobotAgent { .. } => "recommender.robot.agents",
            Self::Burst { of: "address", .. } => "recommender.burst.address.events.max",
            Self::Burst { .. } => "recommender.burst.item.events.max",
            Self::MissingField { rule, .. }
            | Self::NotANumber { rule, .. }
            | Self::Overflow { rule, .. }
            | Self::Quarantined { rule, .. }
            | Self::LateForWindow { rule } => rule,
        }
    }
}

/// At most the first 64 characters: what goes into a reason must not make it large.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
