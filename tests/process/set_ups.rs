//! The set-ups of `docs/recommender.md`, run as they stand there.
//!
//! Each has a configuration file (a block of TOML) and a session (a block of console). Of a session `curl` and `kcat` are
//! understood, as far as it uses them; what is printed under a command is what it has to print, soon, `…` being anything.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use protocol::records::BatchBuilder;

use crate::support::child::CONFIG_FILE;
use crate::support::client::now;
use crate::support::{Broker, eventually};

/// A command of a session, and what it is to print.
#[derive(Debug, Default)]
struct Command {
    words: Vec<String>,
    /// The lines handed to it.
    input: Vec<String>,
    printed: Vec<String>,
}

#[test]
fn the_shop_of_the_manual_works() {
    run("### A shop");
}

#[test]
fn the_video_service_of_the_manual_works() {
    run("### A video service");
}

#[test]
fn the_news_of_the_manual_work() {
    run("### News");
}

fn run(heading: &str) {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recommender.md");
    let manual = fs::read_to_string(manual).expect("the manual is text");
    let section = manual.split_once(&format!("\n{heading}\n")).expect("the section is there").1;
    let section =
        section.split("\n## ").next().and_then(|rest| rest.split("\n### ").next()).unwrap_or(section);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("kindred.toml");
    fs::write(&file, blocks(section, "toml").concat()).expect("a file of our own");
    let broker = Broker::with(&[(CONFIG_FILE, file.to_str().expect("a path in text"))]);
    let commands: Vec<Command> = blocks(section, "console").iter().flat_map(|block| parse(block)).collect();
    assert!(!commands.is_empty(), "{heading} has a session");
    commands.iter().for_each(|command| execute(&broker, command));
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("\n```{language}\n");
    let inside = text.split(&opening).skip(1);
    inside.map(|rest| rest.split("\n```").next().unwrap_or(rest).to_owned() + "\n").collect()
}

fn parse(block: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut lines = block.lines();
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else {
            let command = commands.last_mut().expect("a session begins with a command");
            command.printed.push(line.to_owned());
            continue;
        };
        // A quote may span lines.
        let mut text = first.to_owned();
        while text.matches('\'').count() % 2 == 1 {
            text += "\n";
            text += lines.next().expect("a quote ends");
        }
        let mut command = Command { words: words(&text), ..Command::default() };
        if command.words.last().is_some_and(|word| word == "<<END") {
            command.words.pop();
            command.input = lines.by_ref().take_while(|line| *line != "END").map(str::to_owned).collect();
        }
        commands.push(command);
    }
    commands
}

/// The words of a command line, quoted or not.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in text.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn execute(broker: &Broker, command: &Command) {
    let value = |name: &str| {
        let at = command.words.iter().position(|word| word == name)?;
        command.words.get(at + 1).map(String::as_str)
    };
    match (command.words[0].as_str(), value("-t")) {
        ("curl", _) => ask(broker, command, value("-d")),
        ("kcat", Some(topic)) if command.words.contains(&"-P".to_owned()) => {
            produce(
                broker,
                topic,
                value("-K").map(|mark| mark.chars().next().expect("a mark")),
                &command.input,
            );
        }
        ("kcat", Some(topic)) => consume(broker, topic, command),
        _ => panic!("not understood: {command:?}"),
    }
}

/// Sends a request until the answer is what was printed.
fn ask(broker: &Broker, command: &Command, body: Option<&str>) {
    let url = command.words.iter().find_map(|word| word.strip_prefix("localhost:8080"));
    let url = url.expect("an address of the broker");
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let expected = command.printed.join("\n");
    let mut last = String::new();
    let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually("the answer", || {
            last = http(broker, method, url, body);
            fits(&expected, last.trim_end()).then_some(())
        });
    }));
    assert!(answered.is_ok(), "{method} {url}\nis answered  {last}\nand not      {expected}");
}

/// The body of an answer.
fn http(broker: &Broker, method: &str, path: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(broker.child().http).expect("HTTP is served");
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).expect("HTTP reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("HTTP answers in text");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}

/// Produces lines, keyed by what stands before a mark.
fn produce(broker: &Broker, topic: &str, mark: Option<char>, lines: &[String]) {
    let mut builder = BatchBuilder::new();
    for line in lines {
        let (key, value) = match mark.and_then(|mark| line.split_once(mark)) {
            Some((key, value)) => (Some(key.as_bytes()), value),
            None => (None, line.as_str()),
        };
        builder.append(now(), key, Some(value.as_bytes()), &[]);
    }
    let mut client = broker.connect();
    client.create_topic_if_missing(topic);
    assert_eq!(client.produce(topic, 0, -1, &builder.build()).map(|(code, _)| code), Some(0), "{topic}");
}

/// Reads a topic until each line that was printed is there.
fn consume(broker: &Broker, topic: &str, command: &Command) {
    let mut client = broker.connect();
    for expected in &command.printed {
        eventually(&format!("{expected} in {topic}"), || {
            client.has_topic(topic).then_some(())?;
            let values = client.fetch_values(topic, 0);
            let mut values = values.iter().map(|value| String::from_utf8_lossy(value));
            values.any(|value| fits(expected, &value)).then_some(())
        });
    }
}

/// Whether a text is what is expected, `…` being anything.
fn fits(expected: &str, text: &str) -> bool {
    let mut pieces = expected.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[test]
fn dots_stand_for_anything() {
    for (expected, text, fit) in [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("a…c", "abbbc", true),
        ("a…c…", "abcd", true),
        ("…b…d", "abcd", true),
        ("a…x…", "abcd", false),
        ("a…b", "abc", false),
    ] {
        assert_eq!(fits(expected, text), fit, "{expected} {text}");
    }
}
