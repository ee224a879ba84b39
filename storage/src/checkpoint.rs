//! The small text files: checkpoints of offsets, `partition.metadata`, `meta.properties`, the clean marker.
//!
//! A checkpoint is a version, a count, and that many lines:
//! ```text
//! 0
//! 2
//! orders 0 81231
//! orders 1 7
//! ```
//! Written whole and atomically, so a crash leaves the old or the new one. The count tells a file cut short.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use protocol::types::{Offset, PartitionIndex, TopicId};

use crate::env::{Disk, durable};

/// The only version of checkpoint files.
const VERSION: &str = "0";

/// Offsets by topic and partition.
pub(crate) type Offsets = BTreeMap<(String, PartitionIndex), Offset>;

/// The lines of a checkpoint behind version and count; `None` if those do not fit.
pub(crate) fn lines(content: &[u8]) -> Option<Vec<&str>> {
    let mut lines = std::str::from_utf8(content).ok()?.lines();
    if lines.next()? != VERSION {
        return None;
    }
    let count: usize = lines.next()?.parse().ok()?;
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    (lines.len() == count).then_some(lines)
}

/// The text of a checkpoint with these lines.
pub(crate) fn text(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.collect();
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Reads a checkpoint of offsets. A missing file is empty; a damaged one too, and the caller is told.
pub(crate) fn read_offsets(disk: &dyn Disk, path: &Path) -> io::Result<(Offsets, bool)> {
    // Apache Kafka makes an empty file where it has nothing to say.
    let content = durable::read_if_exists(disk, path)?.filter(|content| !content.is_empty());
    let Some(content) = content else { return Ok((Offsets::new(), false)) };
    Ok(parse_offsets(&content).map_or_else(|| (Offsets::new(), true), |offsets| (offsets, false)))
}

/// The offsets in a checkpoint; `None` if it is damaged.
pub(crate) fn parse_offsets(content: &[u8]) -> Option<Offsets> {
    let mut offsets = Offsets::new();
    for line in lines(content)? {
        let mut fields = line.split(' ');
        let topic = fields.next()?.to_owned();
        let partition = PartitionIndex(fields.next()?.parse().ok()?);
        let offset = Offset(fields.next()?.parse().ok()?);
        if fields.next().is_some() || partition.0 < 0 || offset.0 < 0 {
            return None;
        }
        offsets.insert((topic, partition), offset);
    }
    Some(offsets)
}

/// Replaces a checkpoint of offsets.
pub(crate) fn write_offsets(disk: &dyn Disk, path: &Path, offsets: &Offsets) -> io::Result<()> {
    let lines = offsets.iter().map(|((topic, partition), offset)| format!("{topic} {partition} {offset}"));
    durable::replace(disk, path, text(lines).as_bytes())
}

/// The content of `partition.metadata`.
pub(crate) fn partition_metadata(id: TopicId) -> String {
    format!("version: 0\ntopic_id: {id}")
}

/// The topic id in `partition.metadata`.
pub(crate) fn parse_partition_metadata(content: &[u8]) -> Option<TopicId> {
    let properties = colon_lines(std::str::from_utf8(content).ok()?, ':');
    (properties.get("version").copied() == Some("0")).then_some(())?;
    properties.get("topic_id")?.parse().ok()
}

/// What identifies a data directory (`meta.properties`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaProperties {
    pub(crate) cluster_id: String,
    pub(crate) node_id: i32,
    pub(crate) directory_id: TopicId,
}

impl MetaProperties {
    /// The file's content, as Apache Kafka's `version=1`.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::from("#\nversion=1\n");
        let _ = write!(
            text,
            "cluster.id={}\nnode.id={}\ndirectory.id={}\n",
            self.cluster_id, self.node_id, self.directory_id
        );
        text
    }

    /// Reads the file; the error says what is wrong with it.
    pub(crate) fn decode(content: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(content).map_err(|_| "not text".to_owned())?;
        let properties = colon_lines(text, '=');
        let property = |key: &str| properties.get(key).copied().ok_or_else(|| format!("{key} is missing"));
        match property("version")? {
            "1" => {}
            other => return Err(format!("version {other} is not one this program knows")),
        }
        Ok(Self {
            // Java escapes these in property files.
            cluster_id: property("cluster.id")?.replace('\\', ""),
            node_id: property("node.id")?.parse().map_err(|_| "node.id is no number".to_owned())?,
            directory_id: match properties.get("directory.id") {
                Some(id) => id.replace('\\', "").parse().map_err(|_| "directory.id is no id".to_owned())?,
                None => TopicId::ZERO,
            },
        })
    }
}

/// `key<separator>value` lines; comments and blank lines left out.
fn colon_lines(text: &str, separator: char) -> BTreeMap<&str, &str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(separator))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_round_trip() {
        let mut offsets = Offsets::new();
        offsets.insert(("a.b_c-d".to_owned(), PartitionIndex(10)), Offset(5));
        offsets.insert(("x".to_owned(), PartitionIndex(0)), Offset(i64::MAX));
        let lines =
            offsets.iter().map(|((topic, partition), offset)| format!("{topic} {partition} {offset}"));
        let text = text(lines);
        assert_eq!(text, format!("0\n2\na.b_c-d 10 5\nx 0 {}\n", i64::MAX));
        assert_eq!(parse_offsets(text.as_bytes()), Some(offsets));
    }

    #[test]
    fn a_checkpoint_cut_short_is_refused() {
        let text = "0\n2\na 0 1\nb 1 2\n";
        for cut in 0..text.len() - 1 {
            let parsed = parse_offsets(&text.as_bytes()[..cut]);
            // A cut inside the last number cannot be told from a smaller number: files are replaced whole for that reason.
            assert!(parsed.is_none() || cut >= text.len() - 2, "cut at {cut}");
        }
    }

    #[test]
    fn partition_metadata_round_trips() {
        let id = TopicId([7; 16]);
        let text = partition_metadata(id);
        assert!(text.starts_with("version: 0\ntopic_id: "));
        assert_eq!(parse_partition_metadata(text.as_bytes()), Some(id));
        assert_eq!(parse_partition_metadata(b"version: 1\ntopic_id: x"), None);
        assert_eq!(parse_partition_metadata(b""), None);
    }

    #[test]
    fn reads_meta_properties_as_java_writes_them() {
        let text = b"#\n#Sat Nov 21 09:00:00 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\\=\\=\nversion=1\n\
            directory.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.id=7\n";
        let meta = MetaProperties::decode(text).unwrap();
        assert_eq!((meta.cluster_id.as_str(), meta.node_id), ("MkU3OEVBNTcwNTJENDM2Qg==", 7));
        assert_eq!(MetaProperties::decode(meta.encode().as_bytes()), Ok(meta));
        assert!(MetaProperties::decode(b"version=9\ncluster.id=x\nnode.id=1\n").unwrap_err().contains('9'));
        assert!(MetaProperties::decode(b"version=1\nnode.id=1\n").unwrap_err().contains("cluster.id"));
    }
}
