//! The command line: one module per command.
//!
//! Exit codes: 0 done, 1 the command failed (`log`: the files are damaged), 2 the arguments or the configuration are wrong, or
//! what they ask for cannot be had (a taken port, a locked data directory). Every failure is one
//! line on standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its job")]

mod config;
mod demo;
mod evaluate;
mod log;
mod recommend;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::ServerConfig;

#[derive(Debug, Parser)]
#[command(
    name = "kindred",
    version,
    about = "A Kafka-compatible broker with a real-time recommender inside",
    after_help = "Without a command kindred serves: Kafka on localhost:9092, HTTP on 127.0.0.1:8080, data in ./kindred-data.\n\
                  Example: kindred --set num.partitions=3 --set log.retention.hours=24"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until stopped (the default).
    #[command(after_help = "Example: kindred serve --config kindred.toml", after_long_help = crate::config::help())]
    Serve(ServerArgs),
    /// Serve, replay a sample of a real shop's purchases through the Kafka port, show what was
    /// learnt, and keep serving.
    #[command(after_help = "Example: kindred demo --exit")]
    Demo(demo::DemoArgs),
    /// Measure recommendation accuracy on a CSV of events, with the very code that serves.
    #[command(
        after_help = "Example: kindred evaluate --events events.csv --protocol prequential --repeats skip --at 10,20"
    )]
    Evaluate(evaluate::EvaluateArgs),
    /// Ask a running broker for recommendations.
    #[command(after_help = "Example: kindred recommend --user 17850 --explain")]
    Recommend(recommend::RecommendArgs),
    /// Show and change settings of a running broker, its topics and groups.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Show and check the files of a data directory; a broker may be running on it.
    #[command(subcommand)]
    Log(log::LogCommand),
}

/// Where a serving command's configuration comes from.
#[derive(Args, Clone, Debug, Default)]
struct ServerArgs {
    /// A TOML file of settings, under Kafka's names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting; may be repeated, and wins over the environment and the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ServerArgs {
    fn load(&self) -> Result<ServerConfig, Failure> {
        // A variable that is not UTF-8 cannot be one of ours.
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let environment = std::env::vars_os().filter_map(text);
        ServerConfig::load(self.config.as_deref(), environment, &self.set).map_err(Failure::usage)
    }
}

/// A failed command: what to say, and the exit code.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The arguments or the configuration are at fault.
    fn usage(error: impl std::fmt::Display) -> Self {
        Self { message: format!("{error:#}"), code: 2 }
    }

    /// Something went wrong while doing what was asked.
    fn runtime(error: impl std::fmt::Display) -> Self {
        Self { message: format!("{error:#}"), code: 1 }
    }
}

/// Runs the program with the process's arguments and environment.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve::run(&cli.server).map(|()| ExitCode::SUCCESS),
        Some(Command::Serve(args)) => serve::run(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Demo(args)) => demo::run(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Evaluate(args)) => evaluate::run(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Recommend(args)) => recommend::run(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Config(command)) => config::run(&command).map(|()| ExitCode::SUCCESS),
        Some(Command::Log(command)) => log::run(&command),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("kindred: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}
