//! Everything learnt as bytes, and back.

use super::changes::Changed;
use super::{Counters, Recommender};
use crate::config::Config;
use crate::ingest::clean::SeenIds;
use crate::online::SpaceSaving;
use crate::ranking::fuse::Fusion;
use crate::state::State;
use crate::state::snapshot::{self, Reader, Snapshot, SnapshotError, Writer};

impl Recommender {
    /// Appends a snapshot of everything learnt, and of the keys that wait to be taken.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut body = Writer::default();
        self.save_body(&mut body);
        snapshot::seal(&body.into_bytes(), out);
    }

    /// The same as part of something larger.
    pub(crate) fn save_body(&self, body: &mut Writer) {
        body.u64(self.config.history_max as u64);
        self.state.save(body);
        self.seen.save(body);
        self.fusion.save(body);
        self.models.save(body);
        body.u8(u8::from(self.clicks.is_some()));
        self.clicks.iter().for_each(|clicks| clicks.save(body));
        body.u8(u8::from(self.hitters.is_some()));
        self.hitters.iter().for_each(|hitters| hitters.save(body));
        self.changed.save(body);
        for count in [self.counters.events, self.counters.entities, self.counters.rejected] {
            body.u64(count);
        }
        body.u64(self.config.memory_max as u64);
        body.u64(self.room);
        self.save_tenants(body);
    }

    /// A recommender as it was when saved: the same answers, and after the same events the same bytes.
    ///
    /// # Errors
    /// [`SnapshotError`]: rebuild from the log instead.
    pub fn load(config: Config, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut body = Reader::new(snapshot::open(bytes)?);
        let loaded = Self::load_body(config, &mut body)?;
        body.finish()?;
        Ok(loaded)
    }

    /// The same of something larger.
    pub(crate) fn load_body(config: Config, body: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        if body.u64()? != config.history_max as u64 {
            return Err(SnapshotError::Settings("recommender.user.history.max"));
        }
        let mut loaded = Self::new(config);
        loaded.state = State::load(body)?;
        if *loaded.state.segments.bands() != loaded.config.segment_ages {
            return Err(SnapshotError::Settings("recommender.segment.ages"));
        }
        loaded.seen = SeenIds::load(body)?;
        loaded.fusion = Fusion::load(body)?;
        loaded.models.load(body)?;
        if (body.u8()? != 0) != loaded.clicks.is_some() {
            return Err(SnapshotError::Settings("recommender.click.weight"));
        }
        loaded.clicks.as_mut().map_or(Ok(()), |clicks| clicks.load(body))?;
        if (body.u8()? != 0) != loaded.hitters.is_some() {
            return Err(SnapshotError::Settings("recommender.heavy.hitters.max"));
        }
        if let Some(hitters) = &mut loaded.hitters {
            *hitters = SpaceSaving::load(body)?;
        }
        loaded.changed = Changed::load(body, loaded.state.users.len(), loaded.state.items.len())?;
        loaded.counters = Counters { events: body.u64()?, entities: body.u64()?, rejected: body.u64()? };
        let (max, room) = (body.u64()?, body.u64()?);
        // Under another bound, at once.
        loaded.room = if max == loaded.config.memory_max as u64 { room } else { 0 };
        loaded.load_tenants(body)?;
        Ok(loaded)
    }
}
