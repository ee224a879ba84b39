//! `{'user_id': 1, 'item_id': 1001, 'action': 'click'}`: what a Python program sends when it forgets
//! `json.dumps` and writes `str(event).encode()`. A common enough mistake to be read as it was meant.
//!
//! The literal is rewritten as JSON text and decoded as usual. Handled: both kinds of quotes, Python's
//! escapes, `True`, `False`, `None`, `nan`, tuples, trailing commas, `u''`/`b''` prefixes. Anything else is
//! left as it is, for the JSON decoder to refuse with its own words.

/// Rewrites a Python literal as JSON, or `None` if the text cannot be one.
pub(super) fn to_json(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with('{') || !text.ends_with('}') {
        return None;
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            '\'' | '"' => rest = string(rest, &mut out)?,
            '(' => rest = punctuation(rest, '[', &mut out),
            ')' => rest = closing(rest, ']', &mut out),
            '}' | ']' => rest = closing(rest, first, &mut out),
            c if c.is_ascii_alphabetic() => rest = word(rest, &mut out),
            c => rest = punctuation(rest, c, &mut out),
        }
    }
    Some(out)
}

fn punctuation<'a>(rest: &'a str, write: char, out: &mut String) -> &'a str {
    out.push(write);
    &rest[rest.chars().next().map_or(0, char::len_utf8)..]
}

/// A closing bracket, without the comma that Python allows before it.
fn closing<'a>(rest: &'a str, write: char, out: &mut String) -> &'a str {
    out.truncate(out.trim_end().len());
    if out.ends_with(',') {
        out.pop();
    }
    punctuation(rest, write, out)
}

/// A bare word: a constant, or the prefix of a string.
fn word<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (word, after) = rest.split_at(length);
    match word {
        "u" | "b" if after.starts_with(['\'', '"']) => {}
        "True" => out.push_str("true"),
        "False" => out.push_str("false"),
        "None" | "nan" | "inf" => out.push_str("null"),
        other => out.push_str(other),
    }
    after
}

/// A string in either kind of quotes; returns what follows it.
fn string<'a>(rest: &'a str, out: &mut String) -> Option<&'a str> {
    let mut chars = rest.char_indices();
    let (_, quote) = chars.next()?;
    out.push('"');
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => escape(&mut chars, out)?,
            c if c == quote => {
                out.push('"');
                return Some(&rest[at + 1..]);
            }
            c => push_json_char(c, out),
        }
    }
    None
}

fn escape(chars: &mut std::str::CharIndices<'_>, out: &mut String) -> Option<()> {
    let (_, c) = chars.next()?;
    match c {
        'n' => out.push_str("\\n"),
        't' => out.push_str("\\t"),
        'r' => out.push_str("\\r"),
        'x' => push_json_char(hex(chars, 2)?, out),
        'u' => push_json_char(hex(chars, 4)?, out),
        'U' => push_json_char(hex(chars, 8)?, out),
        other => push_json_char(other, out),
    }
    Some(())
}

fn hex(chars: &mut std::str::CharIndices<'_>, count: usize) -> Option<char> {
    let mut value = 0u32;
    for _ in 0..count {
        value = value.checked_mul(16)? + chars.next()?.1.to_digit(16)?;
    }
    char::from_u32(value)
}

fn push_json_char(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_json() {
        for (python, json) in [
            (
                "{'user_id': 1, 'item_id': 1001, 'action': 'click'}",
                r#"{"user_id": 1, "item_id": 1001, "action": "click"}"#,
            ),
            (
                "{'a': None, 'b': True, 'c': False, 'd': nan}",
                r#"{"a": null, "b": true, "c": false, "d": null}"#,
            ),
            (r#"{'title': "it's"}"#, r#"{"title": "it's"}"#),
            (r"{'title': 'say \'hi\' \x41\u00e9\n'}", r#"{"title": "say 'hi' Aé\n"}"#),
            (r#"{'q': 'a"b'}"#, r#"{"q": "a\"b"}"#),
            ("{'items': (1, 2,), 'l': ['x',], }", r#"{"items": [1, 2], "l": ["x"]}"#),
            ("{u'k': b'v'}", r#"{"k": "v"}"#),
        ] {
            assert_eq!(to_json(python).as_deref(), Some(json), "{python}");
        }
    }

    #[test]
    fn what_is_no_literal_is_left_alone() {
        for text in ["hello", "", "{'open", "{'open}", "['list']", r"{'\", r"{'\x4'}"] {
            assert_eq!(to_json(text), None, "{text}");
        }
    }
}
