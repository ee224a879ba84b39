//! Public data sets as they are published: which rows count, and in what order.
//!
//! | format | of | rows that count | among events of one time |
//! |---|---|---|---|
//! | [`Format::Csv`] | anything with a header | all | as in the file |
//! | [`Format::Ratings`] | MovieLens `ratings.csv`, RecBole `.inter` | ratings of 4 and more, as likes; all if none are given | by user, then item, as numbers |
//! | [`Format::OnlineRetail`] | UCI Online Retail | purchases: see [`is_purchase`] | as in the file |
//! | [`Format::Sessions`] | `SessionId ItemId Time` | all but an item following itself | as in the file |
//!
//! Nothing else is done to them, so that two programs that go by this table measure on the same events.

use super::log::Log;

/// How to read a file of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Every row of a CSV counts.
    #[default]
    Csv,
    /// Ratings, of which good ones count.
    Ratings,
    /// Lines of invoices.
    OnlineRetail,
    /// Clicks of sessions.
    Sessions,
}

/// What a format goes by, as far as a row has it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) item: Option<&'a str>,
    pub(super) value: Option<f64>,
    pub(super) order: Option<&'a str>,
    pub(super) quantity: Option<f64>,
    pub(super) price: Option<f64>,
}

/// From here on a rating is a like.
const LIKED_MIN: f64 = 4.0;

impl Format {
    /// The names on the command line.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("csv", Self::Csv),
        ("movielens", Self::Ratings),
        ("recbole", Self::Ratings),
        ("online-retail", Self::OnlineRetail),
        ("sessions", Self::Sessions),
    ];

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
    }

    /// Whether a row counts.
    pub(super) fn keeps(self, row: &Row<'_>) -> bool {
        match self {
            Self::Csv | Self::Sessions => true,
            Self::Ratings => row.value.is_none_or(|rating| rating >= LIKED_MIN),
            Self::OnlineRetail => is_purchase(row),
        }
    }

    /// The action of a row that names none.
    pub(super) fn action(self, rated: bool) -> &'static str {
        match self {
            Self::Csv if rated => "rate",
            Self::Csv | Self::Sessions => "view",
            Self::Ratings => "like",
            Self::OnlineRetail => "purchase",
        }
    }

    /// Puts what was read in the order that the table at the head of this file tells of.
    pub fn arrange(self, log: &mut Log) {
        match self {
            Self::Csv | Self::OnlineRetail => {}
            Self::Ratings => log.sort_by_ids(),
            Self::Sessions => log.drop_immediate_repeats(),
        }
    }
}

/// Whether a line of an invoice is a purchase: by a known customer, of at least one piece, at a price, not a cancellation
/// (`C` before the number), and of an item, whose codes start with a digit where postage and fees have words.
fn is_purchase(row: &Row<'_>) -> bool {
    row.user.is_some()
        && row.quantity.is_some_and(|pieces| pieces > 0.0)
        && row.price.is_some_and(|price| price > 0.0)
        && !row.order.is_some_and(|number| number.starts_with('C'))
        && row.item.is_some_and(|code| code.starts_with(|c: char| c.is_ascii_digit()))
}

/// `12/1/2010 8:26`, month first, as spreadsheets write it, in the order that [`crate::ingest::time`] reads.
pub(super) fn from_spreadsheet(text: &str) -> Option<String> {
    let (date, time) = text.trim().split_once(' ')?;
    let mut parts = date.split('/').map(|part| part.parse::<u32>().ok());
    let (month, day, year) = (parts.next()??, parts.next()??, parts.next()??);
    let (hour, rest) = time.split_once(':')?;
    let hour: u32 = hour.parse().ok()?;
    parts.next().is_none().then(|| format!("{year:04}-{month:02}-{day:02} {hour:02}:{rest}"))
}

#[cfg(test)]
mod tests {
    use super::super::csv::read_into;
    use super::*;

    fn rows(format: Format, files: &[&str]) -> Vec<String> {
        let mut log = Log::default();
        files.iter().for_each(|text| read_into(text.as_bytes(), format, &mut log).unwrap());
        format.arrange(&mut log);
        let row = |entry| {
            let event = log.event(entry);
            let user = event.user_id.as_deref().unwrap_or("-").to_owned();
            format!("{user} {} {} {}", event.item_id, event.time_ms, event.action)
        };
        log.by_time().iter().map(row).collect()
    }

    #[test]
    fn good_ratings_by_time_then_ids_as_numbers() {
        let movielens =
            "userId,movieId,rating,timestamp\n10,5,4.0,7\n9,30,4.5,7\n9,4,5,7\n9,6,3.5,1\n1,1,4,3\n";
        let expected = ["1 1 3000 like", "9 4 7000 like", "9 30 7000 like", "10 5 7000 like"];
        assert_eq!(rows(Format::Ratings, &[movielens]), expected);
        let recbole = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n2\t1\t3\t1\n2\t3\t4\t2\n";
        assert_eq!(rows(Format::Ratings, &[recbole]), ["2 3 2000 like"]);
        let unrated = "user_id:token\titem_id:token\ttimestamp:float\nx\t1\t1\n";
        assert_eq!(rows(Format::Ratings, &[unrated]), ["x 1 1000 like"]);
    }

    #[test]
    fn purchases_of_an_invoice() {
        let text = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n\
            1,85123A,\"LAMP, WHITE\",6,2010-12-01T08:26:00,2.55,17850,UK\n\
            2,71053,LANTERN,6,12/1/2010 8:27,3.39,17850,UK\n\
            3,71053,LANTERN,6,2010-12-01T08:26:00,3.39,,UK\n\
            C4,71053,LANTERN,-6,2010-12-01T08:26:00,3.39,17850,UK\n\
            5,71053,LANTERN,0,2010-12-01T08:26:00,3.39,17850,UK\n\
            6,71053,LANTERN,1,2010-12-01T08:26:00,0,17850,UK\n\
            7,POST,POSTAGE,1,2010-12-01T08:26:00,18,17850,UK\n";
        let expected = ["17850 85123A 1291191960000 purchase", "17850 71053 1291192020000 purchase"];
        assert_eq!(rows(Format::OnlineRetail, &[text]), expected);
    }

    #[test]
    fn sessions_of_several_files_without_immediate_repeats() {
        let head = "SessionId\tItemId\tTime\n";
        let first = format!("{head}1\t8\t5.0\n1\t8\t6.0\n2\t8\t6.5\n1\t9\t7.0\n");
        let second = format!("{head}1\t8\t8.0\n");
        let expected = ["1 8 5000 view", "2 8 6500 view", "1 9 7000 view", "1 8 8000 view"];
        assert_eq!(rows(Format::Sessions, &[&first, &second]), expected);
    }

    #[test]
    fn dates_of_spreadsheets() {
        assert_eq!(from_spreadsheet("12/1/2010 8:26").as_deref(), Some("2010-12-01 08:26"));
        for wrong in ["", "12/1 8:26", "12/1/2010", "1/2/3/4 5:06", "a/b/c 1:00"] {
            assert_eq!(from_spreadsheet(wrong), None, "{wrong}");
        }
    }
}
