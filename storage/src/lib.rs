//! The log on disk: partition logs in Apache Kafka's file formats.
//!
//! Synchronous, and the only crate that touches files. It knows no sockets and no error codes, and stores only
//! v2 record batches: older formats are converted before they get here.
//!
//! ```text
//!  Store ── one data directory: lock, ids, checkpoints, every log in it          store.rs
//!    └── PartitionLog ── append, read, sync, look-ups by time, epochs             log/
//!          ├── Segment ── one .log with its indexes                               segment/
//!          ├── Producers ── idempotence, open transactions                        producers/
//!          ├── Epochs ── leader epoch → first offset                              epochs.rs
//!          └── retention, compaction                                              log/maintain.rs, compaction/
//!  Env ── disk, clock, random bytes; a simulated disk for crash tests             env/
//! ```
//!
//! # What it promises
//! - What [`PartitionLog::sync`] covered survives power loss; what an append returned for survives a killed process.
//! - What lay in the log before this process opened it is not served before its checksum was looked at once.
//! - A full disk refuses appends and nothing else; a failed write or sync ends one log's writing, until what it lost has been
//!   written again.
//! - What was read stays readable as long as it is held, whatever retention, compaction or deletion do meanwhile.
//!
//! Of a disk it assumes only what [`env::Disk`] says; `docs/formats.md` has the formats, the order of writes, and what
//! recovery does about each thing it may find ([`RecoveryReport`]).
//!
//! # How to use it
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! use protocol::types::{Epoch, Offset, PartitionIndex, TopicId};
//! use storage::{AppendOptions, Env, LogConfig, Store, StoreConfig};
//!
//! let env = Env::real();
//! let now = env.clock.now();
//! let (store, _what_recovery_found) = Store::open(dir, StoreConfig::default(), env)?;
//! let log = store.create_log("orders", PartitionIndex(0), TopicId([7; 16]), LogConfig::default())?;
//! # let mut builder = protocol::records::BatchBuilder::new();
//! # builder.append(now, None, Some(b"hello"), &[]);
//! # let batches = builder.build();
//!
//! let appended = log.append(&batches, Epoch(0), &AppendOptions::client(now))?; // acks=1 may answer now
//! log.sync()?; // acks=all may answer once log.synced() > appended.last_offset
//!
//! let read = log.read(Offset(0), 1 << 20, true, log.marks().high())?;
//! assert_eq!(read.next_offset, appended.last_offset.next());
//! store.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Signatures
//!
//! ```text
//! Store::open(dir: &Path, StoreConfig, Env) -> Result<(Store, Vec<RecoveryReport>), StoreError>
//! store.create_log(&str, PartitionIndex, TopicId, LogConfig) -> Result<Arc<PartitionLog>, StoreError>
//! store.create_logs(&str, &[PartitionIndex], TopicId, &LogConfig) -> Result<Vec<Arc<PartitionLog>>, StoreError>
//! store.log(&str, PartitionIndex) -> Option<Arc<PartitionLog>>
//! store.logs() -> Vec<Arc<PartitionLog>>              // by topic and partition
//! store.delete_topic(&str) -> Result<usize, StoreError>
//! store.flush_checkpoints() -> Result<(), StoreError> // every minute
//! store.flush_start_offsets() -> Result<(), StoreError> // after DeleteRecords
//! store.maintain(now: TimestampMs) -> MaintenanceReport   // retention, compaction, expiry; every few seconds
//! store.close() -> Result<(), StoreError>             // clean shutdown
//! store.cluster_id() -> &str, node_id() -> i32, directory_id() -> TopicId, space() -> DiskSpace, dir() -> &Path
//! store.random_id() -> TopicId
//! verify_path(&dyn Disk, &Path) -> io::Result<Verified>   // checks files without opening the log; dump:: shows them
//!
//! log.append(&[u8], Epoch, &AppendOptions) -> Result<Appended, AppendError>
//! log.check(&[u8], &AppendOptions) -> Result<Checked, AppendError>    // the two halves of an append
//! log.append_checked(&Checked, Epoch) -> Result<Appended, AppendError>
//! log.append_to_open_transaction(&Checked, Epoch) -> Result<Option<Appended>, AppendError>
//! log.read(from, max_bytes: usize, min_one_message: bool, up_to: Offset) -> Result<Read, ReadError>
//! log.sync() -> Result<Offset, LogFailed>             // group commit; call from a small pool
//! log.synced() -> Offset                              // everything before it survives power loss
//! log.marks() -> Marks                                // start() <= stable() <= high() <= end()
//! log.offset_for_timestamp(TimestampMs) -> Result<Option<(Offset, TimestampMs)>, ReadError>
//! log.max_timestamp() -> Result<Option<(Offset, TimestampMs)>, ReadError>
//! log.aborted_transactions(from, up_to) -> Result<Vec<AbortedTransaction>, ReadError>
//! log.end_of_epoch(Epoch) -> Option<(Epoch, Offset)>, epoch_at(Offset), latest_epoch()
//! log.delete_records(before: Offset) -> Result<Offset, ReadError>
//! log.producers(), segment_infos(), size_bytes(), topic(), partition(), topic_id(), config(), set_config(), failed()
//! ```

mod checkpoint;
mod compaction;
mod config;
pub mod dump;
pub mod env;
mod epochs;
mod error;
mod log;
mod producers;
mod recovery;
mod retention;
mod segment;
mod side_files;
mod store;
mod verify;

pub use config::{CleanupPolicy, LogConfig, SEGMENT_BYTES_MAX, StoreConfig, TimestampSource};
pub use env::{Clock, DiskSpace, Env, ManualClock};
pub use epochs::EpochStart;
pub use error::{AppendError, LogFailed, ReadError, RecordFault, RejectedRecord, StoreError};
pub use log::{AppendOptions, Appended, Checked, Marks, OffsetSource, PartitionLog, Read, SegmentInfo};
pub use producers::{BatchRange, Origin, ProducerEntry, Window};
pub use recovery::RecoveryReport;
pub use segment::aborted_index::AbortedTransaction;
pub use side_files::SideFiles;
pub use store::{MaintenanceReport, Store};
pub use verify::{Finding, Verified, verify_partition, verify_path};
