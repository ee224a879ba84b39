//! `kindred log verify`: says of each path what is wrong with it, if anything.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use storage::env::RealDisk;
use storage::{Finding, Verified, verify_path};

use super::line::Line;
use super::{Failure, Verdict};

/// Between two looks at something that may be in use: longer than any write or rename takes.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
pub(in crate::cli) struct VerifyArgs {
    /// Data directories, partition directories, or files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &VerifyArgs) -> Result<Verdict, Failure> {
    let mut verdict = Verdict::Sound;
    for path in &args.paths {
        let verified = verify(path)?;
        if !verified.findings.is_empty() {
            verdict = Verdict::Damaged;
        }
        for finding in &verified.findings {
            match args.json {
                true => println!("{}", finding_json(finding)),
                false => println!("{finding}"),
            }
        }
        let (files, bytes, findings) = (verified.files, verified.bytes, verified.findings.len());
        match args.json {
            true => println!("{}", summary_json(path, &verified)),
            false => println!("{}: {files} files, {bytes} bytes, {findings} findings", path.display()),
        }
    }
    Ok(verdict)
}

/// What a broker is writing just now may look torn; damage is still there at a second look.
fn verify(path: &Path) -> Result<Verified, Failure> {
    let look = || {
        verify_path(&RealDisk, path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    };
    let verified = look()?;
    if verified.findings.is_empty() {
        return Ok(verified);
    }
    thread::sleep(SECOND_LOOK_AFTER);
    Ok(verified.confirmed_by(&look()?))
}

pub(super) fn finding_json(finding: &Finding) -> String {
    let position = i64::try_from(finding.position).unwrap_or(i64::MAX);
    let line = Line::new().number("position", position).text("what", finding.what.clone());
    line.to_json(&finding.path.display().to_string(), "finding")
}

fn summary_json(path: &Path, verified: &Verified) -> String {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let line = Line::new()
        .number("files", count(verified.files))
        .number("bytes", i64::try_from(verified.bytes).unwrap_or(i64::MAX))
        .number("findings", count(verified.findings.len()));
    line.to_json(&path.display().to_string(), "summary")
}
