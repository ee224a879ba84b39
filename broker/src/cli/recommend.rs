//! `kindred recommend`: a question to a running broker, over HTTP.
//!
//! The answer is printed for people, or with `--json` as it came. Speaks just enough HTTP/1.1 for one request to a broker
//! of this program.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::Failure;

/// How long to wait for a connection, and for the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer: a thousand items with reasons take a fraction of it.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("whose").required(true))]
pub(super) struct RecommendArgs {
    /// The user to recommend to.
    #[arg(long, value_name = "ID", group = "whose")]
    user: Option<String>,
    /// Items to go by instead of a user, with commas between, the oldest first.
    #[arg(long, value_name = "IDS", value_delimiter = ',', group = "whose")]
    items: Vec<String>,
    /// How many items, at most.
    #[arg(long, short, default_value_t = 10)]
    n: usize,
    /// Only items of this category.
    #[arg(long)]
    category: Option<String>,
    /// Only items that fit an expression, such as "price < 20".
    #[arg(long)]
    filter: Option<String>,
    /// Say why each item is there.
    #[arg(long)]
    explain: bool,
    /// Print the answer as it came.
    #[arg(long)]
    json: bool,
    /// Where the broker serves HTTP.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    http: String,
}

pub(super) fn run(args: &RecommendArgs) -> Result<(), Failure> {
    let (status, body) = send(&args.http, &request(args))?;
    let answer: Value = serde_json::from_str(&body)
        .map_err(|error| Failure::runtime(format!("{} does not answer in JSON: {error}", args.http)))?;
    if status != 200 {
        let message = answer["error"]["message"].as_str().unwrap_or("the question was refused");
        return Err(Failure::runtime(format!("{}: {message}", args.http)));
    }
    match args.json {
        true => println!("{}", body.trim_end()),
        false => print!("{}", told(&answer)),
    }
    Ok(())
}

/// The whole request.
fn request(args: &RecommendArgs) -> String {
    let (first_line, body) = match &args.user {
        Some(user) => {
            (format!("GET /api/v1/users/{}/recommendations?{} HTTP/1.1", path_of(user), query(args)), None)
        }
        None => ("POST /api/v1/sessions/recommend HTTP/1.1".to_owned(), Some(visit(args).to_string())),
    };
    let length = body.as_ref().map(|body| format!("Content-Length: {}\r\n", body.len())).unwrap_or_default();
    let body = body.unwrap_or_default();
    format!("{first_line}\r\nHost: {}\r\nConnection: close\r\n{length}\r\n{body}", args.http)
}

fn query(args: &RecommendArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("n", &args.n.to_string());
    for (name, value) in [("category", &args.category), ("filter", &args.filter)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if args.explain {
        query.append_pair("explain", "true");
    }
    query.finish()
}

fn visit(args: &RecommendArgs) -> Value {
    json!({
        "items": args.items,
        "n": args.n,
        "category": args.category,
        "filter": args.filter,
        "explain": args.explain,
    })
}

/// An id as a segment of a path, where a plus is a plus.
fn path_of(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Status and body of the answer.
fn send(address: &str, request: &str) -> Result<(u16, String), Failure> {
    let failed = |error: std::io::Error| Failure::runtime(format!("no answer from {address}: {error}"));
    let mut addresses = address.to_socket_addrs().map_err(failed)?;
    let target = addresses.next().ok_or_else(|| Failure::usage(format!("{address} is no address")))?;
    let mut socket = TcpStream::connect_timeout(&target, PATIENCE).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    socket.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    socket.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).map_err(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Failure::runtime(format!("{address} does not speak HTTP")))?;
    Ok((status, body.to_owned()))
}

/// The answer for people: a line an item, and under it the reasons.
fn told(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told = match &answer["reason"] {
        Value::String(reason) => format!("{reason}\n"),
        _ => String::new(),
    };
    for item in answer["items"].as_array().into_iter().flatten() {
        let id = text(&item["item_id"]);
        let name = match &item["title"] {
            Value::String(title) => format!("{title} ({id})"),
            _ => id,
        };
        told += &format!("{:.3}  {name}\n", item["score"].as_f64().unwrap_or_default());
        for reason in item["reasons"].as_array().into_iter().flatten() {
            let share = 100.0 * reason["share"].as_f64().unwrap_or_default();
            told += &format!("       {share:.0}%  {}: {}\n", text(&reason["source"]), text(&reason["text"]));
        }
    }
    if told.is_empty() { "nothing to recommend\n".to_owned() } else { told }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RecommendArgs,
    }

    fn parsed(line: &[&str]) -> Result<RecommendArgs, clap::Error> {
        Line::try_parse_from(["recommend"].iter().chain(line)).map(|line| line.args)
    }

    #[test]
    fn a_user_or_items_are_asked_for() {
        let user = request(&parsed(&["--user", "grün/1 +", "-n", "3", "--explain"]).expect("good"));
        assert!(
            user.starts_with(
                "GET /api/v1/users/gr%C3%BCn%2F1%20%2B/recommendations?n=3&explain=true HTTP/1.1\r\n"
            ),
            "{user}"
        );
        let items = request(&parsed(&["--items", "a,b", "--filter", "price < 2"]).expect("good"));
        assert!(items.starts_with("POST /api/v1/sessions/recommend HTTP/1.1\r\n"), "{items}");
        let (head, body) = items.split_once("\r\n\r\n").expect("head and body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&body["items"], &body["filter"]), (&json!(["a", "b"]), &json!("price < 2")));
        assert!(parsed(&[]).is_err() && parsed(&["--user", "u", "--items", "a"]).is_err());
    }

    #[test]
    fn an_answer_is_told_to_people() {
        let reasons = json!([{"source": "llr", "share": 0.5, "text": "2 people came to both this and lamp"}]);
        let answer = json!({"items": [
            {"item_id": "desk", "title": "Desk", "score": 1.0, "reasons": reasons},
            {"item_id": "chair", "score": 0.25},
        ]});
        let expected =
            "1.000  Desk (desk)\n       50%  llr: 2 people came to both this and lamp\n0.250  chair\n";
        assert_eq!(told(&answer), expected);
        assert_eq!(told(&json!({"items": []})), "nothing to recommend\n");
        let cold = told(&json!({"reason": "these are hot items", "items": [{"item_id": "a", "score": 1}]}));
        assert_eq!(cold, "these are hot items\n1.000  a\n");
    }
}
