//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

/// What to run, and how much of it.
pub(crate) struct Options {
    only: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) megabytes: u64,
    /// Seconds of each latency measurement.
    pub(crate) seconds: u64,
    pub(crate) connections: usize,
    pub(crate) partitions: i32,
    /// Where results go.
    pub(crate) out: PathBuf,
    pub(crate) heap: String,
    /// Every combination, not only each dimension on its own.
    pub(crate) full: bool,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            only: Vec::new(),
            rounds: 3,
            megabytes: 512,
            seconds: 5,
            connections: 5000,
            partitions: 10_000,
            out: PathBuf::from("compare-results"),
            heap: "1g".to_owned(),
            full: false,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} wants a value"));
            match name.as_str() {
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--rounds" => options.rounds = number(&name, &value()?)?,
                "--megabytes" => options.megabytes = number(&name, &value()?)?,
                "--seconds" => options.seconds = number(&name, &value()?)?,
                "--connections" => options.connections = number(&name, &value()?)?,
                "--partitions" => options.partitions = number(&name, &value()?)?,
                "--out" => options.out = PathBuf::from(value()?),
                "--heap" => options.heap = value()?,
                "--full" => options.full = true,
                _ => return Err(format!("unknown argument {name}; see the head of benches/compare/main.rs")),
            }
        }
        Ok(options)
    }

    /// Whether `part` is asked for.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: cannot read {text:?}"))
}
