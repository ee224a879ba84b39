//! Snapshots: everything learnt and the offsets it stands for, in one file beside the logs.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `KINDREDF` |
//! | 8 | 4 | format version, [`VERSION`] |
//! | 12 | 4 | length m of the description |
//! | 16 | 4 | CRC-32C of all that follows |
//! | 20 | m | the description, JSON: [`Description`] |
//! | 20 + m | | the snapshot of recommender and operators |
//!
//! Files are named by the step they were taken behind. What cannot be read
//! is passed over: the log holds what it held.

use std::io;

use recommender::{Config, ConfigError, Processor, SnapshotError};
use serde::{Deserialize, Serialize};
use storage::SideFiles;
use tracing::{info, warn};

use super::step::Named;

/// How the names of snapshots begin, in the data directory.
pub(crate) const PREFIX: &str = "kindred-recommender-";
/// How they end.
const SUFFIX: &str = ".snapshot";
/// The version written, and the only one read.
const VERSION: u32 = 2;
const MAGIC: &[u8; 8] = b"KINDREDF";
const HEADER_BYTES: usize = 20;

/// What a snapshot says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    /// The last step in it.
    pub(super) sequence: u64,
    /// The offset behind that step in the journal.
    pub(super) journal_end: i64,
    /// How far each partition had been learnt.
    pub(super) inputs: Vec<Position>,
    /// Records learnt since keys were last taken off the queue of changes.
    pub(super) since_take: usize,
    /// Records learnt since hot lists were last written.
    pub(super) since_hot: usize,
    /// The [`settings`] it was learnt under.
    pub(super) settings: Vec<(String, String)>,
    /// The [`MODEL_VERSION`](recommender::MODEL_VERSION) it was learnt by.
    #[serde(default)]
    pub(super) model_version: u32,
    /// When it was taken, ms since 1970.
    pub(super) taken_ms: i64,
}

/// How far a partition had been learnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    #[serde(flatten)]
    pub(super) input: Named,
    /// The first offset that is not in it.
    pub(super) next: i64,
}

/// Why a snapshot is passed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("not a snapshot of the recommender")]
    Foreign,
    #[error("of format version {0}, this program reads version {VERSION}")]
    Version(u32),
    #[error("the checksum does not match")]
    Checksum,
    #[error("its description cannot be read: {0}")]
    Description(#[from] serde_json::Error),
    #[error("taken under settings that there are no more: {0}")]
    Settings(#[from] ConfigError),
    #[error("{0}")]
    State(#[from] SnapshotError),
}

/// A snapshot that was read.
pub(super) struct Loaded {
    pub(super) description: Description,
    pub(super) processor: Processor,
    /// Of the file.
    pub(super) size_bytes: usize,
}

/// Every setting of the recommender as text.
pub(super) fn settings(config: &Config) -> Vec<(String, String)> {
    let rows = recommender::config::ROWS.iter();
    rows.map(|row| (row.key.to_owned(), (row.get)(config))).collect()
}

/// The settings of such texts.
fn config_of(settings: &[(String, String)]) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    for (key, value) in settings {
        config.set(key, value)?;
    }
    Ok(config)
}

/// The bytes of a snapshot. Encodes under whatever lock the caller holds: about 2 ms a megabyte.
///
/// # Errors
/// The description is no JSON, which its types rule out.
pub(super) fn encode(description: &Description, processor: &Processor) -> Result<Vec<u8>, serde_json::Error> {
    let text = serde_json::to_vec(description)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + text.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&text);
    processor.save(&mut bytes);
    Ok(bytes)
}

/// Puts the checksum in, which [`encode`] left out.
fn seal(bytes: &mut [u8]) {
    let checksum = crc_fast::crc32_iscsi(&bytes[HEADER_BYTES..]);
    bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
}

/// Reads what [`encode`] and [`seal`] made.
fn decode(bytes: &[u8]) -> Result<Loaded, Unusable> {
    let header =
        bytes.get(..HEADER_BYTES).filter(|header| header.starts_with(MAGIC)).ok_or(Unusable::Foreign)?;
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if number(8) != VERSION {
        return Err(Unusable::Version(number(8)));
    }
    let body = &bytes[HEADER_BYTES..];
    if crc_fast::crc32_iscsi(body) != number(16) {
        return Err(Unusable::Checksum);
    }
    let (text, state) = body.split_at_checked(number(12) as usize).ok_or(Unusable::Checksum)?;
    let description: Description = serde_json::from_slice(text)?;
    let processor = Processor::load(config_of(&description.settings)?, state)?;
    Ok(Loaded { description, processor, size_bytes: bytes.len() })
}

/// The newest snapshot that can be read, whatever settings it is of; each that cannot costs a line in the log.
pub(super) fn newest(files: &SideFiles) -> Option<Loaded> {
    let names = names(files);
    names.iter().rev().find_map(|name| {
        let loaded = files.read(name).map_err(Unusable::from).and_then(|bytes| decode(&bytes));
        loaded.inspect_err(|error| warn!(snapshot = name, %error, "a snapshot is passed over")).ok()
    })
}

/// Writes a snapshot and removes all but the newest `kept`; returns its size in bytes. Blocks on the disk.
///
/// # Errors
/// The disk refuses; the older ones are still there.
pub(super) fn write(files: &SideFiles, sequence: u64, mut bytes: Vec<u8>, kept: usize) -> io::Result<usize> {
    seal(&mut bytes);
    files.replace(&format!("{sequence:020}{SUFFIX}"), &bytes)?;
    let names = names(files);
    for name in names.iter().take(names.len().saturating_sub(kept)) {
        files.remove(name)?;
    }
    Ok(bytes.len())
}

/// Removes every snapshot.
pub(super) fn forget(files: &SideFiles) {
    for name in names(files) {
        match files.remove(&name) {
            Ok(()) => info!(snapshot = name, "snapshot removed"),
            Err(error) => warn!(snapshot = name, %error, "snapshot not removed"),
        }
    }
}

/// By age.
fn names(files: &SideFiles) -> Vec<String> {
    let names = files.names().unwrap_or_else(|error| {
        warn!(%error, "snapshots cannot be listed");
        Vec::new()
    });
    names.into_iter().filter(|name| name.ends_with(SUFFIX)).collect()
}

#[cfg(test)]
mod tests {
    use protocol::types::{PartitionIndex, TopicId};

    use super::super::step::InputId;
    use super::*;

    fn snapshot() -> (Description, Vec<u8>) {
        let input =
            InputId { topic: "clicks".into(), topic_id: TopicId([3; 16]), partition: PartitionIndex(1) };
        let description = Description {
            sequence: 7,
            journal_end: 15,
            inputs: vec![Position { input: (&input).into(), next: 42 }],
            since_take: 3,
            since_hot: 4,
            settings: settings(&Config::default()),
            model_version: 1,
            taken_ms: 1_700_000_000_000,
        };
        let mut bytes = encode(&description, &Processor::new(Config::default())).expect("JSON");
        seal(&mut bytes);
        (description, bytes)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (description, bytes) = snapshot();
        let read = decode(&bytes).expect("a good snapshot");
        assert_eq!((read.description, read.size_bytes), (description, bytes.len()));
    }

    #[test]
    fn a_damaged_one_is_refused_wherever_it_is_damaged() {
        let (_, bytes) = snapshot();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(decode(&damaged).is_err(), "byte {at}");
            assert!(decode(&bytes[..at]).is_err(), "cut to {at}");
        }
    }

    #[test]
    fn settings_are_told_apart_and_come_back() {
        let mut config = Config::default();
        config.set("recommender.cooccurrence.window", "7").expect("a setting");
        config.set("recommender.action.weights", "levitate:2").expect("a setting");
        assert_ne!(settings(&config), settings(&Config::default()));
        assert_eq!(config_of(&settings(&config)), Ok(config));
        let gone = [("recommender.of.old".to_owned(), "1".to_owned())];
        assert!(config_of(&gone).is_err());
    }

    #[test]
    fn the_newest_that_can_be_used_is_loaded_and_two_are_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let files = SideFiles::new(storage::Env::real().disk, dir.path(), PREFIX);
        let (description, bytes) = snapshot();
        for sequence in [8, 9, 10] {
            write(&files, sequence, bytes.clone(), 2).expect("written");
        }
        let kept = ["00000000000000000009.snapshot", "00000000000000000010.snapshot"];
        assert_eq!(names(&files), kept);
        files.replace(kept[1], b"KINDREDF and then nothing").expect("written");
        assert_eq!(newest(&files).expect("the older one").description, description);
        forget(&files);
        assert!(newest(&files).is_none());
    }
}
