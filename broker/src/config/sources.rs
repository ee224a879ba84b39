//! Where settings come from: a TOML file, the environment, arguments.
//!
//! All three end as texts by key, checked one by one against the table. In a file `log.retention.ms = 1000`,
//! `"log.retention.ms" = 1000` and the same inside `[log.retention]` mean the same; an array is a list, and a
//! table under a key that takes pairs is its pairs.

use std::fmt;
use std::path::Path;

use super::ConfigError;
use super::describe::Texts;
use super::key::Key;
use super::nearest::nearest;

/// What the name of every environment variable that sets a key begins with.
pub(super) const VARIABLE_PREFIX: &str = "KINDRED_";

/// Where a setting was written, as the words after "bad value": "in kindred.toml".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A configuration file.
    File(String),
    /// An environment variable.
    Environment(String),
    /// `--set` on the command line.
    Argument,
    /// The settings of a topic.
    Topic,
    /// The settings of a broker that may change while it runs.
    Broker,
    /// The settings of a group.
    Group,
    /// The settings of a subscription to clients' metrics.
    ClientMetrics,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {path}"),
            Self::Environment(variable) => write!(f, "in the environment as {variable}"),
            Self::Argument => f.write_str("in --set"),
            Self::Topic => f.write_str("in the topic's configuration"),
            Self::Broker => f.write_str("in the broker's configuration"),
            Self::Group => f.write_str("in the group's configuration"),
            Self::ClientMetrics => f.write_str("in the subscription's configuration"),
        }
    }
}

/// Sets one key, in place of what an earlier source said.
pub(super) fn set(
    table: &'static [Key],
    texts: &mut Texts,
    name: &str,
    text: &str,
    place: Place,
) -> Result<(), ConfigError> {
    let Some(key) = table.iter().find(|key| key.name == name) else {
        let nearest = nearest(name, table.iter().map(|key| key.name)).map(str::to_owned);
        return Err(ConfigError::Unknown { key: name.to_owned(), place, nearest });
    };
    let text = &*key.form.normalized(text.trim());
    if let Some(reason) = key.refusal(text) {
        let value = if key.sensitive { "(hidden)" } else { text }.escape_debug().to_string();
        return Err(ConfigError::BadValue { key: key.name, value, place, reason });
    }
    texts.insert(key.name, text.to_owned());
    Ok(())
}

/// Sets what a TOML file says.
pub(super) fn read_file(table: &'static [Key], texts: &mut Texts, path: &Path) -> Result<(), ConfigError> {
    let wrong = |reason: String| ConfigError::File { path: path.display().to_string(), reason };
    let content = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let root: toml::Table = content.parse().map_err(|error| wrong(one_line(&error, &content)))?;
    let mut flat = Vec::new();
    flatten(table, "", &root, &mut flat).map_err(wrong)?;
    flat.iter()
        .try_for_each(|(name, text)| set(table, texts, name, text, Place::File(path.display().to_string())))
}

/// Sets what the environment says.
///
/// A Kubernetes service called `kindred` puts variables of its own into its neighbours' environment
/// (`KINDRED_SERVICE_HOST`, `KINDRED_PORT_9092_TCP`); those are not ours.
pub(super) fn read_environment(
    table: &'static [Key],
    texts: &mut Texts,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (variable, text) in variables {
        let Some(rest) = variable.strip_prefix(VARIABLE_PREFIX) else { continue };
        if rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_") {
            continue;
        }
        let Some(key) = table.iter().find(|key| key.variable() == variable) else {
            let names: Vec<String> = table.iter().map(Key::variable).collect();
            let nearest = nearest(&variable, names.iter().map(String::as_str)).map(str::to_owned);
            return Err(ConfigError::Unknown {
                key: variable.clone(),
                place: Place::Environment(variable),
                nearest,
            });
        };
        set(table, texts, key.name, &text, Place::Environment(variable))?;
    }
    Ok(())
}

/// Sets what `--set` arguments say, each `key=value`.
pub(super) fn read_arguments(
    table: &'static [Key],
    texts: &mut Texts,
    arguments: &[String],
) -> Result<(), ConfigError> {
    for argument in arguments {
        let (name, text) = argument.split_once('=').ok_or_else(|| ConfigError::Argument(argument.clone()))?;
        set(table, texts, name.trim(), text, Place::Argument)?;
    }
    Ok(())
}

/// The settings below `prefix`, as names and texts.
fn flatten(
    table: &'static [Key],
    prefix: &str,
    values: &toml::Table,
    flat: &mut Vec<(String, String)>,
) -> Result<(), String> {
    for (word, value) in values {
        let name = if prefix.is_empty() { word.clone() } else { format!("{prefix}.{word}") };
        match value {
            toml::Value::Table(inner) if !table.iter().any(|key| key.name == name) => {
                flatten(table, &name, inner, flat)?;
            }
            value => flat.push((name.clone(), text_of(&name, value)?)),
        }
    }
    Ok(())
}

fn text_of(name: &str, value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        toml::Value::Array(items) => {
            let item = |item| text_of(name, item);
            Ok(items.iter().map(item).collect::<Result<Vec<_>, _>>()?.join(","))
        }
        toml::Value::Table(pairs) => {
            let pair = |(left, right): (&String, &toml::Value)| {
                let right = match right {
                    toml::Value::Table(fields) => fields_of(name, fields)?,
                    value => text_of(name, value)?,
                };
                Ok::<_, String>(format!("{left}:{right}"))
            };
            Ok(pairs.iter().map(pair).collect::<Result<Vec<_>, _>>()?.join(","))
        }
        toml::Value::Datetime(_) => Err(format!("`{name}` is a date, which no key takes")),
    }
}

/// The fields of a rule: `field=value`, with blanks between; the items of a list have `|` between.
fn fields_of(name: &str, fields: &toml::Table) -> Result<String, String> {
    let field = |(field, value): (&String, &toml::Value)| {
        let text = match value {
            toml::Value::Array(items) => {
                let items: Result<Vec<String>, String> =
                    items.iter().map(|item| text_of(name, item)).collect();
                items?.join("|")
            }
            value => text_of(name, value)?,
        };
        Ok::<_, String>(format!("{field}={text}"))
    };
    Ok(fields.iter().map(field).collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// TOML's errors are a picture of several lines; ours say line, column and reason.
fn one_line(error: &toml::de::Error, content: &str) -> String {
    let reason = error.message().replace('\n', ", ");
    match error.span().and_then(|span| content.get(..span.start)) {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: {reason}")
        }
        None => reason,
    }
}
