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

/// Most rules under one key.
const RULES_MAX: usize = 256;

/// One rule as written. Whoever reads it takes its fields one by one, then calls [`Rule::finish`].
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
    fn finish(self: &mut Rule) -> Result<(), String> {
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
