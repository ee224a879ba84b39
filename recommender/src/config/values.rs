//! How values are read.

use super::Wrong;
use super::rules::{Rule, Rules};
use crate::models::{COLUMNS, OPTIONAL, column_name, column_of, optional_of};

/// Sets a field to the rules read, or says what is wrong with them.
pub(super) fn put_rules<T>(field: &mut Vec<T>, rules: Result<Vec<T>, String>) -> Result<(), Wrong> {
    *field = rules.map_err(Wrong::Because)?;
    Ok(())
}

pub(super) fn join_rules(rules: &[impl ToString]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Sets a field if there is a value for it.
pub(super) fn put<T>(field: &mut T, value: Option<T>) -> Result<(), Wrong> {
    *field = value.ok_or(Wrong::Other)?;
    Ok(())
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

pub(super) fn split_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |word: String| {
        let (left, right) = word.rsplit_once(':')?;
        Some((left.trim().to_owned(), right.trim().to_owned()))
    };
    words(text).into_iter().map(pair).collect()
}

pub(super) fn join_pairs(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(left, right)| format!("{left}:{right}")).collect::<Vec<_>>().join(",")
}

pub(super) fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

pub(super) fn positive(text: &str) -> Option<f64> {
    finite(text).filter(|&value| value > 0.0)
}

pub(super) fn share(text: &str) -> Option<f64> {
    finite(text).filter(|value| (0.0..=1.0).contains(value))
}

/// Models with memory of their own.
pub(super) fn known_models(text: &str) -> Result<Vec<String>, Wrong> {
    models(text, |name| optional_of(name).is_some(), OPTIONAL.iter().map(|optional| optional.name))
}

/// Models that read the shared counts.
pub(super) fn counted_models(text: &str) -> Result<Vec<String>, Wrong> {
    models(text, |name| column_of(name).is_some(), (0..COLUMNS).map(column_name))
}

fn models(
    text: &str,
    is_known: impl Fn(&str) -> bool,
    known: impl Iterator<Item = &'static str>,
) -> Result<Vec<String>, Wrong> {
    let names = words(text);
    match names.iter().find(|name| !is_known(name)) {
        None => Ok(names),
        Some(name) => {
            let known: Vec<&str> = known.collect();
            Err(Wrong::Because(format!("`{name}` is no model; there are {}", known.join(", "))))
        }
    }
}

/// Sets a field to the rules that a text says.
pub(super) fn read_rules<T>(
    field: &mut Rules<T>,
    text: &str,
    read: impl Fn(&mut Rule) -> Result<T, String>,
) -> Result<(), Wrong> {
    *field = Rules::read(text, read).map_err(Wrong::Because)?;
    Ok(())
}

pub(super) fn within(text: &str, min: usize, max: usize) -> Option<usize> {
    text.parse().ok().filter(|value| (min..=max).contains(value))
}
