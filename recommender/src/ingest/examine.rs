//! What is wrong with a message of behaviour, found without learning it: for whoever wants to say so before it is appended.

use super::clean::{self, check_id};
use super::parse::{self, Content};
use super::rejection::Rejection;
use crate::config::Config;

/// What a message of the topic `topic`, which implies no action, holds.
///
/// `record_ms`: the time of its record, in ms since 1970.
///
/// # Errors
/// The first [`Rejection`] that any of its events would meet, but for those that depend on what was learnt before:
/// duplicates, too many tenants, what operators keep out.
pub fn examine<'a>(
    config: &Config,
    topic: &str,
    value: &'a [u8],
    record_ms: i64,
) -> Result<Content<'a>, Rejection> {
    let content = parse::behaviour_as(config.format(topic), value, None, record_ms)?;
    let tenant = match &content {
        Content::Events(events) => {
            let max = config.event_items_max;
            if events.len() > max {
                return Err(Rejection::TooManyItems { count: events.len(), max });
            }
            events.iter().try_for_each(|event| clean::check(event, record_ms, config).map(drop))?;
            events.first().and_then(|event| event.tenant.as_deref())
        }
        Content::Item(item) => {
            check_id("item_id", &item.item_id, config)?;
            item.tenant.as_deref()
        }
        Content::User(user) => {
            check_id("user_id", &user.user_id, config)?;
            user.tenant.as_deref()
        }
    };
    if let Some(tenant) = tenant.filter(|_| config.tenants_max > 0) {
        check_id("tenant", tenant, config)?;
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Position;
    use crate::recommender::{Incoming, Recommender};

    #[test]
    fn it_says_what_a_recommender_says_that_has_learnt_nothing() {
        let mut config = Config::default();
        config.set("recommender.event.items.max", "2").expect("a good setting");
        for value in [
            r#"{"user_id":1,"item_id":2,"action":"view"}"#,
            r#"{"user_id":1,"item_id":2,"action":"levitate"}"#,
            r#"{"user_id":1,"action":"view"}"#,
            r#"{"item_id":1,"action":"view"}"#,
            r#"{"user_id":1,"item_id":2,"action":"view","ts":9000000000000}"#,
            r#"{"user_id":1,"item_id":2,"action":"view","consent":false}"#,
            r#"{"user_id":1,"item_id":2,"action":"view","tenant":" "}"#,
            r#"{"user_id":1,"action":"purchase","items":[{"item_id":1},{"item_id":2},{"item_id":3}]}"#,
            "tea:view",
            "7",
            "{",
            "",
        ] {
            let position = Position { source: "t-0", offset: 0 };
            let (topic, time_ms) = ("user_behavior", 1_700_000_000_000);
            let message =
                Incoming { topic, position, key: None, value: Some(value.as_bytes()), headers: &[], time_ms };
            let learnt = Recommender::new(config.clone()).ingest(&message).map(drop);
            assert_eq!(examine(&config, topic, value.as_bytes(), time_ms).map(drop), learnt, "{value}");
        }
    }

    #[test]
    fn one_bad_line_of_several_is_enough() {
        let lines =
            br#"[{"user_id":1,"item_id":2,"action":"view"},{"user_id":1,"item_id":2,"action":"levitate"}]"#;
        let refused = examine(&Config::default(), "user_behavior", lines, 0).map(drop);
        assert_eq!(refused, Err(Rejection::UnknownAction { action: "levitate".into() }));
    }
}
