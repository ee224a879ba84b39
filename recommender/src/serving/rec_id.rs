//! The name of an answer, which says where it came from.
//!
//! ```text
//! 3e8-2.9b1f03c5d2a44e71.item-cosine.ranking.cosine.home
//! state        who        model   experiment  arm  scenario
//! ```
//! Six parts with dots between them; those that do not apply are empty. Whatever people do about an answer is sent back
//! with its name (`rec_id`), so what an answer was worth can be told without having written down who was answered what.
//! Names are given from state and question alone: the same log gives the same names. What comes from outside is escaped:
//! each byte but letters, digits, `-` and `_` as `%` and two hexadecimal digits. For whom it was is there as a hash only.

use std::borrow::Cow;
use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use super::request::History;

/// The longest name that is read, in bytes.
const BYTES_MAX: usize = 4096;

/// A name, in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecId<'a> {
    /// Events learnt by then.
    pub events: u64,
    /// Items and users described or removed by then.
    pub entities: u64,
    /// A hash of whose taste it went by.
    pub who: u64,
    /// The model that ranked it, `fused` for all.
    pub model: Cow<'a, str>,
    /// The experiment that it was part of.
    pub experiment: Option<Cow<'a, str>>,
    /// The arm of that.
    pub arm: Option<Cow<'a, str>>,
    /// The place in the product: `home`, `cart`, ...
    pub scenario: Option<Cow<'a, str>>,
}

impl<'a> RecId<'a> {
    /// The parts of a name; `None` if it is of somebody else's making.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let mut parts = text.split('.');
        let mut part = || parts.next();
        let (events, entities) = part()?.split_once('-')?;
        let (events, entities) = (hex(events)?, hex(entities)?);
        let who = part().filter(|who| who.len() == 16).and_then(hex)?;
        let model = unescape(part()?).filter(|model| !model.is_empty())?;
        let mut optional =
            || part().and_then(unescape).map(|text| Some(text).filter(|text| !text.is_empty()));
        let (experiment, arm, scenario) = (optional()?, optional()?, optional()?);
        parts.next().is_none().then_some(Self { events, entities, who, model, experiment, arm, scenario })
    }

    /// The hash that stands for a history in a name.
    pub fn hash_of(history: History<'_>) -> u64 {
        let mut hash = Xxh3::new();
        let mut add = |id: &str| {
            hash.update(&(id.len() as u64).to_be_bytes());
            hash.update(id.as_bytes());
        };
        match history {
            History::User(id) => {
                add("user");
                add(id);
            }
            History::Items(items) => {
                add("items");
                items.iter().for_each(|id| add(id));
            }
        }
        hash.digest()
    }
}

impl fmt::Display for RecId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}.{:016x}.", self.events, self.entities, self.who)?;
        escape(&self.model, f)?;
        for part in [&self.experiment, &self.arm, &self.scenario] {
            f.write_str(".")?;
            part.iter().try_for_each(|text| escape(text, f))?;
        }
        Ok(())
    }
}

fn hex(text: &str) -> Option<u64> {
    // A sign would be read as well.
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(text, 16).ok())?
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.bytes().try_for_each(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => write!(f, "{}", char::from(byte)),
        _ => write!(f, "%{byte:02X}"),
    })
}

fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            bytes.push(hex(std::str::from_utf8(digits).ok()?)? as u8);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(model: &'a str, arm: Option<(&'a str, &'a str)>, scenario: Option<&'a str>) -> RecId<'a> {
        RecId {
            events: 1000,
            entities: 2,
            who: RecId::hash_of(History::User("ann")),
            model: model.into(),
            experiment: arm.map(|(experiment, _)| experiment.into()),
            arm: arm.map(|(_, arm)| arm.into()),
            scenario: scenario.map(Into::into),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for id in [
            of("fused", None, None),
            of("item-cosine", Some(("ranking", "b")), Some("home")),
            of("llr", Some(("a.b", "50%|\"x\"")), Some("Grüße, <b>\n%2e")),
        ] {
            let text = id.to_string();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.%".contains(&byte);
            assert!(text.bytes().all(plain) && text.matches('.').count() == 5, "{text}");
            assert_eq!(RecId::parse(&text), Some(id), "{text}");
        }
        assert!(of("fused", None, Some("a.b")).to_string().ends_with(".fused...a%2Eb"));
    }

    #[test]
    fn names_of_others_are_not_ours() {
        let long = format!("1-0.0123456789abcdef.fused...{}", "x".repeat(BYTES_MAX));
        for text in [
            "",
            "r",
            "81f46c34-a4bb-469c-8708-f8127cd67d27",
            "3.bob",
            "1.0123456789abcdef.fused...",
            "+1-0.0123456789abcdef.fused...",
            "1-0.+123456789abcdef.fused...",
            "1-0.0123456789abcdef.fused..",
            "1-0.0123456789abcdef.fused....",
            "1-0.0123456789abcdef....home",
            "1-0.0123456789abcdef.fused...%",
            "1-0.0123456789abcdef.fused...%zz",
            "1-0.0123456789abcdef.fused...%FF",
            &long,
        ] {
            assert_eq!(RecId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn histories_differ_by_what_they_are_of() {
        let histories = [
            History::User("ann"),
            History::User("items"),
            History::Items(&[]),
            History::Items(&["ann"]),
            History::Items(&["lamp", "desk"]),
            History::Items(&["desk", "lamp"]),
            History::Items(&["lampdesk"]),
        ];
        let mut hashes: Vec<u64> = histories.into_iter().map(RecId::hash_of).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), histories.len());
    }
}
