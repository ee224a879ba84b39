//! Query parameters: each known, each once, each in range; anything else is answered with its name.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::error::ApiError;

/// The parameters of one request. A handler takes those it knows, then calls [`Query::finish`].
#[derive(Debug)]
pub(super) struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    known: Vec<&'static str>,
}

impl<'a> Query<'a> {
    /// The parameters of a URL's query part.
    pub(super) fn new(text: Option<&'a str>) -> Self {
        Self {
            pairs: form_urlencoded::parse(text.unwrap_or_default().as_bytes()).collect(),
            known: Vec::new(),
        }
    }

    /// Takes the parameter of this name, if it is there.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<Cow<'a, str>>, ApiError> {
        self.known.push(name);
        let Some(at) = self.pairs.iter().position(|(found, _)| found == name) else { return Ok(None) };
        let (_, value) = self.pairs.swap_remove(at);
        match self.pairs.iter().any(|(found, _)| found == name) {
            true => Err(ApiError::parameter(name, "one value, not several")),
            false => Ok(Some(value)),
        }
    }

    /// Takes a whole number.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            ApiError::parameter(
                name,
                format_args!("a whole number from {} to {}", range.start(), range.end()),
            )
        })
    }

    /// Takes a `true` or `false`; absent is `false`.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, ApiError> {
        match self.text(name)?.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(ApiError::parameter(name, "true or false")),
        }
    }

    /// Takes a word that `read` knows.
    pub(super) fn word<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl Fn(&str) -> Option<T>,
        expected: impl Display,
    ) -> Result<T, ApiError> {
        match self.text(name)? {
            None => Ok(default),
            Some(text) => read(&text).ok_or_else(|| ApiError::parameter(name, expected)),
        }
    }

    /// Refuses what nobody took: a misspelt parameter would otherwise be ignored in silence.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                let known = self.known.join(", ");
                Err(ApiError::bad(
                    "unknown-parameter",
                    format!("parameter `{name}` is unknown here; known: {known}"),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(usize, bool, &'static str), String> {
        let mut query = Query::new(Some(text));
        let mut take = || {
            Ok::<_, ApiError>((
                query.number("n", 10, 1..=100)?,
                query.flag("explain")?,
                query.word("metric", "cosine", |word| (word == "llr").then_some("llr"), "cosine or llr")?,
            ))
        };
        take().and_then(|taken| query.finish().map(|()| taken)).map_err(|error| error.message)
    }

    #[test]
    fn parameters_are_taken_or_refused_by_name() {
        for (text, expected) in [
            ("", Ok((10, false, "cosine"))),
            ("n=1&explain=true&metric=llr", Ok((1, true, "llr"))),
            ("n=0", Err("parameter `n`: expected a whole number from 1 to 100")),
            ("n=ten", Err("parameter `n`: expected a whole number from 1 to 100")),
            ("n=1&n=2", Err("parameter `n`: expected one value, not several")),
            ("explain=maybe", Err("parameter `explain`: expected true or false")),
            ("metric=best", Err("parameter `metric`: expected cosine or llr")),
            ("metrc=llr", Err("parameter `metrc` is unknown here; known: n, explain, metric")),
        ] {
            assert_eq!(read(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn percent_signs_and_pluses_are_decoded() {
        let mut query = Query::new(Some("category=gr%C3%BCn+blau"));
        assert_eq!(query.text("category").unwrap().as_deref(), Some("grün blau"));
    }
}
