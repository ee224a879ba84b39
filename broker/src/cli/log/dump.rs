//! `kindred log dump`: what files hold, in the words of Apache Kafka's `kafka-dump-log`.
//!
//! Facts go to standard output; what is wrong goes to standard error (in JSON to standard output), a line each.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use protocol::records::control::{Marker, Outcome};
use protocol::records::{Batch, Record, TimestampType};
use protocol::types::Offset;
use storage::dump::{self, BATCH_BYTES_MAX, FileKind, LogReader, Piece};
use storage::env::{Disk, RealDisk};
use storage::{Finding, verify_path};

use super::line::{Line, Shown};
use super::records::Decoder;
use super::{Failure, Verdict, records, verify};

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("decoder").multiple(false))]
pub(in crate::cli) struct DumpArgs {
    /// Files of a data directory.
    #[arg(required_unless_present = "list", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The same as FILE, as kafka-dump-log takes it.
    #[arg(long = "files", value_name = "FILE,…", value_delimiter = ',')]
    list: Vec<PathBuf>,
    /// Show the records of each batch.
    #[arg(long)]
    deep_iteration: bool,
    /// Show keys and values of the records too.
    #[arg(long)]
    print_data_log: bool,
    /// Leave out what a record is, and show only its key and value.
    #[arg(long)]
    skip_record_metadata: bool,
    /// Read the records as those of __consumer_offsets.
    #[arg(long, group = "decoder")]
    offsets_decoder: bool,
    /// Read the records as those of __transaction_state.
    #[arg(long, group = "decoder")]
    transaction_log_decoder: bool,
    /// Read the records as those of __cluster_metadata.
    #[arg(long, group = "decoder")]
    cluster_metadata_decoder: bool,
    /// Only check indexes against their logs.
    #[arg(long)]
    verify_index_only: bool,
    /// Only check that indexes are whole and rise.
    #[arg(long, conflicts_with = "verify_index_only")]
    index_sanity_check: bool,
    /// Stop after this many bytes of a log.
    #[arg(long, value_name = "BYTES", default_value_t = u64::MAX, hide_default_value = true)]
    max_bytes: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DumpArgs) -> Result<Verdict, Failure> {
    let mut output = Output { args, out: io::stdout().lock(), damaged: false, file: String::new() };
    let done = args.files.iter().chain(&args.list).try_for_each(|path| output.file(path));
    match done.and_then(|()| output.out.flush().map_err(Stop::from)) {
        // Whoever read us has seen enough, `head` say.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(Stop::Output(error)) => return Err(Failure::runtime(error)),
        Err(Stop::Input(failure)) => return Err(failure),
        Ok(()) => {}
    }
    Ok(if output.damaged { Verdict::Damaged } else { Verdict::Sound })
}

/// Why a dump ends early.
enum Stop {
    /// Standard output takes no more.
    Output(io::Error),
    /// A file cannot be read.
    Input(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

struct Output<'a> {
    args: &'a DumpArgs,
    out: io::StdoutLock<'static>,
    damaged: bool,
    /// The file being shown.
    file: String,
}

impl Output<'_> {
    fn file(&mut self, path: &Path) -> Result<(), Stop> {
        self.file = path.display().to_string();
        self.say(&format!("Dumping {}", self.file))?;
        match FileKind::of(path) {
            Some(FileKind::Log | FileKind::MetadataSnapshot) => self.log(path),
            Some(FileKind::OffsetIndex | FileKind::TimeIndex) => self.index(path),
            Some(FileKind::AbortedIndex) => self.aborted(path),
            Some(FileKind::Producers) => self.producers(path),
            Some(kind) => self.text(path, kind),
            None => {
                Err(Stop::Input(Failure::usage(format!("{}: not a file of a data directory", self.file))))
            }
        }
    }

    // ---- logs ----------------------------------------------------------------------------------------------------

    fn log(&mut self, path: &Path) -> Result<(), Stop> {
        let mut log = input(path, LogReader::open(&RealDisk, path))?;
        if let Some(base) = dump::base_offset(path) {
            self.say(&format!("Log starting offset: {base}"))?;
        }
        let mut scratch = Vec::new();
        let mut last = None;
        while let Some(piece) = input(path, log.next_piece())? {
            match piece {
                Piece::Batch { position, .. } if position >= self.args.max_bytes => break,
                Piece::Batch { position, batch } => {
                    self.batch(path, position, &batch, &mut last, &mut scratch)?;
                }
                Piece::Damage { position, .. } if position >= self.args.max_bytes => break,
                Piece::Damage { position, what, bytes } => {
                    self.say(&format!("Found {bytes} invalid bytes at the end of {}", name_of(path)))?;
                    self.found(path, position, what)?;
                }
            }
        }
        Ok(())
    }

    fn batch(
        &mut self,
        path: &Path,
        position: u64,
        batch: &Batch<'_>,
        last: &mut Option<Offset>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let crc = batch.verify_crc();
        self.fact("batch", "", &batch_line(batch, position, crc.is_ok()))?;
        if let Err(error) = crc {
            self.found(path, position, error.to_string())?;
        }
        if !self.deep() {
            return Ok(());
        }
        let limit = usize::try_from(BATCH_BYTES_MAX).unwrap_or(usize::MAX);
        let records = match batch.decompressed(limit, scratch) {
            Ok(records) => records,
            Err(error) => return self.found(path, position, error.to_string()),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return self.found(path, position, error.to_string()),
            };
            // Compaction leaves gaps, so this is worth a word and no damage.
            if let Some(last) = last.replace(record.offset).filter(|last| last.next() != record.offset) {
                self.note(path, &format!("{last} is followed by {}", record.offset))?;
            }
            self.fact("record", "| ", &self.record_line(batch, &record))?;
        }
        Ok(())
    }

    fn record_line(&self, batch: &Batch<'_>, record: &Record<'_>) -> Line {
        let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        let mut line = Line::new();
        if !self.args.skip_record_metadata {
            let base = batch.base_sequence();
            let behind = i32::try_from(record.offset.0.wrapping_sub(batch.base_offset().0)).unwrap_or(0);
            let sequence = if base.0 < 0 { base } else { base.advance(behind.max(0)) };
            let names = record.headers().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
            line = line
                .number("offset", record.offset.0)
                .number(timestamp_type(batch), record.timestamp.0)
                .number("keySize", size(record.key))
                .number("valueSize", size(record.value))
                .number("sequence", sequence.0)
                .with("headerKeys", Shown::List(names.collect()));
            if batch.is_control() {
                line = control(line, record);
            }
        }
        match batch.is_control() || !self.data() {
            true => line,
            false => self.decoder().show(line, record),
        }
    }

    // ---- indexes -------------------------------------------------------------------------------------------------

    fn index(&mut self, path: &Path) -> Result<(), Stop> {
        let bytes = input(path, RealDisk.read(path))?;
        let Some(base) = dump::base_offset(path) else {
            return self.found(path, 0, "its name does not begin with an offset".to_owned());
        };
        let is_time = FileKind::of(path) == Some(FileKind::TimeIndex);
        let lines: Vec<Line> = if is_time {
            let entries = dump::time_entries(&bytes, base).entries.into_iter();
            entries
                .map(|(timestamp, offset)| {
                    Line::new().number("timestamp", timestamp.0).number("offset", offset.0)
                })
                .collect()
        } else {
            let entries = dump::offset_entries(&bytes, base).entries.into_iter();
            entries
                .map(|(offset, position)| Line::new().number("offset", offset.0).number("position", position))
                .collect()
        };
        if lines.is_empty() && !is_time {
            self.say(&format!("{} is empty.", self.file))?;
            if bytes.is_empty() {
                return Ok(());
            }
        }
        if self.args.index_sanity_check {
            return self.sanity(path, &bytes, base, is_time);
        }
        if !self.args.verify_index_only {
            for line in &lines {
                self.fact("entry", "", line)?;
            }
        }
        let verified = input(path, verify_path(&RealDisk, path))?;
        verified.findings.into_iter().try_for_each(|finding| self.report(&finding))
    }

    /// What Apache Kafka demands of an index before it uses it without making it again.
    fn sanity(&mut self, path: &Path, bytes: &[u8], base: Offset, is_time: bool) -> Result<(), Stop> {
        let (torn_bytes, rises) = if is_time {
            let read = dump::time_entries(bytes, base);
            (read.torn_bytes, ends_rise(&read.entries, |(timestamp, offset)| (timestamp.0, offset)))
        } else {
            let read = dump::offset_entries(bytes, base);
            let rises = ends_rise(&read.entries, |(offset, _)| offset);
            (read.torn_bytes, rises)
        };
        match (torn_bytes, rises) {
            (0, true) => self.say(&format!("{} passed sanity check.", self.file)),
            (0, false) => self.found(path, 0, "its last entry is not behind its first".to_owned()),
            _ => self.found(path, (bytes.len() - torn_bytes) as u64, "torn inside an entry".to_owned()),
        }
    }

    fn aborted(&mut self, path: &Path) -> Result<(), Stop> {
        let bytes = input(path, RealDisk.read(path))?;
        for aborted in dump::aborted_entries(&bytes).entries.into_iter().flatten() {
            let line = Line::new()
                .number("version", 0)
                .number("producerId", aborted.producer_id.0)
                .number("firstOffset", aborted.first_offset.0)
                .number("lastOffset", aborted.last_offset.0)
                .number("lastStableOffset", aborted.last_stable_offset.0);
            self.fact("abortedTransaction", "", &line)?;
        }
        let verified = input(path, verify_path(&RealDisk, path))?;
        verified.findings.into_iter().try_for_each(|finding| self.report(&finding))
    }

    // ---- what is read whole --------------------------------------------------------------------------------------

    fn producers(&mut self, path: &Path) -> Result<(), Stop> {
        let bytes = input(path, RealDisk.read(path))?;
        let entries = match dump::producer_entries(&bytes) {
            Ok(entries) => entries,
            Err(what) => return self.found(path, 0, what.to_owned()),
        };
        for (id, entry) in entries {
            let mut line = Line::new()
                .number("producerId", id.0)
                .number("producerEpoch", entry.epoch.0)
                .number("coordinatorEpoch", entry.coordinator_epoch)
                .with("currentTxnFirstOffset", Shown::Optional(entry.open_transaction.map(|first| first.0)))
                .number("lastTimestamp", entry.last_timestamp.0);
            if let Some(batch) = entry.window.last() {
                line = line
                    .number("firstSequence", batch.first_sequence().0)
                    .number("lastSequence", batch.last_sequence.0)
                    .number("lastOffset", batch.last_offset.0)
                    .number("offsetDelta", batch.offset_delta)
                    .number("timestamp", batch.timestamp.0);
            }
            self.fact("producer", "", &line)?;
        }
        Ok(())
    }

    fn text(&mut self, path: &Path, kind: FileKind) -> Result<(), Stop> {
        let bytes = input(path, RealDisk.read(path))?;
        match dump::check_text(kind, &bytes) {
            Ok(text) => {
                let lines = text.lines().map(|line| Line::new().text("line", line));
                for line in lines {
                    match self.args.json {
                        true => self.fact("line", "", &line)?,
                        false => writeln!(self.out, "{}", line.to_text().trim_start_matches("line: "))?,
                    }
                }
                Ok(())
            }
            Err(what) => self.found(path, 0, what),
        }
    }

    // ---- writing -------------------------------------------------------------------------------------------------

    fn deep(&self) -> bool {
        self.args.deep_iteration || self.data()
    }

    fn data(&self) -> bool {
        let args = self.args;
        args.print_data_log
            || args.offsets_decoder
            || args.transaction_log_decoder
            || args.cluster_metadata_decoder
    }

    fn decoder(&self) -> Decoder {
        match self.args {
            DumpArgs { offsets_decoder: true, .. } => Decoder::Offsets,
            DumpArgs { transaction_log_decoder: true, .. } => Decoder::Transactions,
            DumpArgs { cluster_metadata_decoder: true, .. } => Decoder::Metadata,
            _ => Decoder::Plain,
        }
    }

    fn fact(&mut self, kind: &str, indent: &str, line: &Line) -> Result<(), Stop> {
        match self.args.json {
            true => writeln!(self.out, "{}", line.to_json(&self.file, kind))?,
            false => writeln!(self.out, "{indent}{}", line.to_text())?,
        }
        Ok(())
    }

    /// A line that only people read.
    fn say(&mut self, text: &str) -> Result<(), Stop> {
        if !self.args.json {
            writeln!(self.out, "{text}")?;
        }
        Ok(())
    }

    fn note(&mut self, path: &Path, text: &str) -> Result<(), Stop> {
        match self.args.json {
            true => self.fact("note", "", &Line::new().text("what", text)),
            false => {
                eprintln!("{}: {text}", path.display());
                Ok(())
            }
        }
    }

    fn found(&mut self, path: &Path, position: u64, what: String) -> Result<(), Stop> {
        self.report(&Finding { path: path.to_owned(), position, what })
    }

    fn report(&mut self, finding: &Finding) -> Result<(), Stop> {
        self.damaged = true;
        match self.args.json {
            true => writeln!(self.out, "{}", verify::finding_json(finding))?,
            false => eprintln!("{finding}"),
        }
        Ok(())
    }
}

fn input<T>(path: &Path, read: io::Result<T>) -> Result<T, Stop> {
    read.map_err(|error| Stop::Input(Failure::usage(format!("{}: {error}", path.display()))))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether the last entry is behind the first, if there are two.
fn ends_rise<T: Copy, K: PartialOrd>(entries: &[T], key: impl Fn(T) -> K) -> bool {
    match entries {
        [first, .., last] => key(*first) <= key(*last),
        _ => true,
    }
}

fn timestamp_type(batch: &Batch<'_>) -> &'static str {
    match batch.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn batch_line(batch: &Batch<'_>, position: u64, is_valid: bool) -> Line {
    let horizon = batch.has_delete_horizon().then_some(batch.base_timestamp().0);
    Line::new()
        .number("baseOffset", batch.base_offset().0)
        .number("lastOffset", batch.last_offset().0)
        .number("count", batch.record_count())
        .number("baseSequence", batch.base_sequence().0)
        .number("lastSequence", batch.last_sequence().0)
        .number("producerId", batch.producer_id().0)
        .number("producerEpoch", batch.producer_epoch().0)
        .number("partitionLeaderEpoch", batch.leader_epoch().0)
        .truth("isTransactional", batch.is_transactional())
        .truth("isControl", batch.is_control())
        .with("deleteHorizonMs", Shown::Optional(horizon))
        .number("position", i64::try_from(position).unwrap_or(i64::MAX))
        .number(timestamp_type(batch), batch.max_timestamp().0)
        .number("size", batch.size_bytes() as i64)
        .number("magic", 2)
        .text("compresscodec", batch.compression().name())
        .number("crc", batch.crc())
        .truth("isvalid", is_valid)
}

/// What a control record says: the end of a transaction, or what a KRaft log has besides.
fn control(line: Line, record: &Record<'_>) -> Line {
    let Some(marker) = Marker::parse(record) else { return records::control(line, record) };
    let outcome = match marker.outcome {
        Outcome::Abort => "ABORT",
        Outcome::Commit => "COMMIT",
    };
    line.text("endTxnMarker", outcome).number("coordinatorEpoch", marker.coordinator_epoch.0)
}
