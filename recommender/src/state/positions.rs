//! Names of the streams that events came from, each a small number, so that evidence costs 10 bytes an event.

use super::ring::Origin;
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::IdMap;

/// Streams told apart; evidence from further ones says only the offset.
pub const SOURCES_MAX: usize = 65_535;

/// The number of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceId(pub u16);

const UNKNOWN: SourceId = SourceId(u16::MAX);

/// The streams seen.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    names: IdMap,
}

impl Sources {
    /// The number of a stream, given on first sight.
    pub(crate) fn intern(&mut self, name: &str) -> SourceId {
        if let Some(index) = self.names.get(name) {
            return SourceId(index as u16);
        }
        if self.names.len() >= SOURCES_MAX {
            return UNKNOWN;
        }
        self.names.get_or_insert(name).map_or(UNKNOWN, |(index, _)| SourceId(index as u16))
    }

    /// `stream-offset`.
    pub(crate) fn describe(&self, origin: Origin) -> String {
        let Origin { source, offset } = origin;
        if source == UNKNOWN {
            return format!("?-{offset}");
        }
        format!("{}-{offset}", self.names.text_of(u32::from(source.0)))
    }
}

impl Snapshot for Sources {
    fn save(&self, out: &mut Writer) {
        self.names.save(out);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let names = IdMap::load(input)?;
        if names.len() > SOURCES_MAX {
            return Err(SnapshotError::Malformed("too many sources"));
        }
        Ok(Self { names })
    }
}
