//! What the benches share: settings from the environment, and the processor time of a thread.

use std::error::Error;
use std::time::Duration;

use recommender::Config;
use rustix::time::{ClockId, clock_gettime};

/// A point in the processor time of this thread.
pub(crate) struct Start(Duration);

impl Start {
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Self(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

/// Changes what `SET` (`key=value;key=value`) names.
///
/// # Errors
/// It is no such list, or of settings or values that there are not.
pub(crate) fn set(config: &mut Config) -> Result<(), Box<dyn Error>> {
    let set = std::env::var("SET").unwrap_or_default();
    for setting in set.split(';').filter(|setting| !setting.is_empty()) {
        let (key, value) = setting.split_once('=').ok_or("SET is KEY=VALUE, with ; between")?;
        config.set(key, value)?;
    }
    Ok(())
}
