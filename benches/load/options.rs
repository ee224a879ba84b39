//! The command line.

use std::net::SocketAddr;
use std::str::FromStr;

/// What to measure, and how much of it.
pub(crate) struct Options {
    only: Vec<String>,
    pub(crate) megabytes: u64,
    /// Records a second while measuring latency.
    pub(crate) rate: u64,
    /// Recommendations asked for a second.
    pub(crate) http_rate: u64,
    pub(crate) seconds: u64,
    pub(crate) bootstrap: Option<SocketAddr>,
    pub(crate) settings: Vec<(String, String)>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            only: Vec::new(),
            megabytes: 1024,
            rate: 10_000,
            http_rate: 5_000,
            seconds: 10,
            bootstrap: None,
            settings: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} wants a value"));
            match name.as_str() {
                // What cargo itself adds.
                "--bench" => {}
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--megabytes" => options.megabytes = number(&name, &value()?)?,
                "--rate" => options.rate = number(&name, &value()?)?,
                "--http-rate" => options.http_rate = number(&name, &value()?)?,
                "--seconds" => options.seconds = number(&name, &value()?)?,
                "--bootstrap" => options.bootstrap = Some(number(&name, &value()?)?),
                "--set" => {
                    let setting = value()?;
                    let (key, value) = setting.split_once('=').ok_or("--set wants key=value")?;
                    options.settings.push((key.to_owned(), value.to_owned()));
                }
                _ => return Err(format!("unknown argument {name}; see the head of benches/load/main.rs")),
            }
        }
        Ok(options)
    }

    /// Whether `part` (start, idle, produce, consume, latency, http) is asked for.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: cannot read {text:?}"))
}
