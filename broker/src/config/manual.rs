//! The tables as text: `--help`, and `docs/configuration.md`.

use std::fmt::Write;

use super::client_metrics::client_metrics_keys;
use super::group::group_keys;
use super::key::{Importance, Key};
use super::server::server_keys;
use super::topic::topic_keys;

/// The server keys for a terminal: name, default and documentation, most needed first.
pub fn help() -> String {
    let mut out =
        String::from("Settings (--set KEY=VALUE, KINDRED_KEY=VALUE, or KEY = VALUE in the file):\n");
    for importance in [Importance::High, Importance::Medium, Importance::Low] {
        for key in server_keys().iter().filter(|key| key.importance == importance) {
            let default = shown_default(key);
            let _ = write!(out, "\n  {} ({}, default {default})\n", key.name, key.form.config_type().name());
            wrap(&mut out, key.documentation, "      ", 96);
        }
    }
    out
}

/// The manual's page on configuration.
pub fn manual() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str(BROKER);
    out.push_str(
        "\n| key | type and values | default | may change | what it does |\n|---|---|---|---|---|\n",
    );
    for key in server_keys() {
        let _ = writeln!(
            out,
            "| `{}` | {}: {} | {} | {} | {} |",
            key.name,
            key.form.config_type().name(),
            key.form,
            code(&shown_default(key)),
            if key.is_dynamic() { "any time" } else { "at start" },
            cell(key.documentation)
        );
    }
    for (head, keys) in
        [(TOPICS, topic_keys()), (GROUPS, group_keys()), (CLIENT_METRICS, client_metrics_keys())]
    {
        out.push_str(head);
        table_of_own(&mut out, keys);
    }
    out
}

/// The keys of something that has settings of its own over the server's.
fn table_of_own(out: &mut String, keys: &[Key]) {
    out.push_str(
        "\n| key | type and values | server keys behind it, or default | what it does |\n|---|---|---|---|\n",
    );
    for key in keys {
        let behind = match key.synonyms {
            [] => code(&shown_default(key)),
            synonyms => synonyms.iter().map(|synonym| code(synonym.name)).collect::<Vec<_>>().join(", "),
        };
        let form = &key.form;
        let _ = writeln!(
            out,
            "| `{}` | {}: {form} | {behind} | {} |",
            key.name,
            form.config_type().name(),
            cell(key.documentation)
        );
    }
}

const INTRODUCTION: &str = "\
# Configuration

Nothing needs to be configured. What can be is listed here; the list is generated from the tables in
`broker/src/config`, and a test compares the two.

A setting comes from, each overruling those before it:

1. its default;
2. the file named by `--config`, in TOML. `log.retention.ms = 60000`, `\"log.retention.ms\" = 60000` and
   `retention.ms = 60000` under `[log]` say the same; lists may be arrays, pairs may be tables;
3. the environment: the key in capitals with `_` for `.`, after `KINDRED_`: `KINDRED_LOG_RETENTION_MS=60000`;
4. the command line: `--set log.retention.ms=60000`.

Names are Apache Kafka's where it has one. A name that is not in the list, or a value that does not fit, stops
the start with one line that says what was expected, and exit code 2.

Times are in the unit that ends the name (`ms`, `minutes`, `hours`), sizes in bytes.
";

const BROKER: &str = "
## Broker

Keys that may change any time can be set by clients too (`kafka-configs --alter --entity-type brokers`, with
`--entity-name` for one broker or `--entity-default` for all). Such a value takes effect at once, is kept across
restarts, and overrules what the broker was started with; deleting it goes back to that.
";

const TOPICS: &str = "
## Topics

A topic may have settings of its own, given when it is made (`CreateTopics`; in kafka-python
`NewTopic(..., topic_configs={\"retention.ms\": \"60000\"})`) or later (`kafka-configs --alter --entity-type
topics`). They take effect at once. What a topic does not set comes from the server keys named here, the first
that is set.
";

const GROUPS: &str = "
## Groups

A group may have settings of its own (`kafka-configs --alter --entity-type groups`), whether it exists yet or
not.
";

const CLIENT_METRICS: &str = "
## Client metrics

Subscriptions to clients' metrics (`kafka-configs --alter --entity-type client-metrics`) are checked and kept, so
that tools which manage them work. No client is asked for metrics yet.
";

fn shown_default(key: &Key) -> String {
    match key.default {
        Some("") | None => "unset".to_owned(),
        Some(default) => default.to_owned(),
    }
}

fn code(text: &str) -> String {
    match text {
        "unset" => text.to_owned(),
        text => format!("`{text}`"),
    }
}

/// A `|` would end the table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn wrap(out: &mut String, text: &str, indent: &str, width: usize) {
    let mut column = width;
    for (at, word) in text.split_whitespace().enumerate() {
        if column + 1 + word.len() > width {
            if at > 0 {
                out.push('\n');
            }
            out.push_str(indent);
            column = indent.len();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_DOCS=1 cargo test -p kindred-broker the_manual` writes the page anew.
    #[test]
    fn the_manual_is_what_the_tables_generate() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, manual()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == manual(),
            "docs/configuration.md is not what the tables say; UPDATE_DOCS=1 rewrites it"
        );
    }

    #[test]
    fn help_names_every_key_within_the_terminal() {
        let help = help();
        assert!(server_keys().iter().all(|key| help.contains(key.name)));
        assert!(help.lines().filter(|line| line.starts_with("      ")).all(|line| line.len() <= 96));
    }
}
