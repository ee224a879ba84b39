//! Which items may be shown, as an expression: `category = 'lamps' and price < 20`.
//!
//! ```text
//! expression = and { "or" and }        and = not { "and" not }        not = [ "not" ] test | "(" expression ")"
//! test = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value | field "in" "(" value { "," value } ")"
//! field = category | price | item_id | title        value = number | 'text', a quote within doubled
//! ```
//!
//! `category` is any of the item's categories. A test of something the item does not have is false, `!=` included, so
//! what is shown is known to fit. Words are read without regard to case, values with it. Depth and length are bounded,
//! so that an expression from outside costs what it looks like.

use thiserror::Error;

use crate::ids::ItemIdx;
use crate::state::items::Items;

/// The longest expression.
const LENGTH_MAX_BYTES: usize = 4096;

/// The deepest nesting.
const DEPTH_MAX: usize = 32;

/// Why an expression cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Something else was expected.
    #[error("at byte {at}: expected {expected}, found {found}")]
    Unexpected {
        /// Bytes from the start of the expression.
        at: usize,
        /// What could stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A text without its closing quote.
    #[error("at byte {at}: the text that starts here has no closing quote")]
    Unclosed {
        /// Bytes from the start of the expression.
        at: usize,
    },
    /// Longer or deeper than is allowed.
    #[error("an expression has at most {LENGTH_MAX_BYTES} bytes and {DEPTH_MAX} levels")]
    TooLarge,
}

/// An expression that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    root: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Test { field: Field, relation: Relation, values: Vec<Value> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    Category,
    Price,
    ItemId,
    Title,
}

/// `In` asks for equality with any of the values, the others have one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Relation {
    In,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Text(String),
}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`FilterError`], saying where and what was expected.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > LENGTH_MAX_BYTES {
            return Err(FilterError::TooLarge);
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, end: text.len(), depth: 0 };
        let root = parser.any()?;
        if parser.tokens.is_empty() {
            Ok(Self { root })
        } else {
            Err(parser.unexpected("and, or, or the end"))
        }
    }

    /// Whether an item fits.
    pub(crate) fn fits(&self, items: &Items, item: ItemIdx) -> bool {
        self.root.fits(items, item)
    }
}

impl Node {
    fn fits(&self, items: &Items, item: ItemIdx) -> bool {
        match self {
            Self::Any(nodes) => nodes.iter().any(|node| node.fits(items, item)),
            Self::All(nodes) => nodes.iter().all(|node| node.fits(items, item)),
            Self::Not(node) => !node.fits(items, item),
            Self::Test { field, relation, values } => test(*field, *relation, values, items, item),
        }
    }
}

fn test(field: Field, relation: Relation, values: &[Value], items: &Items, item: ItemIdx) -> bool {
    let text = |own: &str| {
        holds(relation, values, |value| match value {
            Value::Text(text) => Some(own.cmp(text)),
            // An id may look like a number.
            Value::Number(number) => Some(own.cmp(number.to_string().as_str())),
        })
    };
    match field {
        Field::Price => {
            let price = items.attributes(item).and_then(|attributes| attributes.price);
            price.is_some_and(|price| {
                holds(relation, values, |value| match value {
                    Value::Number(number) => price.partial_cmp(number),
                    Value::Text(_) => None,
                })
            })
        }
        Field::ItemId => text(items.id(item)),
        Field::Title => items.title(item).is_some_and(text),
        // Of several categories one must be unequal to all that is asked for under !=: none of them may be it.
        Field::Category if relation == Relation::NotEqual => {
            let mut own = items.categories_of(item).peekable();
            own.peek().is_some() && own.all(text)
        }
        Field::Category => items.categories_of(item).any(text),
    }
}

fn holds(
    relation: Relation,
    values: &[Value],
    compare: impl Fn(&Value) -> Option<std::cmp::Ordering>,
) -> bool {
    values.iter().filter_map(compare).any(|order| match relation {
        Relation::In => order.is_eq(),
        Relation::NotEqual => order.is_ne(),
        Relation::Less => order.is_lt(),
        Relation::AtMost => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::AtLeast => order.is_ge(),
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// In lower case.
    Word(String),
    Number(f64),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 9] = ["!=", "<=", ">=", "=", "<", ">", "(", ")", ","];

/// The tokens with the bytes they start at.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let run = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if first == '\'' {
            quoted(rest).ok_or(FilterError::Unclosed { at })?
        } else if first.is_alphabetic() || first == '_' {
            let length = run(|c| c.is_alphanumeric() || c == '_');
            (Token::Word(rest[..length].to_lowercase()), length)
        } else {
            let length = run(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E'));
            let number = rest[..length].parse().ok().filter(|number: &f64| number.is_finite());
            let number = number.ok_or_else(|| FilterError::Unexpected {
                at,
                expected: "a field, a number, 'text' or a sign",
                found: format!("`{}`", &rest[..length.max(first.len_utf8())]),
            })?;
            (Token::Number(number), length)
        };
        found.push((at, token));
        at += length;
    }
    Ok(found)
}

/// A quoted text at the start, and its length with quotes.
fn quoted(rest: &str) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|next| next.1 == '\'') => {
                chars.next();
                text.push('\'');
            }
            '\'' => return Some((Token::Text(text), at + 1)),
            c => text.push(c),
        }
    }
    None
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    end: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all()?];
        while self.word("or") {
            nodes.push(self.all()?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.not()?];
        while self.word("and") {
            nodes.push(self.not()?);
        }
        Ok(one_or(nodes, Node::All))
    }

    fn not(&mut self) -> Result<Node, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(FilterError::TooLarge);
        }
        let node = if self.word("not") {
            Node::Not(Box::new(self.not()?))
        } else if self.sign("(") {
            let node = self.any()?;
            if !self.sign(")") {
                return Err(self.unexpected("and, or, or )"));
            }
            node
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node, FilterError> {
        const FIELDS: [(&str, Field); 4] = [
            ("category", Field::Category),
            ("price", Field::Price),
            ("item_id", Field::ItemId),
            ("title", Field::Title),
        ];
        const RELATIONS: [(&str, Relation); 6] = [
            ("=", Relation::In),
            ("!=", Relation::NotEqual),
            ("<", Relation::Less),
            ("<=", Relation::AtMost),
            (">", Relation::Greater),
            (">=", Relation::AtLeast),
        ];
        let Some((_, field)) = FIELDS.into_iter().find(|(name, _)| self.word(name)) else {
            return Err(self.unexpected("category, price, item_id, title, not or ("));
        };
        if self.word("in") {
            return Ok(Node::Test { field, relation: Relation::In, values: self.list(field)? });
        }
        let Some((_, relation)) = RELATIONS.into_iter().find(|(sign, _)| self.sign(sign)) else {
            return Err(self.unexpected("=, !=, <, <=, >, >= or in"));
        };
        Ok(Node::Test { field, relation, values: vec![self.value(field)?] })
    }

    fn list(&mut self, field: Field) -> Result<Vec<Value>, FilterError> {
        if !self.sign("(") {
            return Err(self.unexpected("("));
        }
        let mut values = vec![self.value(field)?];
        while self.sign(",") {
            values.push(self.value(field)?);
        }
        if self.sign(")") { Ok(values) } else { Err(self.unexpected(", or )")) }
    }

    fn value(&mut self, field: Field) -> Result<Value, FilterError> {
        let value = match self.tokens.first() {
            Some((_, Token::Number(number))) => Value::Number(*number),
            Some((_, Token::Text(text))) if field != Field::Price => Value::Text(text.clone()),
            _ if field == Field::Price => return Err(self.unexpected("a number")),
            _ => return Err(self.unexpected("'text' in quotes")),
        };
        self.tokens = &self.tokens[1..];
        Ok(value)
    }

    fn word(&mut self, word: &str) -> bool {
        self.skip_if(|token| matches!(token, Token::Word(own) if own == word))
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.skip_if(|token| matches!(token, Token::Sign(own) if *own == sign))
    }

    fn skip_if(&mut self, is: impl Fn(&Token) -> bool) -> bool {
        let found = self.tokens.first().is_some_and(|(_, token)| is(token));
        self.tokens = &self.tokens[usize::from(found)..];
        found
    }

    fn unexpected(&self, expected: &'static str) -> FilterError {
        let (at, found) = match self.tokens.first() {
            None => (self.end, "the end".to_owned()),
            Some((at, Token::Word(text))) => (*at, format!("`{text}`")),
            Some((at, Token::Number(number))) => (*at, number.to_string()),
            Some((at, Token::Text(text))) => (*at, format!("'{text}'")),
            Some((at, Token::Sign(sign))) => (*at, format!("`{sign}`")),
        };
        FilterError::Unexpected { at, expected, found }
    }
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 { nodes.remove(0) } else { many(nodes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::entity::ItemEntity;

    /// Three items: a lamp for 15, a red lamp for 25 that is sold out of, and one nobody has described.
    fn shop() -> Items {
        let mut items = Items::default();
        for (id, categories, price) in [
            ("1001", vec!["lamps"], Some(15.0)),
            ("b", vec!["lamps", "red"], Some(25.0)),
            ("c", vec![], None),
        ] {
            let item = items.intern(id).unwrap();
            let entity = ItemEntity {
                title: Some(format!("it's {id}").into()),
                categories: categories.into_iter().map(Into::into).collect(),
                price,
                ..ItemEntity::default()
            };
            items.describe(item, &entity, 100);
        }
        items
    }

    #[test]
    fn what_fits() {
        let items = shop();
        for (text, expected) in [
            ("category = 'lamps' and price < 20", "1001"),
            ("category='red'", "b"),
            ("CATEGORY != 'red'", "1001"),
            ("not category = 'red'", "1001 c"),
            ("price >= 15 and price <= 25", "1001 b"),
            ("price > 15 or item_id = 'c'", "b c"),
            ("item_id in ('b', 'c')", "b c"),
            ("item_id = 1001", "1001"),
            ("price != 15", "b"),
            ("title = 'it''s b'", "b"),
            ("category = 'lamps' and (price > 20 or item_id = 'x')", "b"),
            ("category = 'red' or category = 'lamps' and price < 1e1", "b"),
        ] {
            let filter = Filter::parse(text).unwrap();
            let fits = (0..3).map(ItemIdx).filter(|&item| filter.fits(&items, item));
            assert_eq!(fits.map(|item| items.id(item)).collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("", "at byte 0: expected category, price, item_id, title, not or (, found the end"),
            (
                "colour = 'red'",
                "at byte 0: expected category, price, item_id, title, not or (, found `colour`",
            ),
            ("price 20", "at byte 6: expected =, !=, <, <=, >, >= or in, found 20"),
            ("price < 'x'", "at byte 8: expected a number, found 'x'"),
            ("category = red", "at byte 11: expected 'text' in quotes, found `red`"),
            ("category = 'red", "at byte 11: the text that starts here has no closing quote"),
            ("(price < 1", "at byte 10: expected and, or, or ), found the end"),
            ("price < 1 price", "at byte 10: expected and, or, or the end, found `price`"),
            ("item_id in ('a' 'b')", "at byte 16: expected , or ), found 'b'"),
            ("price < #", "at byte 8: expected a field, a number, 'text' or a sign, found `#`"),
            ("price < 1e999", "at byte 8: expected a field, a number, 'text' or a sign, found `1e999`"),
        ] {
            assert_eq!(Filter::parse(text).unwrap_err().to_string(), said, "{text}");
        }
        assert_eq!(Filter::parse(&"(".repeat(4000)), Err(FilterError::TooLarge));
        assert_eq!(Filter::parse(&"x".repeat(5000)), Err(FilterError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,60}", words in r"((not|and|or|in|price|title|=|<|\(|\)|,|'a'|1|é) ?){0,20}") {
            for text in [text, words] {
                if let Ok(filter) = Filter::parse(&text) {
                    filter.fits(&shop(), ItemIdx(1));
                }
            }
        }
    }
}
