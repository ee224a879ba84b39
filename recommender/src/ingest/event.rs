//! A behaviour event in its one normal form, whatever shape it arrived in.

use std::borrow::Cow;

use serde::Serialize;

/// Where an event came from, to be cited as evidence. The recommender does not interpret it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position<'a> {
    /// The stream, for example `user_behavior-0`.
    pub source: &'a str,
    /// The place in that stream.
    pub offset: i64,
}

/// One act of one user on one item.
///
/// Borrowed from the message where it can be. As JSON this is the normalised event: absent fields are left
/// out, the time is `ts` in milliseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Event<'a> {
    /// Who. Without a user the session stands in; without both (only `<item>:<action>` text may) the event
    /// counts for hot items only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Cow<'a, str>>,
    /// What. Empty only for acts that concern no item, such as a search.
    pub item_id: Cow<'a, str>,
    /// The act, in the spelling it came in; settings know which words there are.
    pub action: Cow<'a, str>,
    /// When, in milliseconds since 1970 UTC.
    #[serde(rename = "ts")]
    pub time_ms: i64,
    /// Makes the event recognisable when it arrives twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Cow<'a, str>>,
    /// The visit it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Cow<'a, str>>,
    /// A rating, a dwell time, whatever number the act carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Price of one piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// Pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<f64>,
    /// ISO 4217 code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Cow<'a, str>>,
    /// The order it is a line of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Cow<'a, str>>,
    /// The answer that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rec_id: Option<Cow<'a, str>>,
    /// Rank in that answer, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// The place in the product: `home`, `cart`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Cow<'a, str>>,
    /// The tenant it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Cow<'a, str>>,
    /// `Some(false)`: the user does not want to be learnt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<bool>,
    /// The program that the user acted with, as it names itself. No part of the normal form: it is for telling robots.
    #[serde(skip)]
    pub user_agent: Option<Cow<'a, str>>,
    /// The network address it came from. No part of the normal form either.
    #[serde(skip)]
    pub address: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// The same event, owning its text.
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Event {
            user_id: own(self.user_id),
            item_id: Cow::Owned(self.item_id.into_owned()),
            action: Cow::Owned(self.action.into_owned()),
            time_ms: self.time_ms,
            event_id: own(self.event_id),
            session_id: own(self.session_id),
            value: self.value,
            price: self.price,
            quantity: self.quantity,
            currency: own(self.currency),
            order_id: own(self.order_id),
            rec_id: own(self.rec_id),
            position: self.position,
            scenario: own(self.scenario),
            tenant: own(self.tenant),
            consent: self.consent,
            user_agent: own(self.user_agent),
            address: own(self.address),
        }
    }
}
