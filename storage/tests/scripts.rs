//! Runs the scripts in `scripts/`: commands on a log on a simulated disk, and what they left, down to the bytes of
//! its files.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p kindred-storage --test scripts` writes down what comes out now. Times are
//! milliseconds since the script's beginning. `append a b/1 c/` makes one batch of a record without a key, one with
//! key `b`, and one that deletes the key `c`. A letter behind a batch's offsets is `T` for a transaction's, `C` for
//! a control batch, `H` for one with a delete horizon, `L` for the broker's time.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use common::{NOW, store_config};
use goldenscript::{ArgumentConsumer, Command, Context};
use protocol::records::{Batch, BatchBuilder, Batches, Compression, TimestampType};
use protocol::types::{Epoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};
use storage::env::{Faults, MemoryDisk};
use storage::{
    AppendOptions, CleanupPolicy, Env, LogConfig, ManualClock, PartitionLog, Store, TimestampSource,
};

const DIR: &str = "/data";
/// Room for batches and entries to be told from each other.
const RECORDS_BYTES_MAX: usize = 1 << 20;

type Outcome = Result<String, Box<dyn Error>>;

struct Script {
    env: Env,
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    config: LogConfig,
    running: Option<(Store, Arc<PartitionLog>)>,
}

#[test]
fn scripts_say_what_they_said() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        goldenscript::run(&mut Script::new(), path).unwrap();
    }
}

fn ago(time: TimestampMs) -> i64 {
    if time.0 < 0 { time.0 } else { time.0 - NOW.0 }
}

fn number<T: std::str::FromStr>(
    args: &mut ArgumentConsumer<'_>,
    key: &str,
    otherwise: T,
) -> Result<T, T::Err> {
    args.take_key(key).map_or(Ok(otherwise), str::parse)
}

fn first<T: std::str::FromStr>(args: &mut ArgumentConsumer<'_>) -> Result<T, Box<dyn Error>>
where
    T::Err: Error + 'static,
{
    Ok(args.next_pos().ok_or("a number is missing")?.parse()?)
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

impl Script {
    fn new() -> Self {
        let (env, disk, clock) = Env::simulated(1, NOW);
        env.disk.create_dir_all(Path::new(DIR)).unwrap();
        let config = LogConfig {
            segment_bytes: 300,
            index_interval_bytes: 100,
            file_delete_delay_ms: 0,
            ..LogConfig::default()
        };
        Self { env, disk, clock, config, running: None }
    }

    fn log(&self) -> Result<&Arc<PartitionLog>, Box<dyn Error>> {
        Ok(&self.running.as_ref().ok_or("the store is not open")?.1)
    }

    fn store(&self) -> Result<&Store, Box<dyn Error>> {
        Ok(&self.running.as_ref().ok_or("the store is not open")?.0)
    }

    fn open(&mut self) -> Outcome {
        let (store, reports) = Store::open(Path::new(DIR), store_config(&self.config), self.env.clone())?;
        let log = store.logs().pop().unwrap_or_else(|| common::create(&store, &self.config));
        let mut out = String::new();
        for report in reports {
            writeln!(out, "{}: {report}", if report.clean { "clean" } else { "recovered" })?;
        }
        out += &marks(&log);
        self.running = Some((store, log));
        Ok(out)
    }

    fn configure(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        while let Some((key, value)) = args.next_key() {
            let config = &mut self.config;
            match key {
                "segment.bytes" => config.segment_bytes = value.parse()?,
                "segment.ms" => config.segment_ms = value.parse()?,
                "segment.index.bytes" => config.segment_index_bytes = value.parse()?,
                "index.interval.bytes" => config.index_interval_bytes = value.parse()?,
                "retention.ms" => config.retention_ms = value.parse()?,
                "retention.bytes" => config.retention_bytes = value.parse()?,
                "delete.retention.ms" => config.delete_retention_ms = value.parse()?,
                "min.compaction.lag.ms" => config.min_compaction_lag_ms = value.parse()?,
                "max.compaction.lag.ms" => config.max_compaction_lag_ms = value.parse()?,
                "min.cleanable.dirty.ratio" => config.min_cleanable_dirty_ratio = value.parse()?,
                "message.timestamp.after.max.ms" => config.message_timestamp_after_max_ms = value.parse()?,
                "cleanup.policy" => {
                    config.cleanup_policy = match value {
                        "compact" => CleanupPolicy::COMPACT,
                        "delete" => CleanupPolicy::DELETE,
                        _ => CleanupPolicy::COMPACT_DELETE,
                    }
                }
                "message.timestamp.type" => {
                    config.message_timestamp_type = match value {
                        "LogAppendTime" => TimestampSource::LogAppendTime,
                        _ => TimestampSource::CreateTime,
                    }
                }
                _ => return Err(format!("unknown setting {key}").into()),
            }
        }
        if let Ok(log) = self.log() {
            log.set_config(self.config.clone());
        }
        Ok(String::new())
    }

    fn append(&self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let now = self.env.clock.now();
        let time = number(args, "at", ago(now))?;
        let epoch = Epoch(number(args, "epoch", 0)?);
        let codec = Compression::ALL[number(args, "codec", 0_usize)?];
        let mut builder = BatchBuilder::new().compression(codec);
        let producer: i64 = number(args, "producer", -1)?;
        if producer >= 0 {
            let producer_epoch = ProducerEpoch(number(args, "producer_epoch", 0)?);
            builder = builder.producer(
                ProducerId(producer),
                producer_epoch,
                Sequence(number(args, "sequence", 0)?),
            );
        }
        if number(args, "transaction", false)? {
            builder = builder.transactional();
        }
        while let Some(value) = args.next_pos() {
            let (key, value) = value.split_once('/').map_or((None, value), |(key, value)| (Some(key), value));
            let value = Some(value.as_bytes()).filter(|value| key.is_none() || !value.is_empty());
            let at = TimestampMs(NOW.0 + time + builder.record_count() as i64);
            builder.append(at, key.map(str::as_bytes), value, &[]);
        }
        let options = AppendOptions::client(now);
        let appended = match self.log()?.append(&builder.build(), epoch, &options) {
            Ok(appended) => appended,
            Err(error) => return Ok(format!("refused: {error}\n")),
        };
        let what = if appended.duplicate { "duplicate of" } else { "at" };
        Ok(format!("{what} {}..={}\n", appended.base_offset, appended.last_offset))
    }

    fn end_transaction(&self, commit: bool, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let producer = number(args, "producer", 1)?;
        let epoch = number(args, "producer_epoch", 0)?;
        let options = AppendOptions::internal(self.env.clock.now());
        let bytes = common::marker(producer, epoch, commit, number(args, "coordinator", 0)?);
        match self.log()?.append(&bytes, Epoch(0), &options) {
            Ok(appended) => Ok(format!("at {}\n{}", appended.base_offset, marks(self.log()?))),
            Err(error) => Ok(format!("refused: {error}\n")),
        }
    }

    fn read(&self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let log = self.log()?;
        let committed = number(args, "committed", false)?;
        let up_to = if committed { log.marks().stable() } else { log.marks().high() };
        let from = Offset(number(args, "from", log.marks().start().0)?);
        let read = match log.read(from, number(args, "bytes", 1 << 20)?, true, up_to) {
            Ok(read) => read,
            Err(error) => return Ok(format!("refused: {error}\n")),
        };
        let mut out = String::new();
        for batch in Batches::new(&read.records) {
            out += &show_batch(&batch?)?;
        }
        if committed {
            for aborted in log.aborted_transactions(from, read.next_offset)? {
                writeln!(out, "aborted {} from {}", aborted.producer_id, aborted.first_offset)?;
            }
        }
        writeln!(out, "next {}", read.next_offset)?;
        Ok(out)
    }

    fn lookup(&self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let found = match args.next_pos() {
            Some("max") => self.log()?.max_timestamp()?,
            Some(time) => self.log()?.offset_for_timestamp(TimestampMs(NOW.0 + time.parse::<i64>()?))?,
            None => return Err("a time is missing".into()),
        };
        Ok(found.map_or("none\n".to_owned(), |(offset, time)| format!("{offset} at {}\n", ago(time))))
    }

    fn producers(&self) -> Outcome {
        let mut producers = self.log()?.producers();
        producers.sort_by_key(|(id, _)| *id);
        let mut out = String::new();
        for (id, entry) in producers {
            let last = entry.window.last().map_or(-1, |batch| batch.last_sequence.0);
            let open = entry.open_transaction.map_or("none".to_owned(), |first| format!("from {first}"));
            writeln!(out, "{id} epoch={} last_sequence={last} transaction={open}", entry.epoch)?;
        }
        Ok(out)
    }

    fn epoch_end(&self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let found = self.log()?.end_of_epoch(Epoch(first(args)?));
        Ok(found.map_or("unknown\n".to_owned(), |(epoch, end)| format!("{epoch} ends at {end}\n")))
    }

    fn faults(&self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let mut faults = Faults::default();
        while let Some((key, value)) = args.next_key() {
            let value = Some(value.parse()?);
            match key {
                "space" => faults.space_bytes = value,
                "writes" => faults.writes_until_error = value,
                "syncs" => faults.syncs_until_error = value,
                "calls" => faults.calls_until_power_loss = value,
                _ => return Err(format!("unknown fault {key}").into()),
            }
        }
        self.disk.set_faults(faults);
        Ok(String::new())
    }

    fn maintain(&self) -> Outcome {
        let report = self.store()?.maintain(self.env.clock.now());
        let (removed, compacted) = (report.segments_removed, report.logs_compacted);
        Ok(format!("{removed} segments removed, {compacted} logs compacted\n{}", marks(self.log()?)))
    }

    /// Every file of the partition whose name has `wanted` in it, taken apart.
    fn dump(&self, wanted: &str) -> Outcome {
        let mut out = String::new();
        let mut paths: Vec<_> = self.disk.list().into_iter().map(|(path, _)| path).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.starts_with(common::partition_dir(Path::new(DIR)))) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.contains(wanted) {
                let bytes = self.env.disk.read(path)?;
                writeln!(out, "{name} {} bytes", bytes.len())?;
                if name.ends_with(".deleted") {
                    continue;
                }
                for line in show_file(name, &bytes)?.lines() {
                    writeln!(out, "  {line}")?;
                }
            }
        }
        Ok(out)
    }

    fn damage(&self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let name = args.next_pos().ok_or("a file is missing")?;
        let path = common::partition_dir(Path::new(DIR)).join(name);
        let cut = args.take_key("cut").map(str::parse::<usize>).transpose()?;
        let flip = args.take_key("flip").map(str::parse::<usize>).transpose()?;
        self.disk.damage(&path, |bytes| {
            if let Some(at) = flip {
                bytes[at] ^= 1;
            }
            bytes.truncate(cut.unwrap_or(bytes.len()));
        })?;
        Ok(String::new())
    }
}

impl goldenscript::Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Outcome {
        let mut args = command.consume_args();
        let args = &mut args;
        let out = match command.name.as_str() {
            "open" => self.open()?,
            "config" => self.configure(args)?,
            "append" => self.append(args)?,
            "commit" => self.end_transaction(true, args)?,
            "abort" => self.end_transaction(false, args)?,
            "read" => self.read(args)?,
            "time" => self.lookup(args)?,
            "producers" => self.producers()?,
            "epoch_end" => self.epoch_end(args)?,
            "faults" => self.faults(args)?,
            "maintain" => self.maintain()?,
            "dump" => self.dump(args.next_pos().unwrap_or_default())?,
            "damage" => self.damage(args)?,
            "marks" => marks(self.log()?),
            "advance" => {
                self.clock.advance_ms(first(args)?);
                String::new()
            }
            "delete_records" => match self.log()?.delete_records(Offset(first(args)?)) {
                Ok(_) => marks(self.log()?),
                Err(error) => format!("refused: {error}\n"),
            },
            "sync" => match self.log()?.sync() {
                Ok(synced) => format!("before {synced}\n"),
                Err(error) => format!("failed: {error}\n"),
            },
            "checkpoint" => {
                self.store()?.flush_checkpoints()?;
                format!("recovery point {}\n", self.log()?.recovery_point())
            }
            "close" => {
                self.store()?.close()?;
                self.running = None;
                String::new()
            }
            "kill" | "lose_power" => {
                self.running = None;
                if command.name == "kill" {
                    self.disk.kill()
                } else {
                    self.disk.lose_power()
                }
                String::new()
            }
            other => return Err(format!("unknown command {other}").into()),
        };
        args.reject_next()?;
        Ok(out)
    }
}

fn marks(log: &PartitionLog) -> String {
    let marks = log.marks();
    format!("start={} stable={} end={}\n", marks.start(), marks.stable(), marks.end())
}

fn show_file(name: &str, bytes: &[u8]) -> Outcome {
    let mut out = String::new();
    let number = |bytes: &[u8]| bytes.iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("log") => {
            let mut position = 0;
            for batch in Batches::new(bytes) {
                let Ok(batch) = batch else {
                    writeln!(out, "@{position} torn")?;
                    break;
                };
                write!(out, "@{position} {}", show_batch(&batch)?)?;
                position += batch.size_bytes();
            }
        }
        Some("index") => {
            for entry in bytes.chunks(8) {
                writeln!(out, "+{} -> @{}", number(&entry[..4]), number(&entry[4..]))?;
            }
        }
        Some("timeindex") => {
            for entry in bytes.chunks(12) {
                writeln!(out, "{} -> +{}", number(&entry[..8]) - NOW.0, number(&entry[8..]))?;
            }
        }
        Some("txnindex") => {
            for entry in bytes.chunks(34) {
                let fields: Vec<_> = entry[2..].chunks(8).map(number).collect();
                let [id, first, last, stable] = fields[..] else { return Err("a cut entry".into()) };
                writeln!(out, "producer {id} aborted {first}..={last}, stable {stable}")?;
            }
        }
        Some("snapshot") => {
            for entry in bytes[10..].chunks(46) {
                let (id, sequence) = (number(&entry[..8]), number(&entry[10..14]) as i32);
                writeln!(out, "producer {id} last_sequence={sequence} last={}", number(&entry[14..22]))?;
            }
        }
        _ => out += &String::from_utf8_lossy(bytes),
    }
    Ok(out)
}

fn show_batch(batch: &Batch<'_>) -> Outcome {
    let flags = [
        (batch.is_transactional(), 'T'),
        (batch.is_control(), 'C'),
        (batch.has_delete_horizon(), 'H'),
        (batch.timestamp_type() == TimestampType::LogAppendTime, 'L'),
    ];
    let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
    let mut out = format!(
        "{}..={}{flags} epoch={} max={}",
        batch.base_offset(),
        batch.last_offset(),
        batch.leader_epoch(),
        ago(batch.max_timestamp())
    );
    if batch.producer_id() != ProducerId::NONE {
        write!(out, " producer={}/{}", batch.producer_id(), batch.base_sequence())?;
    }
    if batch.verify_crc().is_err() {
        return Ok(out + " wrong checksum\n");
    }
    let mut scratch = Vec::new();
    let records = batch.decompressed(RECORDS_BYTES_MAX, &mut scratch)?;
    for record in records {
        let record = record?;
        let key = record.key.map_or_else(String::new, |key| format!("{}/", text(key)));
        write!(out, " {key}{}", record.value.map_or_else(|| "-".to_owned(), text))?;
    }
    Ok(out + "\n")
}
