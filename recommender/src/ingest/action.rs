//! What users do, and how much each act says.
//!
//! An action is a word with a weight: positive acts are learnt and their items count as seen, negative ones
//! mark the item as disliked and lower similar items, zero ones are only counted. Words arrive in many
//! spellings; [`normal_form`] brings the usual ones together before the table is asked.

use std::borrow::Cow;

/// Index of an action in the [`Actions`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u8);

/// The words known without configuration, with their default weights.
pub const DEFAULT_WEIGHTS: &[(&str, f32)] = &[
    ("impression", 0.0),
    ("view", 1.0),
    ("click", 1.0),
    ("like", 2.0),
    ("dislike", -2.0),
    ("favorite", 2.0),
    ("rate", 1.0),
    ("cart_add", 2.0),
    ("cart_remove", -0.5),
    ("purchase", 3.0),
    ("refund", -1.0),
    ("share", 2.0),
    ("follow", 0.0),
    ("search", 0.0),
    ("dwell", 1.0),
    ("skip", -0.5),
    ("hide", -2.0),
    ("satisfaction", 0.0),
];

/// At most this many different actions: an [`ActionId`] is one byte.
pub const ACTIONS_MAX: usize = 256;

/// The actions in force: word, weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Actions {
    words: Vec<(String, f32)>,
}

impl Default for Actions {
    fn default() -> Self {
        Self { words: DEFAULT_WEIGHTS.iter().map(|&(word, weight)| (word.to_owned(), weight)).collect() }
    }
}

impl Actions {
    /// Sets the weight of a word, known or new. False if the table is full or the weight is not finite.
    pub fn set(&mut self, word: &str, weight: f32) -> bool {
        let word = normal_form(word);
        if !weight.is_finite() || word.is_empty() {
            return false;
        }
        if let Some(entry) = self.words.iter_mut().find(|(known, _)| *known == word) {
            entry.1 = weight;
        } else if self.words.len() < ACTIONS_MAX {
            self.words.push((word.into_owned(), weight));
        } else {
            return false;
        }
        true
    }

    /// The action a word stands for, in any of its spellings.
    pub fn find(&self, word: &str) -> Option<ActionId> {
        let exact = |word: &str| self.words.iter().position(|(known, _)| known == word);
        exact(word).or_else(|| exact(&normal_form(word))).map(|index| ActionId(index as u8))
    }

    /// The weight of an action.
    pub fn weight(&self, action: ActionId) -> f32 {
        self.words[usize::from(action.0)].1
    }

    /// The word of an action.
    pub fn word(&self, action: ActionId) -> &str {
        &self.words[usize::from(action.0)].0
    }

    /// Every word with its weight.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f32)> {
        self.words.iter().map(|(word, weight)| (word.as_str(), *weight))
    }
}

/// Lower case, words joined by `_`, and the usual synonyms as the one word we use.
pub fn normal_form(word: &str) -> Cow<'_, str> {
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let spelled: Cow<'_, str> = if plain {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(word.trim().to_lowercase().replace([' ', '-', '.'], "_"))
    };
    match synonym(&spelled) {
        Some(known) => Cow::Borrowed(known),
        None => spelled,
    }
}

/// Other systems' words: Google Retail, Segment, Personalize's samples, Gorse's samples, shop data sets.
fn synonym(word: &str) -> Option<&'static str> {
    Some(match word {
        "views" | "viewed" | "watch" | "watched" | "read" | "play" | "detail_page_view"
        | "product_viewed" | "page_view" | "pv" | "listen" => "view",
        "clicks" | "clicked" | "product_clicked" => "click",
        "impressions" | "product_list_viewed" | "recommended_items" => "impression",
        "liked" | "thumbs_up" | "upvote" => "like",
        "disliked" | "thumbs_down" | "downvote" => "dislike",
        "fav"
        | "favourite"
        | "favorited"
        | "star"
        | "bookmark"
        | "wishlist"
        | "product_added_to_wishlist" => "favorite",
        "rating" | "rated" | "product_reviewed" => "rate",
        "cart" | "add_to_cart" | "addtocart" | "product_added" => "cart_add",
        "remove_from_cart" | "removefromcart" | "product_removed" => "cart_remove",
        "buy" | "bought" | "purchased" | "order" | "order_completed" | "purchase_complete"
        | "transaction" | "checkout" => "purchase",
        "refunded" | "return" | "order_refunded" | "order_cancelled" => "refund",
        "shared" | "product_shared" => "share",
        "products_searched" => "search",
        "skipped" => "skip",
        "hidden" => "hide",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_meet() {
        let actions = Actions::default();
        for (word, known) in [
            ("click", "click"),
            ("Click", "click"),
            ("add-to-cart", "cart_add"),
            ("Product Added", "cart_add"),
            ("AddToCart", "cart_add"),
            ("purchase-complete", "purchase"),
            ("Watch", "view"),
            ("transaction", "purchase"),
        ] {
            assert_eq!(actions.find(word).map(|action| actions.word(action)), Some(known), "{word}");
        }
        assert_eq!(actions.find("levitate"), None);
    }

    #[test]
    fn a_new_word_needs_a_weight() {
        let mut actions = Actions::default();
        assert!(actions.set("Levitate", 4.0));
        let action = actions.find("levitate").unwrap();
        assert_eq!(actions.weight(action), 4.0);
        assert!(!actions.set("x", f32::NAN));
        for n in 0..300 {
            actions.set(&format!("word{n}"), 1.0);
        }
        assert_eq!(actions.iter().count(), ACTIONS_MAX);
    }
}
