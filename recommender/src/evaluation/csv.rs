//! Events from CSV: `user_id,item_id,ts[,action,value,session_id,…]`.
//!
//! The first line names the columns, in any order; unknown ones are skipped. Comma, semicolon or tab, whichever
//! the first line uses. Quoted fields as RFC 4180, without line breaks inside. Names are matched without case,
//! and those of the public data sets are known: `userId`, `SessionId`, `movieId`, `StockCode`, `rating`, ....
//! Without an action a row is a `view`, or a `rate` if it has a rating. [`Format`] says what else a file may be.

use std::borrow::Cow;
use std::io::BufRead;

use thiserror::Error;

use super::format::{Format, Row, from_spreadsheet};
use super::log::Log;
use crate::ingest::time;

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum CsvError {
    /// It could not be read.
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),
    /// A column that is needed is not there.
    #[error(
        "no column {0}; the first line must name the columns: user_id,item_id,ts[,action,value,session_id]"
    )]
    MissingColumn(&'static str),
    /// A row that makes no sense.
    #[error("line {line}: {what}")]
    BadRow {
        /// From 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Positions of the columns.
#[derive(Debug)]
struct Columns {
    separator: u8,
    user: usize,
    item: usize,
    time: usize,
    action: Option<usize>,
    value: Option<usize>,
    order: Option<usize>,
    quantity: Option<usize>,
    price: Option<usize>,
}

const USER: &[&str] = &["user_id", "userid", "user", "customer_id", "customerid", "visitorid", "uid"];
const SESSION: &[&str] = &["session_id", "sessionid", "session"];
const ITEM: &[&str] = &["item_id", "itemid", "item", "movieid", "movie_id", "product_id", "stockcode"];
const TIME: &[&str] = &["ts", "timestamp", "time", "event_time", "date", "invoicedate"];
const ACTION: &[&str] = &["action", "event", "event_type", "type", "behavior"];
const VALUE: &[&str] = &["value", "rating"];
const ORDER: &[&str] = &["invoiceno", "invoice", "order_id"];
const QUANTITY: &[&str] = &["quantity"];
const PRICE: &[&str] = &["unitprice", "price"];

/// Reads every row.
///
/// # Errors
/// [`CsvError`], naming the line.
pub fn read(input: impl BufRead) -> Result<Log, CsvError> {
    let mut log = Log::default();
    read_into(input, Format::Csv, &mut log)?;
    Ok(log)
}

/// Adds the rows of one more file that count. [`Format::arrange`] completes what all files gave.
///
/// # Errors
/// [`CsvError`], naming the line.
pub fn read_into(input: impl BufRead, format: Format, log: &mut Log) -> Result<(), CsvError> {
    let mut lines = input.lines();
    let header = match lines.next() {
        Some(line) => line?,
        None => return Err(CsvError::MissingColumn("user_id")),
    };
    let columns = Columns::of(&header)?;
    for (line, text) in (2..).zip(lines) {
        let text = text?;
        if !text.trim().is_empty() {
            columns.push(&text, format, log).map_err(|what| CsvError::BadRow { line, what })?;
        }
    }
    Ok(())
}

impl Columns {
    fn of(header: &str) -> Result<Self, CsvError> {
        let header = header.trim_start_matches('\u{feff}');
        let separator = [b'\t', b';'].into_iter().find(|&s| header.as_bytes().contains(&s)).unwrap_or(b',');
        let names: Vec<String> = fields(header, separator)
            .iter()
            // `user_id:token` is how the RecBole data sets name columns.
            .map(|name| name.trim().split(':').next().unwrap_or_default().to_ascii_lowercase())
            .collect();
        let find =
            |known: &[&str]| known.iter().find_map(|name| names.iter().position(|column| column == name));
        Ok(Self {
            separator,
            // A log of sessions without users is asked for by session.
            user: find(USER).or_else(|| find(SESSION)).ok_or(CsvError::MissingColumn("user_id"))?,
            item: find(ITEM).ok_or(CsvError::MissingColumn("item_id"))?,
            time: find(TIME).ok_or(CsvError::MissingColumn("ts"))?,
            action: find(ACTION),
            value: find(VALUE),
            order: find(ORDER),
            quantity: find(QUANTITY),
            price: find(PRICE),
        })
    }

    fn push(&self, line: &str, format: Format, log: &mut Log) -> Result<(), &'static str> {
        let fields = fields(line, self.separator);
        let field = |at: usize| fields.get(at).map(|field| field.trim()).filter(|field| !field.is_empty());
        let number = |at: Option<usize>, wrong| match at.and_then(field) {
            Some(text) => text.parse().map(Some).map_err(|_| wrong),
            None => Ok(None),
        };
        let row = Row {
            user: field(self.user),
            item: field(self.item),
            value: number(self.value, "value is no number")?,
            order: self.order.and_then(field),
            quantity: number(self.quantity, "quantity is no number")?,
            price: number(self.price, "price is no number")?,
        };
        if !format.keeps(&row) {
            return Ok(());
        }
        let user = row.user.ok_or("no user_id")?;
        let item = row.item.ok_or("no item_id")?;
        let time_ms = field(self.time).and_then(time_ms).ok_or("ts is no time")?;
        let action = self.action.and_then(field).unwrap_or(format.action(row.value.is_some()));
        let value = row.value.filter(|_| format == Format::Csv);
        if log.push(user, item, time_ms, action, value) { Ok(()) } else { Err("too many ids") }
    }
}

fn time_ms(text: &str) -> Option<i64> {
    time::from_text(text).or_else(|| time::from_text(&from_spreadsheet(text)?))
}

/// The fields of a line.
fn fields(line: &str, separator: u8) -> Vec<Cow<'_, str>> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if !line.contains('"') {
        return line.split(separator as char).map(Cow::Borrowed).collect();
    }
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields[last].push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator as char && !quoted => fields.push(String::new()),
            c => fields[last].push(c),
        }
    }
    fields.into_iter().map(Cow::Owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        let log = read(text.as_bytes()).unwrap();
        let row = |entry| {
            let event = log.event(entry);
            let user = event.user_id.as_deref().unwrap_or("-").to_owned();
            format!("{user} {} {} {} {:?}", event.item_id, event.time_ms, event.action, event.value)
        };
        log.entries().iter().map(row).collect()
    }

    #[test]
    fn columns_by_name() {
        assert_eq!(
            rows("user_id,item_id,ts\nu,i,1\n\nv,j,2000-01-01\r\n"),
            ["u i 1000 view None", "v j 946684800000 view None"]
        );
        assert_eq!(rows("ts,action,item_id,user_id,colour\n1,click,i,u,red\n"), ["u i 1000 click None"]);
        assert_eq!(rows("userId,movieId,rating,timestamp\n1,2,4.5,3\n"), ["1 2 3000 rate Some(4.5)"]);
        assert_eq!(rows("SessionId\tItemId\tTime\n9\t8\t7.0\n"), ["9 8 7000 view None"]);
        assert_eq!(
            rows("user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t4\n"),
            ["1 2 4000 rate Some(3.0)"]
        );
        assert_eq!(rows("user_id,item_id,ts\n\"a,\"\"b\"\"\",i,1\n"), ["a,\"b\" i 1000 view None"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            (
                "",
                "no column user_id; the first line must name the columns: user_id,item_id,ts[,action,value,session_id]",
            ),
            (
                "user_id,ts\n",
                "no column item_id; the first line must name the columns: user_id,item_id,ts[,action,value,session_id]",
            ),
            ("user_id,item_id,ts\nu,i,1\nu,i,soon\n", "line 3: ts is no time"),
            ("user_id,item_id,ts\nu,,1\n", "line 2: no item_id"),
            ("user_id,item_id,ts\nu\n", "line 2: no item_id"),
            ("user_id,item_id,ts,value\nu,i,1,good\n", "line 2: value is no number"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), said);
        }
    }
}
