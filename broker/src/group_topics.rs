//! The catalogue's topics and groups' settings for the group coordinator.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::coordinator::group::topics::{GroupTimes, Topic, Topics, TopicsImage};

/// The topics of a catalogue: made anew when it has changed, else shared.
#[derive(Debug)]
pub(crate) struct CatalogTopics {
    catalog: Arc<Catalog>,
    image: Mutex<Arc<TopicsImage>>,
}

impl CatalogTopics {
    /// The topics of `catalog`.
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        let image = Mutex::new(Arc::new(image(&catalog)));
        Self { catalog, image }
    }
}

impl Topics for CatalogTopics {
    fn image(&self) -> Arc<TopicsImage> {
        let mut last = self.image.lock();
        if last.version() != self.catalog.version() {
            *last = Arc::new(image(&self.catalog));
        }
        Arc::clone(&last)
    }

    /// As in Apache Kafka, a value outside the server's bounds counts as the nearest one inside.
    fn times(&self, group_id: &str) -> Option<GroupTimes> {
        let (server, group) = (self.catalog.config(), self.catalog.group_settings(group_id));
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let session = millis(group.consumer_session_timeout_ms);
        let heartbeat = millis(group.consumer_heartbeat_interval_ms);
        let (least, most) =
            (server.group_consumer_min_session_timeout, server.group_consumer_max_session_timeout);
        let session_timeout = session.max(least).min(most);
        let (least, most) =
            (server.group_consumer_min_heartbeat_interval, server.group_consumer_max_heartbeat_interval);
        Some(GroupTimes { session_timeout, heartbeat_interval: heartbeat.max(least).min(most) })
    }
}

fn image(catalog: &Catalog) -> TopicsImage {
    let (version, topics) = catalog.versioned_topics();
    let topic = |topic: &Arc<crate::catalog::Topic>| {
        let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
        (topic.name.to_string(), Topic { id: topic.id, partitions })
    };
    TopicsImage::new(version, topics.iter().map(topic))
}
