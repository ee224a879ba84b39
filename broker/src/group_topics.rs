//! The catalogue's topics for the group coordinator.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::coordinator::group::topics::{Topic, Topics, TopicsImage};

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
}

fn image(catalog: &Catalog) -> TopicsImage {
    let (version, topics) = catalog.versioned_topics();
    let topic = |topic: &Arc<crate::catalog::Topic>| {
        let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
        (topic.name.to_string(), Topic { id: topic.id, partitions })
    };
    TopicsImage::new(version, topics.iter().map(topic))
}
