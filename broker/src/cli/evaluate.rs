//! `kindred evaluate`: accuracy on a CSV of events, with the very code that serves.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::bufread::MultiGzDecoder;
use recommender::Config;
use recommender::evaluation::{Format, Log, Options, Protocol, csv, run as evaluate};
use recommender::judging::off_policy::{self, Estimate};

use super::Failure;

#[derive(Args, Debug)]
pub(super) struct EvaluateArgs {
    /// Events: a CSV whose first line names the columns user_id,item_id,ts and, if known, action, value and session_id.
    /// May be repeated; compressed with gzip or not.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["train", "off_policy"], conflicts_with = "train")]
    events: Vec<PathBuf>,
    /// Events to learn first, for a fixed split.
    #[arg(long, value_name = "FILE", requires = "test")]
    train: Option<PathBuf>,
    /// Events to ask for after the training events.
    #[arg(long, value_name = "FILE", requires = "train")]
    test: Option<PathBuf>,
    /// What the files are, and with it which rows count: csv (all), movielens and recbole (ratings of 4 and more),
    /// online-retail (purchases), sessions (all but an item following itself).
    #[arg(long, default_value = "csv", value_parser = format)]
    format: Format,
    /// prequential, split, leave-last-out or next-item.
    #[arg(long, default_value = "prequential", value_parser = protocol)]
    protocol: Protocol,
    /// Models to compare; `fused` is the one that serves, `all` stands for every one.
    #[arg(long, default_value = "fused", value_delimiter = ',')]
    models: Vec<String>,
    /// Lengths of list.
    #[arg(long, default_value = "10,20", value_delimiter = ',')]
    at: Vec<usize>,
    /// Whether items may come again: `skip` leaves out what the user has seen.
    #[arg(long, default_value = "skip", value_parser = ["allow", "skip"])]
    repeats: String,
    /// Ask for events that share user and time one by one, each learnt before the next.
    #[arg(long)]
    ungrouped: bool,
    /// The share of events that is learnt first, for `split` without --train and --test.
    #[arg(long, default_value_t = 0.8, value_name = "SHARE")]
    train_share: f64,
    /// A setting of the recommender; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Rounds of a log with propensities: what another way of answering would have brought, by IPS, SNIPS and DR. A CSV
    /// whose first line names the columns reward,propensity,probability and, for DR, guess,guess_judged.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["events", "train"])]
    off_policy: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

fn format(name: &str) -> Result<Format, String> {
    let names = Format::NAMES.map(|entry| entry.0).join(", ");
    Format::from_name(name).ok_or_else(|| format!("expected one of {names}"))
}

fn protocol(name: &str) -> Result<Protocol, String> {
    Protocol::from_name(name)
        .ok_or_else(|| "expected prequential, split, leave-last-out or next-item".to_owned())
}

pub(super) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    if let Some(path) = &args.off_policy {
        return estimate(path, args.json);
    }
    let config = config(&args.set)?;
    let log = read(args.events.iter().chain(&args.train), args.format)?;
    let test = args.test.as_ref().map(|test| read(std::iter::once(test), args.format)).transpose()?;
    let report = evaluate(&options(args), config, &log, test.as_ref()).map_err(Failure::usage)?;
    match args.json {
        true => println!("{}", report.to_json()),
        false => println!("{}", report.to_markdown()),
    }
    Ok(())
}

/// Reports off-policy estimates.
fn estimate(path: &Path, json: bool) -> Result<(), Failure> {
    let file = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    let input = File::open(path).map_err(|error| file(&error))?;
    let sums = off_policy::read(BufReader::new(input)).map_err(|error| file(&error))?;
    let found = sums.estimates().ok_or_else(|| file(&"no round that the way to be judged might have had"))?;
    if json {
        println!("{}", serde_json::to_string(&found).map_err(|error| file(&error))?);
        return Ok(());
    }
    println!("| estimator | value | standard error |\n|---|---|---|");
    for (name, Estimate { value, error }) in [("IPS", found.ips), ("SNIPS", found.snips), ("DR", found.dr)] {
        println!("| {name} | {value:.6} | {error:.6} |");
    }
    println!("\n{} rounds, worth {:.0}", found.rounds, found.effective_rounds);
    Ok(())
}

fn options(args: &EvaluateArgs) -> Options {
    let all =
        || std::iter::once("fused").chain(recommender::Recommender::models()).map(str::to_owned).collect();
    Options {
        protocol: args.protocol,
        models: if args.models == ["all"] { all() } else { args.models.clone() },
        at: args.at.clone(),
        repeats: args.repeats == "allow",
        ungrouped: args.ungrouped,
        train_share: args.train_share,
    }
}

fn config(settings: &[String]) -> Result<Config, Failure> {
    let mut config = Config::default();
    for setting in settings {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("bad argument `--set {setting}`: expected KEY=VALUE")))?;
        config.set(key, value).map_err(Failure::usage)?;
    }
    Ok(config)
}

fn read<'a>(paths: impl Iterator<Item = &'a PathBuf>, format: Format) -> Result<Log, Failure> {
    let mut log = Log::default();
    for path in paths {
        let said = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
        let input = open(path).map_err(|error| said(&error))?;
        csv::read_into(input, format, &mut log).map_err(|error| said(&error))?;
    }
    format.arrange(&mut log);
    Ok(log)
}

/// A file's lines, unpacked if it starts like gzip.
fn open(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path)?);
    if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}
