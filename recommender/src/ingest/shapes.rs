//! The accepted JSON shapes of events, told apart by their keys, and how each becomes [`Event`]s.
//!
//! All shapes are read in one pass into [`Fields`], the union of their top-level keys; which keys are present
//! then says which shape it is:
//!
//! | shape | told by | documented at |
//! |---|---|---|
//! | CloudEvents 1.0 envelope | `specversion` and `data` | github.com/cloudevents/spec, JSON event format |
//! | Amazon Personalize PutEvents | `eventList` | docs.aws.amazon.com/personalize, `PutEvents` |
//! | Google Retail user event | `visitorId` and `eventType` | cloud.google.com/retail, `userEvents` |
//! | Gorse feedback | `FeedbackType` | gorse.io, REST API |
//! | Segment e-commerce v2 | `properties` and `event` | segment.com, Spec: V2 Ecommerce Events |
//! | Metarank | `event` is `interaction`, `ranking`, `item` or `user` | docs.metarank.ai, Event Format |
//! | ours | anything else | |

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::entity::{ItemEntity, UserEntity};
use super::event::Event;
use super::rejection::{Rejection, shortened};
use super::scalar::{Flag, Loose, Number, Text, Texts, Time};
use super::time;

/// Every top-level key of every shape. Unknown keys are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields<'a> {
    #[serde(
        borrow,
        alias = "userId",
        alias = "UserId",
        alias = "user",
        alias = "customer_id",
        alias = "uid"
    )]
    user_id: Option<Text<'a>>,
    #[serde(
        borrow,
        alias = "itemId",
        alias = "ItemId",
        alias = "item",
        alias = "product_id",
        alias = "productId",
        alias = "movie_id",
        alias = "movieId",
        alias = "content_id",
        alias = "contentId",
        alias = "video_id",
        alias = "article_id"
    )]
    item_id: Option<Text<'a>>,
    #[serde(borrow, alias = "event_type", alias = "behavior", alias = "behavior_type")]
    action: Option<Text<'a>>,
    #[serde(borrow, alias = "eventId", alias = "messageId")]
    event_id: Option<Text<'a>>,
    #[serde(
        borrow,
        alias = "timestamp",
        alias = "Timestamp",
        alias = "time_ms",
        alias = "event_time",
        alias = "eventTime"
    )]
    ts: Option<Time<'a>>,
    #[serde(borrow, alias = "sessionId", alias = "session")]
    session_id: Option<Text<'a>>,
    #[serde(alias = "rating", alias = "Value", alias = "eventValue")]
    value: Option<Number>,
    price: Option<Number>,
    quantity: Option<Number>,
    #[serde(borrow)]
    currency: Option<Text<'a>>,
    #[serde(borrow, alias = "orderId")]
    order_id: Option<Text<'a>>,
    #[serde(borrow)]
    items: Option<Vec<Line<'a>>>,
    #[serde(borrow, alias = "recommendationId", alias = "attributionToken", alias = "ranking")]
    rec_id: Option<Text<'a>>,
    position: Option<Number>,
    #[serde(borrow)]
    scenario: Option<Text<'a>>,
    #[serde(borrow)]
    tenant: Option<Text<'a>>,
    consent: Option<Flag>,
    #[serde(borrow)]
    user_agent: Loose<'a>,
    #[serde(borrow)]
    ip: Loose<'a>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,

    #[serde(borrow, rename = "FeedbackType")]
    feedback_type: Option<Text<'a>>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, rename = "anonymousId")]
    anonymous_id: Option<Text<'a>>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow)]
    fields: Option<&'a RawValue>,
    #[serde(borrow, rename = "eventList")]
    event_list: Option<Vec<PersonalizeEvent<'a>>>,
    #[serde(borrow, rename = "visitorId")]
    visitor_id: Option<Text<'a>>,
    #[serde(borrow, rename = "eventType")]
    event_type: Option<Text<'a>>,
    #[serde(borrow, rename = "productDetails")]
    product_details: Option<Vec<RetailDetail<'a>>>,
    #[serde(borrow, rename = "userInfo")]
    user_info: Option<RetailUser<'a>>,
    #[serde(borrow, rename = "purchaseTransaction")]
    purchase_transaction: Option<RetailTransaction<'a>>,
    #[serde(borrow)]
    specversion: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<Time<'a>>,
}

/// What is said about where an act was done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context<'a> {
    #[serde(borrow, alias = "userAgent")]
    user_agent: Loose<'a>,
    #[serde(borrow, alias = "ip_address", alias = "ipAddress")]
    ip: Loose<'a>,
}

/// A line of an order, or of a list shown; a bare id is a line too.
#[derive(Debug)]
struct Line<'a> {
    item_id: Option<Text<'a>>,
    quantity: Option<f64>,
    price: Option<f64>,
    position: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LineFields<'a> {
    #[serde(
        borrow,
        alias = "itemId",
        alias = "id",
        alias = "product_id",
        alias = "item",
        alias = "productId"
    )]
    item_id: Option<Text<'a>>,
    quantity: Option<Number>,
    price: Option<Number>,
    position: Option<Number>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Line<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let fields: LineFields<'_> = if raw.get().starts_with('{') {
            serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?
        } else {
            let id = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
            LineFields { item_id: Some(id), ..LineFields::default() }
        };
        Ok(Self {
            item_id: fields.item_id,
            quantity: fields.quantity.map(|n| n.0),
            price: fields.price.map(|n| n.0),
            position: fields.position.map(|n| n.0 as u32),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PersonalizeEvent<'a> {
    #[serde(borrow)]
    event_id: Option<Text<'a>>,
    #[serde(borrow)]
    event_type: Option<Text<'a>>,
    event_value: Option<Number>,
    #[serde(borrow)]
    item_id: Option<Text<'a>>,
    #[serde(borrow)]
    sent_at: Option<Time<'a>>,
    #[serde(borrow)]
    recommendation_id: Option<Text<'a>>,
    #[serde(borrow)]
    impression: Option<Vec<Text<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RetailDetail<'a> {
    #[serde(borrow)]
    product: RetailProduct<'a>,
    quantity: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RetailProduct<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    price_info: Option<RetailPrice<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RetailPrice<'a> {
    price: Option<Number>,
    #[serde(borrow)]
    currency_code: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RetailUser<'a> {
    #[serde(borrow)]
    user_id: Option<Text<'a>>,
    #[serde(borrow)]
    user_agent: Loose<'a>,
    #[serde(borrow)]
    ip_address: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RetailTransaction<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    currency_code: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SegmentProperties<'a> {
    #[serde(borrow)]
    product_id: Option<Text<'a>>,
    #[serde(borrow)]
    sku: Option<Text<'a>>,
    price: Option<Number>,
    quantity: Option<Number>,
    #[serde(borrow)]
    currency: Option<Text<'a>>,
    #[serde(borrow)]
    order_id: Option<Text<'a>>,
    position: Option<Number>,
    rating: Option<Number>,
    #[serde(borrow)]
    products: Option<Vec<Line<'a>>>,
}

/// What a JSON message held.
#[derive(Debug, PartialEq)]
pub enum Content<'a> {
    /// Behaviour: one event, or the lines of one order or list.
    Events(Vec<Event<'a>>),
    /// Attributes of an item.
    Item(ItemEntity<'a>),
    /// Attributes of a user.
    User(UserEntity<'a>),
}

/// What the message says around its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The action implied by the topic.
    pub(super) action: Option<&'a str>,
    /// The record's own time.
    pub(super) time_ms: i64,
    /// Whether a CloudEvents envelope may be opened (once: envelopes do not nest).
    pub(super) may_open: bool,
}

/// Decodes JSON text of any accepted shape of behaviour.
pub(super) fn decode<'a>(json: &'a str, around: Around<'a>) -> Result<Content<'a>, Rejection> {
    let fields: Fields<'a> = from_json(json)?;
    fields.into_content(around)
}

/// The elements of a JSON list of objects.
pub(super) fn elements(json: &str) -> Result<impl Iterator<Item = &str>, Rejection> {
    let elements: Vec<&RawValue> = from_json(json)?;
    if !elements.iter().all(|element| element.get().starts_with('{')) {
        return Err(malformed("a list of other things than events"));
    }
    Ok(elements.into_iter().map(RawValue::get))
}

impl<'a> Fields<'a> {
    fn into_content(mut self, around: Around<'a>) -> Result<Content<'a>, Rejection> {
        if self.specversion.is_some() && around.may_open {
            return self.open_cloud_event(around);
        }
        if self.event_list.is_some() {
            return self.personalize(around).map(Content::Events);
        }
        if self.visitor_id.is_some() && self.event_type.is_some() {
            return self.google_retail(around).map(Content::Events);
        }
        if let Some(action) = self.feedback_type.take() {
            self.action = Some(action);
            return self.ours(around).map(Content::Events);
        }
        if self.event.is_some() && self.properties.is_some() {
            return self.segment(around).map(Content::Events);
        }
        match self.event.as_ref().map(|event| event.0.as_ref()) {
            Some("interaction") => self.metarank_interaction(around).map(Content::Events),
            Some("ranking") => self.metarank_ranking(around).map(Content::Events),
            Some("item") => metarank_item(self).map(Content::Item),
            Some("user") => metarank_user(self).map(Content::User),
            _ => self.ours(around).map(Content::Events),
        }
    }

    fn open_cloud_event(self, around: Around<'a>) -> Result<Content<'a>, Rejection> {
        let data = self.data.ok_or_else(|| malformed("a CloudEvents envelope without data"))?;
        let time_ms = match &self.time {
            Some(time) => read_time(time)?,
            None => around.time_ms,
        };
        // `type` is a reverse-DNS name such as `com.example.purchase`: its last word may be the action.
        let word = match &self.kind {
            Some(Text(Cow::Borrowed(kind))) => kind.rsplit('.').next(),
            _ => None,
        };
        let inner = Around { action: around.action.or(word), time_ms, may_open: false };
        let mut content = decode(data.get(), inner)?;
        if let (Content::Events(events), Some(id)) = (&mut content, self.id) {
            number_lines(events, &id.0);
        }
        Ok(content)
    }

    fn personalize(self, around: Around<'a>) -> Result<Vec<Event<'a>>, Rejection> {
        let mut out = Vec::new();
        let user_id = self.user_id.map(|text| text.0);
        let session_id = self.session_id.map(|text| text.0);
        for sent in self.event_list.unwrap_or_default() {
            let time_ms = match &sent.sent_at {
                Some(time) => read_time(time)?,
                None => around.time_ms,
            };
            let shared = Event {
                user_id: user_id.clone(),
                session_id: session_id.clone(),
                rec_id: sent.recommendation_id.map(|text| text.0),
                time_ms,
                ..Event::default()
            };
            for (rank, shown) in (1..).zip(sent.impression.unwrap_or_default()) {
                let action = Cow::Borrowed("impression");
                out.push(Event { item_id: shown.0, action, position: Some(rank), ..shared.clone() });
            }
            if let Some(item) = sent.item_id {
                let action = sent.event_type.map(|text| text.0).or(around.action.map(Cow::Borrowed));
                out.push(Event {
                    item_id: item.0,
                    action: action.ok_or(Rejection::MissingAction)?,
                    event_id: sent.event_id.map(|text| text.0),
                    value: sent.event_value.map(|n| n.0),
                    ..shared
                });
            }
        }
        non_empty(out)
    }

    fn google_retail(mut self, around: Around<'a>) -> Result<Vec<Event<'a>>, Rejection> {
        let details = self.product_details.take().unwrap_or_default();
        let info = self.user_info.take().unwrap_or_default();
        let user = info.user_id.or(self.visitor_id.take());
        (self.user_agent, self.ip) = (info.user_agent, info.ip_address);
        let transaction = self.purchase_transaction.take().unwrap_or_default();
        self.user_id = user;
        self.order_id = transaction.id;
        self.currency = transaction.currency_code;
        self.action = self.event_type.take();
        let searched = self.action.as_ref().is_some_and(|action| action.0 == "search");
        let event = self.base(around)?;
        if searched && details.is_empty() {
            return Ok(vec![event]);
        }
        let lines = details.into_iter().map(|detail| {
            let price = detail.product.price_info.unwrap_or_default();
            Event {
                item_id: detail.product.id.map(|id| id.0).unwrap_or_default(),
                quantity: detail.quantity.map(|n| n.0),
                price: price.price.map(|n| n.0),
                currency: price.currency_code.map(|text| text.0).or(event.currency.clone()),
                ..event.clone()
            }
        });
        non_empty(lines.collect())
    }

    fn segment(mut self, around: Around<'a>) -> Result<Vec<Event<'a>>, Rejection> {
        let raw = self.properties.take().ok_or_else(|| malformed("properties are missing"))?;
        let properties: SegmentProperties<'a> =
            serde_json::from_str(raw.get()).map_err(|error| malformed(&format!("properties: {error}")))?;
        self.user_id = self.user_id.or(self.anonymous_id.take());
        self.action = self.event.take();
        self.item_id = properties.product_id.or(properties.sku);
        self.price = properties.price;
        self.quantity = properties.quantity;
        self.currency = properties.currency;
        self.order_id = properties.order_id;
        self.position = properties.position;
        self.value = properties.rating;
        self.items = properties.products;
        self.ours(around)
    }

    fn metarank_interaction(mut self, around: Around<'a>) -> Result<Vec<Event<'a>>, Rejection> {
        self.action = self.kind.take();
        self.event_id = self.id.take();
        self.ours(around)
    }

    fn metarank_ranking(mut self, around: Around<'a>) -> Result<Vec<Event<'a>>, Rejection> {
        self.rec_id = self.id.take();
        self.action = Some(Text(Cow::Borrowed("impression")));
        let mut events = self.ours(around)?;
        for (rank, event) in (1..).zip(&mut events) {
            event.position = Some(rank);
        }
        Ok(events)
    }

    /// Our own flat form, one event or one per line of `items`.
    fn ours(mut self, around: Around<'a>) -> Result<Vec<Event<'a>>, Rejection> {
        let lines = self.items.take();
        if self.action.is_none() {
            self.action = self.event_type.take();
        }
        if self.event_id.is_none() && self.item_id.is_some() {
            // A flat event's `id` names the event when it cannot be the item.
            self.event_id = self.id.take();
        }
        let mut event = self.base(around)?;
        let Some(lines) = lines else {
            return Ok(vec![event]);
        };
        let id = event.event_id.take();
        let lines = lines.into_iter().map(|line| Event {
            item_id: line.item_id.map(|id| id.0).unwrap_or_default(),
            quantity: line.quantity.or(event.quantity),
            price: line.price.or(event.price),
            position: line.position.or(event.position),
            ..event.clone()
        });
        let mut events = non_empty(lines.collect())?;
        if let Some(id) = id {
            number_lines(&mut events, &id);
        }
        Ok(events)
    }

    fn base(self, around: Around<'a>) -> Result<Event<'a>, Rejection> {
        let text = |text: Option<Text<'a>>| text.map(|text| text.0);
        let action = text(self.action).or(around.action.map(Cow::Borrowed));
        let context = self.context.filter(|raw| raw.get().starts_with('{'));
        let context = context.and_then(|raw| serde_json::from_str::<Context<'a>>(raw.get()).ok());
        let context = context.unwrap_or_default();
        Ok(Event {
            user_id: text(self.user_id),
            item_id: text(self.item_id).unwrap_or_default(),
            action: action.ok_or(Rejection::MissingAction)?,
            time_ms: match self.ts.or(self.time) {
                Some(time) => read_time(&time)?,
                None => around.time_ms,
            },
            event_id: text(self.event_id),
            session_id: text(self.session_id),
            value: self.value.map(|n| n.0),
            price: self.price.map(|n| n.0),
            quantity: self.quantity.map(|n| n.0),
            currency: text(self.currency),
            order_id: text(self.order_id),
            rec_id: text(self.rec_id),
            position: self.position.map(|n| n.0 as u32),
            scenario: text(self.scenario),
            tenant: text(self.tenant),
            consent: self.consent.map(|flag| flag.0),
            user_agent: self.user_agent.0.or(context.user_agent.0),
            address: self.ip.0.or(context.ip.0),
        })
    }
}

/// Lines of one message share its id: each gets its own, `id#0`, `id#1`, ..., and a single one keeps it.
fn number_lines(events: &mut [Event<'_>], id: &str) {
    if let [event] = events {
        event.event_id.get_or_insert_with(|| Cow::Owned(id.to_owned()));
        return;
    }
    for (line, event) in events.iter_mut().enumerate() {
        event.event_id.get_or_insert_with(|| Cow::Owned(format!("{id}#{line}")));
    }
}

/// `fields: [{"name": ..., "value": ...}]`.
#[derive(Debug, Deserialize)]
struct MetarankField<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: &'a RawValue,
}

fn metarank_fields<'a>(raw: Option<&'a RawValue>) -> Result<Vec<MetarankField<'a>>, Rejection> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    serde_json::from_str(raw.get()).map_err(|error| malformed(&format!("fields: {error}")))
}

fn metarank_item(fields: Fields<'_>) -> Result<ItemEntity<'_>, Rejection> {
    let item_id = fields.item_id.ok_or(Rejection::MissingItemId)?.0;
    let mut item = ItemEntity { item_id, ..ItemEntity::default() };
    for field in metarank_fields(fields.fields)? {
        let json = field.value.get();
        match field.name.0.as_ref() {
            "title" => item.title = serde_json::from_str::<Text<'_>>(json).ok().map(|text| text.0),
            "description" => {
                item.description = serde_json::from_str::<Text<'_>>(json).ok().map(|text| text.0)
            }
            "category" | "categories" | "genres" => {
                item.categories = serde_json::from_str::<Texts<'_>>(json).unwrap_or_default().0;
            }
            "tags" => item.tags = serde_json::from_str::<Texts<'_>>(json).unwrap_or_default().0,
            "price" => item.price = serde_json::from_str::<Number>(json).ok().map(|n| n.0),
            "available" => item.available = serde_json::from_str::<Flag>(json).ok().map(|flag| flag.0),
            _ => {}
        }
    }
    Ok(item)
}

fn metarank_user(fields: Fields<'_>) -> Result<UserEntity<'_>, Rejection> {
    let user_id = fields.user_id.ok_or(Rejection::MissingUserId)?.0;
    let mut user = UserEntity { user_id, ..UserEntity::default() };
    for field in metarank_fields(fields.fields)? {
        match field.name.0.as_ref() {
            "age" => user.age = serde_json::from_str::<Number>(field.value.get()).ok().map(|n| n.0),
            "gender" => {
                user.gender = serde_json::from_str::<Text<'_>>(field.value.get()).ok().map(|text| text.0)
            }
            _ => {}
        }
    }
    Ok(user)
}

/// Keys of the `items` topic; Gorse's names are accepted beside ours.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ItemFields<'a> {
    #[serde(
        borrow,
        alias = "ItemId",
        alias = "itemId",
        alias = "id",
        alias = "product_id",
        alias = "movie_id"
    )]
    item_id: Option<Text<'a>>,
    #[serde(borrow, alias = "name")]
    title: Option<Text<'a>>,
    #[serde(borrow, alias = "Comment")]
    description: Option<Text<'a>>,
    #[serde(borrow, alias = "Categories", alias = "category", alias = "genres")]
    categories: Option<Texts<'a>>,
    #[serde(borrow, alias = "Labels", alias = "labels")]
    tags: Option<Texts<'a>>,
    price: Option<Number>,
    available: Option<Flag>,
    #[serde(rename = "IsHidden")]
    is_hidden: Option<Flag>,
    #[serde(borrow, alias = "Timestamp")]
    published_at: Option<Time<'a>>,
    #[serde(borrow)]
    expires_at: Option<Time<'a>>,
    embedding: Vec<f32>,
    #[serde(borrow)]
    owner_id: Option<Text<'a>>,
    #[serde(borrow)]
    tenant: Option<Text<'a>>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
}

/// Decodes a value of the `items` topic. `key`: the record's key, the id when the value has none.
pub(super) fn decode_item<'a>(json: &'a str, key: Option<&'a str>) -> Result<ItemEntity<'a>, Rejection> {
    let fields: ItemFields<'a> = from_json(json)?;
    if fields.event.as_ref().is_some_and(|event| event.0 == "item") {
        return metarank_item(from_json(json)?);
    }
    let read = |time: Option<Time<'a>>| time.as_ref().map(read_time).transpose();
    let item_id = fields.item_id.map(|id| id.0).or(key.map(Cow::Borrowed)).ok_or(Rejection::MissingItemId)?;
    Ok(ItemEntity {
        item_id,
        title: fields.title.map(|text| text.0),
        description: fields.description.map(|text| text.0),
        categories: fields.categories.unwrap_or_default().0,
        tags: fields.tags.unwrap_or_default().0,
        price: fields.price.map(|n| n.0),
        available: fields.available.map(|flag| flag.0).or(fields.is_hidden.map(|flag| !flag.0)),
        published_at_ms: read(fields.published_at)?,
        expires_at_ms: read(fields.expires_at)?,
        embedding: fields.embedding,
        owner_id: fields.owner_id.map(|text| text.0),
        tenant: fields.tenant.map(|text| text.0),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UserFields<'a> {
    #[serde(borrow, alias = "UserId", alias = "userId", alias = "id")]
    user_id: Option<Text<'a>>,
    age: Option<Number>,
    #[serde(borrow, alias = "sex")]
    gender: Option<Text<'a>>,
    #[serde(borrow)]
    tenant: Option<Text<'a>>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
}

/// Decodes a value of the `users` topic. `key`: the record's key, the id when the value has none.
pub(super) fn decode_user<'a>(json: &'a str, key: Option<&'a str>) -> Result<UserEntity<'a>, Rejection> {
    let fields: UserFields<'a> = from_json(json)?;
    if fields.event.as_ref().is_some_and(|event| event.0 == "user") {
        // Metarank's `id` is the event's, so the generic reading above took the wrong one.
        return metarank_user(from_json(json)?);
    }
    let user_id = fields.user_id.map(|id| id.0).or(key.map(Cow::Borrowed)).ok_or(Rejection::MissingUserId)?;
    Ok(UserEntity {
        user_id,
        age: fields.age.map(|n| n.0),
        gender: fields.gender.map(|text| text.0),
        tenant: fields.tenant.map(|text| text.0),
    })
}

fn read_time(time: &Time<'_>) -> Result<i64, Rejection> {
    match time {
        Time::Number(number) => {
            time::from_number(*number).ok_or_else(|| Rejection::BadTime { text: number.to_string() })
        }
        Time::Text(text) => time::from_text(text).ok_or_else(|| Rejection::BadTime { text: shortened(text) }),
    }
}

fn non_empty(events: Vec<Event<'_>>) -> Result<Vec<Event<'_>>, Rejection> {
    if events.is_empty() { Err(Rejection::MissingItemId) } else { Ok(events) }
}

/// JSON that does not parse is no event at all; JSON that parses and does not fit is a malformed one.
fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    serde_json::from_str(json).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => malformed(&error.to_string()),
        _ => Rejection::NotAnEvent { detail: error.to_string() },
    })
}

fn malformed(detail: &str) -> Rejection {
    Rejection::Malformed { detail: detail.to_owned() }
}
