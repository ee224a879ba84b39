//! `kindred log`: shows and checks the files of a data directory, whether a broker is running on it or not.
//!
//! ```text
//! dump   FILE…  ── storage::dump ──▶ facts ── line.rs ──▶ Kafka's text, or JSON
//!                        records ── records/ (Kafka's record formats) ──▶ JSON
//! verify PATH…  ── storage::verify_path ──▶ one line for each finding
//! ```
//! Exit codes: 0 sound, 1 damaged, 2 a wrong argument or a file that cannot be read. Nothing is ever written.

mod dump;
mod line;
mod records;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use super::Failure;

/// What to do with the files.
#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Show what files of a data directory hold, as Apache Kafka's kafka-dump-log does.
    #[command(
        after_help = "Example: kindred log dump --print-data-log kindred-data/orders-0/00000000000000000000.log"
    )]
    Dump(dump::DumpArgs),
    /// Check files against each other: checksums, offsets, indexes, snapshots, checkpoints.
    #[command(after_help = "Example: kindred log verify kindred-data")]
    Verify(verify::VerifyArgs),
}

/// Whether what was read is as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Sound,
    Damaged,
}

pub(super) fn run(command: &LogCommand) -> Result<ExitCode, Failure> {
    let verdict = match command {
        LogCommand::Dump(args) => dump::run(args)?,
        LogCommand::Verify(args) => verify::run(args)?,
    };
    Ok(match verdict {
        Verdict::Sound => ExitCode::SUCCESS,
        Verdict::Damaged => ExitCode::FAILURE,
    })
}
