//! The bundled sample: ten weeks of a British gift wholesaler's orders (see `broker/demo/README.md`).

use std::collections::{HashMap, HashSet};
use std::io::Read;

use flate2::read::GzDecoder;
use serde::Serialize;

const EVENTS: &[u8] = include_bytes!("../../../demo/online-retail-events.csv.gz");
const ITEMS: &[u8] = include_bytes!("../../../demo/online-retail-items.csv.gz");

/// The sample, unpacked.
pub(super) struct Sample {
    /// Purchases in order of time.
    pub(super) events: Vec<Purchase>,
    /// Item ids and titles.
    pub(super) items: Vec<(String, String)>,
}

/// One line of an order, as the event that is produced.
#[derive(Debug, Serialize)]
pub(super) struct Purchase {
    pub(super) user_id: String,
    pub(super) item_id: String,
    pub(super) action: &'static str,
    ts: String,
    order_id: String,
    quantity: f64,
    price: f64,
    currency: &'static str,
}

impl Sample {
    /// Customers who bought at most `most` different items, so that a reader can take them in; those who
    /// bought the largest number first.
    pub(super) fn customers(&self, most: usize) -> Vec<&str> {
        let mut bought: HashMap<&str, HashSet<&str>> = HashMap::new();
        for event in &self.events {
            bought.entry(&event.user_id).or_default().insert(&event.item_id);
        }
        let mut fitting: Vec<_> = bought.into_iter().filter(|(_, items)| items.len() <= most).collect();
        fitting.sort_by_key(|(user, items)| (std::cmp::Reverse(items.len()), *user));
        fitting.into_iter().map(|(user, _)| user).collect()
    }
}

/// Unpacks the sample.
pub(super) fn load() -> std::io::Result<Sample> {
    let events = unpacked(EVENTS)?.lines().skip(1).filter_map(purchase).collect();
    let items = unpacked(ITEMS)?.lines().skip(1).filter_map(item).collect();
    Ok(Sample { events, items })
}

fn unpacked(packed: &[u8]) -> std::io::Result<String> {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text)?;
    Ok(text)
}

fn purchase(line: &str) -> Option<Purchase> {
    let mut fields = line.split(',').map(str::to_owned);
    Some(Purchase {
        user_id: fields.next()?,
        item_id: fields.next()?,
        action: "purchase",
        ts: fields.next()?,
        order_id: fields.next()?,
        quantity: fields.next()?.parse().ok()?,
        price: fields.next()?.parse().ok()?,
        currency: "GBP",
    })
}

/// Titles are the last column and may be quoted.
fn item(line: &str) -> Option<(String, String)> {
    let (id, title) = line.split_once(',')?;
    let title = match title.strip_prefix('"').and_then(|title| title.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => title.to_owned(),
    };
    Some((id.to_owned(), title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_sample_is_understood() {
        let sample = load().unwrap();
        assert_eq!(sample.events.len(), unpacked(EVENTS).unwrap().lines().count() - 1);
        assert_eq!(sample.items.len(), unpacked(ITEMS).unwrap().lines().count() - 1);
        assert!(sample.items.iter().all(|(id, title)| !id.is_empty() && !title.is_empty()));
        assert!(!sample.customers(12).is_empty());
    }

    #[test]
    fn quoted_titles_are_unquoted() {
        let parsed = item(r#"1,"A ""BIG"" BAG, RED""#);
        assert_eq!(parsed, Some(("1".to_owned(), "A \"BIG\" BAG, RED".to_owned())));
    }
}
