//! The tables against messages that Apache Kafka's own classes wrote, for versions that no oracle crate has.
//!
//! `testdata/messages/Generate.java` made them, and tells their form: bytes, and the same as JSON.

use std::collections::BTreeSet;

use protocol::messages::{Api, ApiKey};

use crate::oracle::{explain, names, ours, same_values};

type Read = fn(&'static [u8], i16) -> String;

const LINES: [&str; 2] = [
    include_str!("../../testdata/messages/kafka-4.0.0.txt"),
    include_str!("../../testdata/messages/kafka-4.4.0.txt"),
];

struct Written {
    name: &'static str,
    version: i16,
    bytes: Vec<u8>,
    json: &'static str,
}

fn messages() -> impl Iterator<Item = Written> {
    LINES.iter().flat_map(|lines| lines.lines()).map(|line| {
        let mut parts = line.splitn(4, ' ');
        let mut part = || parts.next().expect("four parts");
        let (name, version, hex, json) = (part(), part(), part(), part());
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        let bytes = (0..hex.len()).step_by(2).map(byte).collect();
        Written { name, version: version.parse().expect("a number"), bytes, json }
    })
}

/// Whether there are any of this name and version.
pub(crate) fn covers(name: &str, version: i16) -> bool {
    messages().any(|message| (message.name, message.version) == (name, version))
}

/// JSON in the form of debug text: names in snake case without quotes. The texts in it are letters.
fn as_debug(json: &str) -> String {
    let mut text = String::new();
    let mut parts = json.split('"');
    text.push_str(parts.next().unwrap_or_default());
    while let (Some(quoted), Some(after)) = (parts.next(), parts.next()) {
        if after.starts_with(':') {
            for letter in quoted.chars() {
                if letter.is_ascii_uppercase() {
                    text.push('_');
                }
                text.push(letter.to_ascii_lowercase());
            }
        } else {
            text.extend(["\"", quoted, "\""]);
        }
        text.push_str(&after.replace("null", "None"));
    }
    text
}

macro_rules! test {
    ($($key:literal $api:ident $module:ident $request:ident $response:ident;)*) => {
        #[test]
        fn messages_of_apache_kafka() {
            let mut seen = 0;
            for message in messages() {
                let (schema, read) = match message.name {
                    $(
                        stringify!($request) => (
                            Api::of(ApiKey::$api).request,
                            ours::<protocol::messages::$module::$request> as Read,
                        ),
                        stringify!($response) => (
                            Api::of(ApiKey::$api).response,
                            ours::<protocol::messages::$module::$response> as Read,
                        ),
                    )*
                    unknown => panic!("{unknown}"),
                };
                let bytes: &'static [u8] = message.bytes.leak();
                explain(|| format!("{} v{}: {}", message.name, message.version, message.json), || {
                    let (mut wanted, mut known) = (BTreeSet::new(), BTreeSet::new());
                    names(schema, message.version, &mut wanted);
                    same_values(&read(bytes, message.version), &as_debug(message.json), &wanted, &mut known);
                });
                seen += 1;
            }
            assert_eq!(seen, 96);
        }
    };
}

protocol::for_each_api!(test);
