//! Bytes of a topic to [`Content`]: JSON of any accepted shape, a Python literal, or `<item>:<action>` text.
//!
//! Parsing knows no settings and no time but the record's own. It borrows from the value wherever the value
//! allows, costs one pass, and is bounded by the value's length.

use std::borrow::Cow;

use super::entity::{ItemEntity, UserEntity};
use super::event::Event;
use super::python_dict;
use super::rejection::{Rejection, shortened};
use super::shapes::{self, Around};

pub use super::shapes::Content;

/// How the values of a topic are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// As any of the others, told apart by what is in them.
    #[default]
    Auto,
    /// As JSON of any accepted shape.
    Json,
    /// As `<item>:<action>`.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Json, Self::Text];

    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Text => "text",
        }
    }

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Decodes a value of a behaviour topic in a format.
///
/// # Errors
/// As [`behaviour`].
pub fn behaviour_as<'a>(
    format: Format,
    value: &'a [u8],
    action: Option<&'a str>,
    time_ms: i64,
) -> Result<Content<'a>, Rejection> {
    match format {
        Format::Auto => behaviour(value, action, time_ms),
        Format::Json => {
            decode(text_of(value)?, Around { action, time_ms, may_open: true }).and_then(attributed)
        }
        Format::Text => plain_text(text_of(value)?, time_ms).map(|event| Content::Events(vec![event])),
    }
}

/// Decodes a value of a behaviour topic.
///
/// # Shapes and units
/// `action`: what the topic's name implies, for events that name none. `time_ms`: the record's time, for
/// events that carry none.
///
/// # Errors
/// The [`Rejection`] that the dead-letter topic will cite.
pub fn behaviour<'a>(
    value: &'a [u8],
    action: Option<&'a str>,
    time_ms: i64,
) -> Result<Content<'a>, Rejection> {
    let text = text_of(value)?;
    let around = Around { action, time_ms, may_open: true };
    if !text.starts_with(['{', '[']) {
        return plain_text(text, time_ms).map(|event| Content::Events(vec![event]));
    }
    let decoded = match decode(text, around) {
        Err(refused @ Rejection::NotAnEvent { .. }) => {
            python_literal(text, action, time_ms).unwrap_or(Err(refused))
        }
        decoded => decoded,
    };
    decoded.and_then(attributed)
}

/// Only plain text may leave out who it was: a structured event without a user or a session is a mistake.
fn attributed(content: Content<'_>) -> Result<Content<'_>, Rejection> {
    match &content {
        Content::Events(events) if events.iter().any(|e| e.user_id.is_none() && e.session_id.is_none()) => {
            Err(Rejection::MissingUserId)
        }
        _ => Ok(content),
    }
}

/// Decodes a value of the `items` topic; `key` is the record's key.
///
/// # Errors
/// The [`Rejection`] that the dead-letter topic will cite.
pub fn item<'a>(key: Option<&'a [u8]>, value: &'a [u8]) -> Result<ItemEntity<'a>, Rejection> {
    shapes::decode_item(text_of(value)?, key.and_then(key_text))
}

/// Decodes a value of the `users` topic; `key` is the record's key.
///
/// # Errors
/// The [`Rejection`] that the dead-letter topic will cite.
pub fn user<'a>(key: Option<&'a [u8]>, value: &'a [u8]) -> Result<UserEntity<'a>, Rejection> {
    shapes::decode_user(text_of(value)?, key.and_then(key_text))
}

/// Decodes any value: JSON, or a Python literal, as a tree.
///
/// # Errors
/// The [`Rejection`] that the dead-letter topic will cite.
pub fn tree(value: &[u8]) -> Result<serde_json::Value, Rejection> {
    let text = text_of(value)?;
    serde_json::from_str(text).or_else(|error| {
        let literal = python_dict::to_json(text).and_then(|json| serde_json::from_str(&json).ok());
        literal.ok_or_else(|| Rejection::Malformed { detail: format!("the value is not JSON: {error}") })
    })
}

/// The text of any value.
///
/// # Errors
/// The [`Rejection`] that the dead-letter topic will cite: it is not text, or empty.
pub fn text_of(value: &[u8]) -> Result<&str, Rejection> {
    let value = value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(value);
    let text = std::str::from_utf8(value).map_err(|error| Rejection::NotText { at: error.valid_up_to() })?;
    let text = text.trim();
    if text.is_empty() { Err(Rejection::Empty) } else { Ok(text) }
}

/// The id that a key spells: bare text, or JSON text or number.
pub fn key_text(key: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(key).ok()?.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    (!bare.is_empty()).then_some(bare)
}

/// One event, or a list of them.
fn decode<'a>(json: &'a str, around: Around<'a>) -> Result<Content<'a>, Rejection> {
    if !json.starts_with('[') {
        return shapes::decode(json, around);
    }
    let mut events = Vec::new();
    for element in shapes::elements(json)? {
        match shapes::decode(element, around)? {
            Content::Events(more) => events.extend(more),
            Content::Item(_) | Content::User(_) => {
                return Err(Rejection::Malformed { detail: "attributes within a list of events".to_owned() });
            }
        }
    }
    if events.is_empty() { Err(Rejection::MissingItemId) } else { Ok(Content::Events(events)) }
}

/// `<item>:<action>`. The action is the last part, so an item id may itself contain colons.
fn plain_text(text: &str, time_ms: i64) -> Result<Event<'_>, Rejection> {
    let not_an_event = || Rejection::NotAnEvent { detail: format!("{:?}", shortened(text)) };
    let (item, action) = text.rsplit_once(':').ok_or_else(not_an_event)?;
    let a_word = !action.is_empty() && action.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if item.is_empty() || item.contains(char::is_whitespace) || !a_word {
        return Err(not_an_event());
    }
    Ok(Event { item_id: Cow::Borrowed(item), action: Cow::Borrowed(action), time_ms, ..Event::default() })
}

/// `None` if the text is no Python literal, so that the JSON decoder's complaint stands.
fn python_literal<'a>(
    text: &str,
    action: Option<&'a str>,
    time_ms: i64,
) -> Option<Result<Content<'a>, Rejection>> {
    let json = python_dict::to_json(text)?;
    let around = Around { action, time_ms, may_open: true };
    match shapes::decode(&json, around) {
        Err(Rejection::NotAnEvent { .. }) => None,
        Err(refused) => Some(Err(refused)),
        Ok(Content::Events(events)) => {
            Some(Ok(Content::Events(events.into_iter().map(Event::into_owned).collect())))
        }
        // Metarank's entities as Python literals: nobody has been seen to send them.
        Ok(Content::Item(_) | Content::User(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000_000;

    fn events(value: &str) -> Vec<Event<'_>> {
        match behaviour(value.as_bytes(), None, T) {
            Ok(Content::Events(events)) => events,
            other => panic!("{value}: {other:?}"),
        }
    }

    /// `user item action time` of each event.
    fn told(value: &str) -> String {
        let one = |event: &Event<'_>| {
            let user = event.user_id.as_deref().or(event.session_id.as_deref()).unwrap_or("-");
            format!("{user} {} {} {}", event.item_id, event.action, event.time_ms - T)
        };
        events(value).iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn our_flat_form() {
        for (value, expected) in [
            (r#"{"user_id": 1, "item_id": 1001, "action": "click"}"#, "1 1001 click 0"),
            (r#"{"user_id":"u","item_id":"i","action":"view","ts":1700000001}"#, "u i view 1000"),
            (r#"{"user_id":"u","item_id":"i","action":"view","ts":1700000001500}"#, "u i view 1500"),
            (r#"{"user_id":"u","item_id":"i","action":"view","ts":"2023-11-14T22:13:21Z"}"#, "u i view 1000"),
            (r#"{"userId":"u","itemId":7.0,"action":"view"}"#, "u 7 view 0"),
            ("{'user_id': 1, 'item_id': 1001, 'action': 'click'}", "1 1001 click 0"),
            (r#"{"session_id":"s","item_id":"i","action":"view"}"#, "s i view 0"),
            (r#"{"user_id":"ü\n","item_id":"i","action":"view","unknown":{"deep":[1,2]}}"#, "ü\n i view 0"),
            ("1001:click", "- 1001 click 0"),
            ("shop:1001:click", "- shop:1001 click 0"),
            (
                r#"[{"user_id":1,"item_id":2,"action":"view"}, {"user_id":3,"item_id":4,"action":"like"}]"#,
                "1 2 view 0, 3 4 like 0",
            ),
            ("\u{feff} {\"user_id\":1,\"item_id\":2,\"action\":\"like\"} ", "1 2 like 0"),
        ] {
            assert_eq!(told(value), expected, "{value}");
        }
    }

    #[test]
    fn every_field_is_kept() {
        let value = r#"{"event_id":"e","user_id":"u","item_id":"i","action":"purchase","ts":1,"session_id":"s",
            "value":4.5,"price":"9.99","quantity":2,"currency":"GBP","order_id":77,"rec_id":"r","position":3,
            "scenario":"home","tenant":"t","consent":"yes","user_agent":"Firefox",
            "context":{"device":"phone","ip":"10.0.0.7","userAgent":{}}}"#;
        let event = events(value).remove(0);
        assert_eq!(
            event,
            Event {
                user_id: Some("u".into()),
                item_id: "i".into(),
                action: "purchase".into(),
                time_ms: 1000,
                event_id: Some("e".into()),
                session_id: Some("s".into()),
                value: Some(4.5),
                price: Some(9.99),
                quantity: Some(2.0),
                currency: Some("GBP".into()),
                order_id: Some("77".into()),
                rec_id: Some("r".into()),
                position: Some(3),
                scenario: Some("home".into()),
                tenant: Some("t".into()),
                consent: Some(true),
                user_agent: Some("Firefox".into()),
                address: Some("10.0.0.7".into()),
            }
        );
    }

    #[test]
    fn an_order_is_one_event_a_line() {
        let value = r#"{"event_id":"e","user_id":"u","action":"purchase","order_id":"o","ts":1700000000,
            "items":[{"item_id":"a","quantity":2,"price":1.5},{"item_id":"b"},"c",4]}"#;
        assert_eq!(told(value), "u a purchase 0, u b purchase 0, u c purchase 0, u 4 purchase 0");
        let lines = events(value);
        assert_eq!(lines[0].quantity, Some(2.0));
        assert_eq!(lines[1].event_id.as_deref(), Some("e#1"));
        assert!(lines.iter().all(|line| line.order_id.as_deref() == Some("o")));
    }

    #[test]
    fn the_topic_gives_the_action() {
        let value = br#"{"user_id":1,"movie_id":50,"rating":5}"#;
        let Ok(Content::Events(events)) = behaviour(value, Some("rate"), T) else { panic!() };
        assert_eq!((events[0].action.as_ref(), events[0].value), ("rate", Some(5.0)));
        assert_eq!(behaviour(value, None, T), Err(Rejection::MissingAction));
    }

    #[test]
    fn gorse_feedback() {
        let value = r#"{"FeedbackType":"star","UserId":"zhenghaoz","ItemId":"gorse-io:gorse",
            "Timestamp":"2023-11-14T22:13:20Z","Comment":""}"#;
        assert_eq!(told(value), "zhenghaoz gorse-io:gorse star 0");
    }

    #[test]
    fn metarank_events() {
        let interaction = r#"{"event":"interaction","id":"0f4c0036-04fb-4409-b2c6-7163a59f6b7d",
            "ranking":"81f46c34-a4bb-469c-8708-f8127cd67d27","timestamp":"1700000000000","user":"user1",
            "session":"session1","type":"purchase","item":"item1","fields":[{"name":"count","value":1}]}"#;
        assert_eq!(told(interaction), "user1 item1 purchase 0");
        let event = events(interaction).remove(0);
        assert_eq!(event.event_id.as_deref(), Some("0f4c0036-04fb-4409-b2c6-7163a59f6b7d"));
        assert_eq!(event.rec_id.as_deref(), Some("81f46c34-a4bb-469c-8708-f8127cd67d27"));

        let ranking = r#"{"event":"ranking","id":"81f4","timestamp":"1700000000000","user":"user1","session":"s",
            "fields":[{"name":"query","value":"cat"}],
            "items":[{"id":"item3","relevancy":2.0},{"id":"item1","relevancy":1.0}]}"#;
        assert_eq!(told(ranking), "user1 item3 impression 0, user1 item1 impression 0");
        assert_eq!(events(ranking)[1].position, Some(2));
        assert_eq!(events(ranking)[1].rec_id.as_deref(), Some("81f4"));

        let item = br#"{"event":"item","id":"81f4","timestamp":"1599391467000","item":"item1","fields":[
            {"name":"title","value":"You favourite cat"},{"name":"genres","value":["a","b"]},
            {"name":"price","value":3.5},{"name":"color","value":["white"]}]}"#;
        let Ok(Content::Item(decoded)) = behaviour(item, None, T) else { panic!() };
        assert_eq!(
            (decoded.item_id.as_ref(), decoded.title.as_deref()),
            ("item1", Some("You favourite cat"))
        );
        assert_eq!((decoded.categories.len(), decoded.price), (2, Some(3.5)));
        assert_eq!(super::item(None, item).unwrap(), decoded);

        let user = br#"{"event":"user","id":"81f4","timestamp":"1599391467000","user":"user1",
            "fields":[{"name":"age","value":33},{"name":"gender","value":"m"}]}"#;
        let Ok(Content::User(decoded)) = behaviour(user, None, T) else { panic!() };
        assert_eq!(
            (decoded.user_id.as_ref(), decoded.age, decoded.gender.as_deref()),
            ("user1", Some(33.0), Some("m"))
        );
        assert_eq!(super::user(None, user).unwrap(), decoded);
    }

    #[test]
    fn google_retail_user_events() {
        let purchase = r#"{"eventType":"purchase-complete","visitorId":"visitor0","eventTime":"2023-11-14T22:13:20Z",
            "productDetails":[{"product":{"id":"123"},"quantity":1},{"product":{"id":"456"},"quantity":2}],
            "purchaseTransaction":{"id":"order-9","revenue":123.25,"currencyCode":"EUR"},
            "userInfo":{"userId":"user7"}}"#;
        assert_eq!(told(purchase), "user7 123 purchase-complete 0, user7 456 purchase-complete 0");
        let lines = events(purchase);
        assert_eq!((lines[1].quantity, lines[1].order_id.as_deref()), (Some(2.0), Some("order-9")));
        assert_eq!(lines[0].currency.as_deref(), Some("EUR"));

        let search = r#"{"eventType":"search","visitorId":"visitor0","searchQuery":"shoes"}"#;
        assert_eq!(told(search), "visitor0  search 0");
        let home = br#"{"eventType":"home-page-view","visitorId":"visitor0"}"#;
        assert_eq!(behaviour(home, None, T), Err(Rejection::MissingItemId));
    }

    #[test]
    fn personalize_put_events() {
        let value = r#"{"trackingId":"t","userId":"u","sessionId":"s","eventList":[
            {"eventId":"e1","eventType":"click","itemId":"i1","sentAt":1700000000,"properties":"{}",
             "recommendationId":"r","impression":["i1","i2"]},
            {"eventType":"rating","eventValue":4.5,"itemId":"i3","sentAt":1700000002}]}"#;
        assert_eq!(told(value), "u i1 impression 0, u i2 impression 0, u i1 click 0, u i3 rating 2000");
        let list = events(value);
        assert_eq!((list[2].event_id.as_deref(), list[2].rec_id.as_deref()), (Some("e1"), Some("r")));
        assert_eq!(list[3].value, Some(4.5));
        let anonymous = r#"{"trackingId":"t","sessionId":"s","eventList":[{"eventType":"View","itemId":"i","sentAt":1700000000}]}"#;
        assert_eq!(told(anonymous), "s i View 0");
    }

    #[test]
    fn segment_ecommerce() {
        let added = r#"{"userId":"019mr8mf4r","type":"track","event":"Product Added","messageId":"m1",
            "timestamp":"2023-11-14T22:13:20.000Z","properties":{"cart_id":"c","product_id":"507f1","sku":"G-32",
            "name":"Monopoly","price":18.99,"quantity":1,"position":3}}"#;
        assert_eq!(told(added), "019mr8mf4r 507f1 Product Added 0");
        assert_eq!((events(added)[0].price, events(added)[0].event_id.as_deref()), (Some(18.99), Some("m1")));

        let order = r#"{"anonymousId":"anon","type":"track","event":"Order Completed","messageId":"m2",
            "properties":{"order_id":"50314b8e9bcf000000000000","currency":"USD","products":[
            {"product_id":"507f1","sku":"45790-32","price":19,"quantity":1},
            {"product_id":"505bd","price":3,"quantity":2}]}}"#;
        assert_eq!(told(order), "anon 507f1 Order Completed 0, anon 505bd Order Completed 0");
        let lines = events(order);
        assert_eq!((lines[1].price, lines[1].currency.as_deref()), (Some(3.0), Some("USD")));
        assert_eq!(lines[1].event_id.as_deref(), Some("m2#1"));
    }

    #[test]
    fn cloud_events_are_opened_once() {
        let value = r#"{"specversion":"1.0","type":"com.shop.purchase","source":"/orders","id":"A234",
            "time":"2023-11-14T22:13:21Z","datacontenttype":"application/json","subject":"x",
            "data":{"user_id":"u","item_id":"i"}}"#;
        assert_eq!(told(value), "u i purchase 1000");
        assert_eq!(events(value)[0].event_id.as_deref(), Some("A234"));
        let nested = br#"{"specversion":"1.0","type":"a","source":"s","id":"1",
            "data":{"specversion":"1.0","data":{"user_id":1,"item_id":2,"action":"click"}}}"#;
        let opened_once = behaviour(nested, None, T);
        assert!(
            matches!(opened_once, Err(Rejection::MissingUserId)),
            "an envelope in an envelope is not opened"
        );
        let empty = br#"{"specversion":"1.0","type":"a","source":"s","id":"1"}"#;
        assert!(matches!(behaviour(empty, None, T), Err(Rejection::Malformed { .. })));
    }

    #[test]
    fn a_topic_may_have_one_format_only() {
        let read = |format, value: &'static str| match behaviour_as(format, value.as_bytes(), None, T) {
            Ok(Content::Events(events)) => events[0].item_id.to_string(),
            other => format!("{other:?}"),
        };
        let json = r#"{"user_id":1,"item_id":2,"action":"view"}"#;
        for (format, value, item) in [
            (Format::Auto, json, "2"),
            (Format::Json, json, "2"),
            (Format::Auto, "2:view", "2"),
            (Format::Text, "2:view", "2"),
            (Format::Text, "{2}:view", "{2}"),
        ] {
            assert_eq!(read(format, value), item, "{format:?} {value}");
        }
        for (format, value) in
            [(Format::Json, "2:view"), (Format::Json, "{'item_id': 2}"), (Format::Auto, "{2}:view")]
        {
            assert!(read(format, value).starts_with("Err("), "{format:?} {value}");
        }
    }

    #[test]
    fn items_and_users() {
        let ours = br#"{"item_id":10,"title":"Lamp","categories":["home","light"],"tags":["new"],"price":3,
            "available":true,"published_at":"2023-11-14T22:13:20Z","expires_at":1700000001}"#;
        let decoded = item(Some(b"ignored"), ours).unwrap();
        assert_eq!((decoded.item_id.as_ref(), decoded.categories.len()), ("10", 2));
        assert_eq!((decoded.published_at_ms, decoded.expires_at_ms), (Some(T), Some(T + 1000)));
        let gorse = br#"{"ItemId":"i","IsHidden":true,"Categories":["c"],"Labels":["l"],"Timestamp":"2023-11-14T22:13:20Z"}"#;
        let decoded = item(None, gorse).unwrap();
        assert_eq!((decoded.available, decoded.tags.len()), (Some(false), 1));
        assert_eq!(
            item(Some(b"\"k\""), br#"{"title":"x","genres":"Comedy|Drama"}"#).unwrap().categories.len(),
            2
        );
        assert_eq!(item(None, br#"{"title":"x"}"#), Err(Rejection::MissingItemId));
        assert_eq!(user(Some(b"7"), br#"{"age":"24","gender":"M"}"#).unwrap().age, Some(24.0));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let code = |value: &'static [u8]| behaviour(value, None, T).map_err(|refused| refused.code());
        for (value, expected) in [
            (&b"hello"[..], "not-an-event"),
            (b"", "empty"),
            (b"  ", "empty"),
            (b"\xff\xfe\x00", "not-text"),
            (b"{", "not-an-event"),
            (b"[1,2]", "malformed"),
            (b"[]", "missing-item-id"),
            (b"[", "not-an-event"),
            (b"3.14", "not-an-event"),
            (b"http://x/y z:click", "not-an-event"),
            (b":click", "not-an-event"),
            (b"item:", "not-an-event"),
            (br#"{"user_id":{},"item_id":1,"action":"click"}"#, "malformed"),
            (br#"{"user_id":true,"item_id":1,"action":"click"}"#, "malformed"),
            (br#"{"user_id":1,"user_id":2,"item_id":1,"action":"click"}"#, "malformed"),
            (br#"{"user_id":1,"item_id":1.5,"action":"click"}"#, "malformed"),
            (br#"{"user_id":1,"item_id":1,"action":"click","ts":"soon"}"#, "bad-time"),
            (br#"{"user_id":1,"item_id":1,"action":"click","ts":1e400}"#, "not-an-event"),
            (br#"{"user_id":1,"item_id":1}"#, "missing-action"),
            (br#"{"eventList":[]}"#, "missing-item-id"),
        ] {
            assert_eq!(code(value).unwrap_err(), expected, "{}", String::from_utf8_lossy(value));
        }
        assert_eq!(
            behaviour(b"hello", None, T).unwrap_err().to_string(),
            "the value is neither JSON nor <item>:<action>: \"hello\""
        );
    }
}
