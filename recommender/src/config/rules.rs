//! Settings of which there may be many: rules, each with a name and fields.
//!
//! ```text
//! payments: topic=payments field=amount threshold=4, logins: topic=logins
//! ```
//! Rules have commas between them, fields white space; a value has neither. In a TOML file a table says the same:
//!
//! ```text
//! [recommender.monitors]
//! payments = { topic = "payments", field = "amount", threshold = 4 }
//! ```

use std::fmt::Display;
use std::str::FromStr;

use crate::processor::document::Place;

/// Most rules under one key.
const RULES_MAX: usize = 256;

/// Longest name of a topic that Kafka takes.
const TOPIC_CHARS_MAX: usize = 249;

/// The rules of one key, and the text they were written as.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules<T> {
    text: String,
    rules: Vec<T>,
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self { text: String::new(), rules: Vec::new() }
    }
}

impl<T> std::ops::Deref for Rules<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.rules
    }
}

impl<T> Rules<T> {
    /// Reads every rule of a text with `read`.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn read(text: &str, read: impl Fn(&mut Rule) -> Result<T, String>) -> Result<Self, String> {
        Ok(Self { text: text.to_owned(), rules: parse(text, read)? })
    }

    /// The text they were written as.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// One rule as written. Whoever reads it takes its fields one by one, then calls `finish`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Names it among the rules of its key.
    pub name: String,
    fields: Vec<(String, String)>,
    /// Fields that were asked for, to be listed where another is found.
    known: Vec<&'static str>,
}

/// Reads every rule of a text with `read`.
///
/// # Errors
/// What is wrong, naming the rule and the field.
pub fn parse<T>(text: &str, read: impl Fn(&mut Rule) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut names: Vec<String> = Vec::new();
    let mut rules = Vec::new();
    for text in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let mut rule = Rule::parse(text)?;
        if names.contains(&rule.name) {
            return Err(format!("rule `{}` is there twice", rule.name));
        }
        if names.len() == RULES_MAX {
            return Err(format!("more than {RULES_MAX} rules"));
        }
        names.push(rule.name.clone());
        let named = |wrong| format!("rule `{}`: {wrong}", names[names.len() - 1]);
        rules.push(read(&mut rule).and_then(|read| rule.finish().map(|()| read)).map_err(named)?);
    }
    Ok(rules)
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) =
            text.split_once(':').ok_or_else(|| format!("`{text}` is not `name: field=value …`"))?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) || name.contains('=') {
            return Err(format!("`{text}` begins with no name"));
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for word in rest.split_whitespace() {
            let (field, value) = word
                .split_once('=')
                .filter(|(field, value)| !field.is_empty() && !value.is_empty())
                .ok_or_else(|| format!("rule `{name}`: `{word}` is not `field=value`"))?;
            if fields.iter().any(|(known, _)| known == field) {
                return Err(format!("rule `{name}`: field `{field}` is there twice"));
            }
            fields.push((field.to_owned(), value.to_owned()));
        }
        Ok(Self { name: name.to_owned(), fields, known: Vec::new() })
    }

    /// The text of a field, if it is there.
    pub fn text(&mut self, field: &'static str) -> Option<String> {
        self.known.push(field);
        let at = self.fields.iter().position(|(known, _)| known == field)?;
        Some(self.fields.remove(at).1)
    }

    /// The text of a field that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&mut self, field: &'static str) -> Result<String, String> {
        self.text(field).ok_or_else(|| format!("field `{field}` is missing"))
    }

    /// The value of a field, or what it is if left out.
    ///
    /// # Errors
    /// The text is no such value.
    pub fn value<T: FromStr>(
        &mut self,
        field: &'static str,
        default: T,
        expected: impl Display,
    ) -> Result<T, String> {
        let Some(text) = self.text(field) else { return Ok(default) };
        text.parse().map_err(|_| format!("field `{field}` is `{text}`, not {expected}"))
    }

    /// The number of a field, or what it is if left out.
    ///
    /// # Errors
    /// The text is no number from `least` to `most`.
    pub fn number<T: FromStr + PartialOrd + Display>(
        &mut self,
        field: &'static str,
        default: T,
        least: T,
        most: T,
    ) -> Result<T, String> {
        let Some(text) = self.text(field) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number >= least && *number <= most);
        number.ok_or_else(|| format!("field `{field}` is `{text}`, not a number from {least} to {most}"))
    }

    /// A length of time in ms, or what it is if left out: `250ms`, `30s`, `5m`, `1h`, `7d`, or bare milliseconds.
    ///
    /// # Errors
    /// The text is none, or none from `least` to `most` ms.
    pub fn millis(
        &mut self,
        field: &'static str,
        default: i64,
        least: i64,
        most: i64,
    ) -> Result<i64, String> {
        Ok(self.optional_millis(field, least, most)?.unwrap_or(default))
    }

    /// The same of a field that may be left out.
    ///
    /// # Errors
    /// As [`Rule::millis`].
    pub fn optional_millis(
        &mut self,
        field: &'static str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, String> {
        let Some(text) = self.text(field) else { return Ok(None) };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit_ms = match &text[digits..] {
            "" | "ms" => Some(1),
            "s" => Some(1000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        let ms =
            text[..digits].parse::<i64>().ok().zip(unit_ms).and_then(|(count, ms)| count.checked_mul(ms));
        ms.filter(|ms| (least..=most).contains(ms)).map(Some).ok_or_else(|| {
            format!(
                "field `{field}` is `{text}`, not a time such as `30s` or `5m`, from {least} to {most} ms"
            )
        })
    }

    /// The words of a field, with `|` between; none if left out.
    pub fn words(&mut self, field: &'static str) -> Vec<String> {
        let text = self.text(field).unwrap_or_default();
        text.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Where in a message something stands, if the field is there.
    ///
    /// # Errors
    /// The text is no such place.
    pub(crate) fn place(&mut self, field: &'static str) -> Result<Option<Place>, String> {
        let Some(text) = self.text(field) else { return Ok(None) };
        let place =
            text.parse().map_err(|()| format!("field `{field}` is `{text}`, not {}", Place::EXPECTED));
        place.map(Some)
    }

    /// The same of several, with `|` between; none if left out.
    ///
    /// # Errors
    /// One is no such place, or is there twice.
    pub(crate) fn places(&mut self, field: &'static str) -> Result<Vec<Place>, String> {
        let mut places = Vec::new();
        for word in self.words(field) {
            let wrong = || format!("field `{field}` has `{word}`, not {}", Place::EXPECTED);
            let place: Place = word.parse().map_err(|()| wrong())?;
            if places.contains(&place) {
                return Err(format!("field `{field}` has `{word}` twice"));
            }
            places.push(place);
        }
        Ok(places)
    }

    /// The name of a topic that an operator may read or write of its own, if the field is there: not one of the broker's or
    /// the recommender's, so that nothing can run in circles.
    ///
    /// # Errors
    /// It is no name of a topic, or of such a topic.
    pub fn topic(&mut self, field: &'static str) -> Result<Option<String>, String> {
        let Some(name) = self.text(field) else { return Ok(None) };
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.len() > TOPIC_CHARS_MAX || !name.chars().all(known) || matches!(&*name, "." | "..") {
            return Err(format!("field `{field}` is `{name}`, which no topic can be called"));
        }
        if name.starts_with("kindred.") || name.starts_with("__") {
            return Err(format!(
                "field `{field}` is `{name}`: topics that begin with `kindred.` or `__` are not for rules"
            ));
        }
        Ok(Some(name))
    }

    /// The same of a field that must be there.
    ///
    /// # Errors
    /// As [`Rule::topic`], or it is not there.
    pub fn required_topic(&mut self, field: &'static str) -> Result<String, String> {
        self.topic(field)?.ok_or_else(|| format!("field `{field}` is missing"))
    }

    /// The number of a field that must be there.
    ///
    /// # Errors
    /// As [`Rule::number`], or it is not there.
    pub fn required_number<T: FromStr + PartialOrd + Display>(
        &mut self,
        field: &'static str,
        least: T,
        most: T,
    ) -> Result<T, String> {
        let text = self.required(field)?;
        let number = text.parse().ok().filter(|number| *number >= least && *number <= most);
        number.ok_or_else(|| format!("field `{field}` is `{text}`, not a number from {least} to {most}"))
    }

    /// One of some words, or the first of them if left out.
    ///
    /// # Errors
    /// It is another word.
    pub fn choice<T: Copy>(
        &mut self,
        field: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<T, String> {
        let Some(text) = self.text(field) else { return Ok(choices[0].1) };
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        found.ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            format!("field `{field}` is `{text}`, not one of {}", words.join(", "))
        })
    }

    /// Makes sure that no field is left which nobody asked for.
    ///
    /// # Errors
    /// There is one.
    fn finish(&mut self) -> Result<(), String> {
        match self.fields.first() {
            None => Ok(()),
            Some((field, _)) => {
                Err(format!("field `{field}` is unknown; there are {}", self.known.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String, u32, bool)>, String> {
        parse(text, |rule| {
            let topic = rule.required("topic")?;
            let count = rule.number("count", 7, 1, 10)?;
            let fast = rule.choice("speed", &[("slow", false), ("fast", true)])?;
            Ok((rule.name.clone(), topic, count, fast))
        })
    }

    #[test]
    fn rules_are_read() {
        let rule = |name: &str, topic: &str, count, fast| (name.to_owned(), topic.to_owned(), count, fast);
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(
            read(" a: topic=x count=3 , b:topic=y  speed=fast,"),
            Ok(vec![rule("a", "x", 3, false), rule("b", "y", 7, true)])
        );
    }

    #[test]
    fn times_words_and_topics() {
        let ms = |text: &str| parse(text, |rule| rule.millis("window", 7, 1, 86_400_000)).map(|ms| ms[0]);
        for (text, expected) in [
            ("", 7),
            ("window=250ms", 250),
            ("window=40", 40),
            ("window=30s", 30_000),
            ("window=1d", 86_400_000),
        ] {
            assert_eq!(ms(&format!("a: {text}")), Ok(expected), "{text}");
        }
        for wrong in ["2d", "0", "1w", "m", "-5s", "99999999999999999999d"] {
            let said = ms(&format!("a: window={wrong}")).unwrap_err();
            assert!(
                said.starts_with(&format!("rule `a`: field `window` is `{wrong}`, not a time")),
                "{said}"
            );
        }
        let read = |rule: &mut Rule| Ok((rule.required_topic("topic")?, rule.words("features")));
        let topics = |text: &str| Rules::read(text, read);
        let rules = topics("a: topic=x.Y_z-1 features=b|c").unwrap();
        assert_eq!(rules[0], ("x.Y_z-1".to_owned(), vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(rules.text(), "a: topic=x.Y_z-1 features=b|c");
        for (topic, said) in [
            ("kindred.hot", "rule `a`: field `topic` is `kindred.hot`: topics that begin with"),
            ("__consumer_offsets", "rule `a`: field `topic` is `__consumer_offsets`: topics that begin with"),
            ("a/b", "rule `a`: field `topic` is `a/b`, which no topic can be called"),
        ] {
            assert!(topics(&format!("a: topic={topic}")).unwrap_err().starts_with(said), "{topic}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("a", "`a` is not `name: field=value …`"),
            (": topic=x", "`: topic=x` begins with no name"),
            ("a: topic=x, a: topic=y", "rule `a` is there twice"),
            ("a: topic", "rule `a`: `topic` is not `field=value`"),
            ("a: topic=x topic=y", "rule `a`: field `topic` is there twice"),
            ("a: count=3", "rule `a`: field `topic` is missing"),
            ("a: topic=x count=11", "rule `a`: field `count` is `11`, not a number from 1 to 10"),
            ("a: topic=x speed=warp", "rule `a`: field `speed` is `warp`, not one of slow, fast"),
            ("a: topic=x colour=red", "rule `a`: field `colour` is unknown; there are topic, count, speed"),
        ] {
            assert_eq!(read(text), Err(said.to_owned()), "{text}");
        }
    }
}
