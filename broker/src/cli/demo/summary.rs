//! What was learnt, for people.

use std::time::Duration;

use recommender::{HotWindow, Metric, Request, Scope};

use super::super::Failure;
use super::data::Sample;
use crate::Handle;

/// Lines in each list.
const LINES: usize = 5;
/// A customer with at most this many different items is shown.
const CUSTOMER_ITEMS_MAX: usize = 40;
/// Customers looked at to find one to show.
const CUSTOMERS_MAX: usize = 500;

/// How fast it went.
pub(super) fn speed(events: usize, produced_in: Duration, learnt_in: Duration) {
    let rate = |took: Duration| events as f64 / took.as_secs_f64().max(1e-9);
    println!(
        "{events} purchases produced in {produced_in:.2?} ({:.0} events/s), learnt with every list written in {learnt_in:.2?} ({:.0} events/s).",
        rate(produced_in),
        rate(learnt_in)
    );
}

/// Hot items, items that go with the best seller, and recommendations for one customer with reasons.
pub(super) fn print(handle: &Handle, sample: &Sample) -> Result<(), Failure> {
    let feed = handle.feed().ok_or_else(|| Failure::usage("the recommender is turned off"))?;
    let nothing = || Failure::runtime("nothing was learnt");
    let hot = feed.read().recommender().hot(Scope::All, HotWindow::AllTime, LINES).ok_or_else(nothing)?;
    let best = hot.items.first().ok_or_else(nothing)?.item_id.clone();
    println!("\nHot items, all time");
    for item in &hot.items {
        println!("  {:>6} purchases  {}", item.count, named(&item.item_id, item.title.as_deref()));
    }
    let similar = feed.read().recommender().similar(&best, LINES, Metric::Cosine).unwrap_or_default();
    println!("\nOften bought with {}", named(&best, title_of(sample, &best)));
    for item in &similar {
        let name = named(&item.item_id, item.title.as_deref());
        println!("  cosine {:.3}  {:>4} customers  {name}", item.cosine, item.count);
    }
    let user = showcase(handle, sample).ok_or_else(nothing)?;
    print_customer(handle, sample, user)?;
    print_next(handle, &best, user);
    Ok(())
}

/// The customer whose recommendations owe most to what they bought themselves.
fn showcase<'a>(handle: &Handle, sample: &'a Sample) -> Option<&'a str> {
    let feed = handle.feed()?;
    let personal = |user: &str| {
        let request = Request { explain: true, ..Request::user(user, LINES) };
        let items =
            feed.read().recommender().recommend(&request).map(|answer| answer.items).unwrap_or_default();
        items.iter().filter(|item| item.reasons.iter().any(|reason| !reason.because.is_empty())).count()
    };
    // Of equals the first, who bought most.
    let mut customers = sample.customers(CUSTOMER_ITEMS_MAX);
    customers.truncate(CUSTOMERS_MAX);
    customers.into_iter().rev().max_by_key(|user| personal(user))
}

fn print_customer(handle: &Handle, sample: &Sample, user: &str) -> Result<(), Failure> {
    let feed = handle.feed().ok_or_else(|| Failure::usage("the recommender is turned off"))?;
    println!("\nCustomer {user} bought");
    let mut shown = std::collections::HashSet::new();
    for event in sample.events.iter().filter(|event| event.user_id == user) {
        if shown.insert(&event.item_id) && shown.len() <= LINES {
            println!("  {}", named(&event.item_id, title_of(sample, &event.item_id)));
        }
    }
    if shown.len() > LINES {
        println!("  … and {} more", shown.len() - LINES);
    }
    let request = Request { explain: true, ..Request::user(user, LINES) };
    let answer = feed
        .read()
        .recommender()
        .recommend(&request)
        .ok_or_else(|| Failure::runtime("no recommendations"))?;
    println!("\nRecommended to customer {user}");
    for item in &answer.items {
        println!("  {:.3}  {}", item.score, named(&item.item_id, item.title.as_deref()));
        // The strongest reason that is this customer's own, and the strongest of all.
        let personal = item.reasons.iter().find(|reason| !reason.because.is_empty());
        let mut reasons: Vec<&str> = [personal, item.reasons.first()]
            .into_iter()
            .flatten()
            .map(|reason| reason.text.as_str())
            .collect();
        reasons.dedup();
        for reason in reasons {
            println!("         {reason}");
        }
    }
    Ok(())
}

/// Where to look next, with this broker's real addresses.
fn print_next(handle: &Handle, item: &str, user: &str) {
    let kafka = handle.kafka_address();
    println!("\nTry next");
    if let Some(http) = handle.http_address() {
        println!("  curl 'http://{http}/api/v1/hot?window=7d&n=5'");
        println!("  curl 'http://{http}/api/v1/items/{item}/similar?n=5'");
        println!("  curl 'http://{http}/api/v1/users/{user}/recommendations?n=5&explain=true'");
    }
    println!("  kcat -b {kafka} -C -t kindred.similar-items -o beginning -c 3 -f '%k %s\\n'");
    println!(
        "  kafka-console-consumer.sh --bootstrap-server {kafka} --topic kindred.recommendations --from-beginning --max-messages 3"
    );
}

fn named(id: &str, title: Option<&str>) -> String {
    match title {
        Some(title) => format!("{title} ({id})"),
        None => id.to_owned(),
    }
}

fn title_of<'a>(sample: &'a Sample, id: &str) -> Option<&'a str> {
    sample.items.iter().find(|(item, _)| item == id).map(|(_, title)| title.as_str())
}
