//! Everything learnt as bytes, and back.

use super::changes::Changed;
use super::{Counters, Recommender};
use crate::config::Config;
use crate::ingest::clean::SeenIds;
use crate::ranking::fuse::Fusion;
use crate::state::State;
use crate::state::snapshot::{self, Reader, Snapshot, SnapshotError, Writer};

impl Recommender {
    /// Appends a snapshot of everything learnt, and of the keys that wait to be taken.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut body = Writer::default();
        body.u64(self.config.history_max as u64);
        self.state.save(&mut body);
        self.seen.save(&mut body);
        self.fusion.save(&mut body);
        self.models.save(&mut body);
        self.changed.save(&mut body);
        for count in [self.counters.events, self.counters.entities, self.counters.rejected] {
            body.u64(count);
        }
        body.u64(self.config.memory_max as u64);
        body.u64(self.next_look);
        snapshot::seal(&body.into_bytes(), out);
    }

    /// A recommender as it was when saved: the same answers, and after the same events the same bytes.
    ///
    /// # Errors
    /// [`SnapshotError`]: rebuild from the log instead.
    pub fn load(config: Config, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut body = Reader::new(snapshot::open(bytes)?);
        if body.u64()? != config.history_max as u64 {
            return Err(SnapshotError::Settings("recommender.user.history.max"));
        }
        let mut loaded = Self::new(config);
        loaded.state = State::load(&mut body)?;
        loaded.seen = SeenIds::load(&mut body)?;
        loaded.fusion = Fusion::load(&mut body)?;
        loaded.models.load(&mut body)?;
        loaded.changed = Changed::load(&mut body, loaded.state.users.len(), loaded.state.items.len())?;
        loaded.counters = Counters { events: body.u64()?, entities: body.u64()?, rejected: body.u64()? };
        let (max, next_look) = (body.u64()?, body.u64()?);
        // Under another bound, at once.
        loaded.next_look = if max == loaded.config.memory_max as u64 { next_look } else { 0 };
        if !body.is_done() {
            return Err(SnapshotError::Malformed("bytes left over"));
        }
        Ok(loaded)
    }
}
