//! What is known of an item or a user apart from behaviour.

use std::borrow::Cow;

use serde::Serialize;

/// Attributes of an item. A field left out is unknown, not empty; a later entity replaces the whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ItemEntity<'a> {
    /// Which item.
    pub item_id: Cow<'a, str>,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'a, str>>,
    /// Longer text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    /// Where it belongs; each is a scope of hot items.
    pub categories: Vec<Cow<'a, str>>,
    /// Free words.
    pub tags: Vec<Cow<'a, str>>,
    /// Price of one piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// Whether it may be recommended now. Unknown counts as yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// Not to be recommended before, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at_ms: Option<i64>,
    /// Not to be recommended from here on, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// Where it stands among others, as some other program computed it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embedding: Vec<f32>,
    /// The user who offers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<Cow<'a, str>>,
    /// The tenant it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Cow<'a, str>>,
}

/// Attributes of a user.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct UserEntity<'a> {
    /// Which user.
    pub user_id: Cow<'a, str>,
    /// In years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
    /// As sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<Cow<'a, str>>,
    /// The tenant it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Cow<'a, str>>,
}
