//! What every handler is handed: the owners it may ask.

use std::sync::Arc;

use storage::Env;

use super::ConnectionInfo;
use crate::catalog::{ApiError, Catalog, CatalogError, ConfigChange, Image, NewTopic, Record, Topic};
use crate::config::ServerConfig;
use crate::coordinator::GroupCoordinator;
use crate::coordinator::transaction::{ProducerIds, TransactionCoordinator};
use crate::fetch_sessions::FetchSessions;
use crate::metrics::Metrics;
use crate::partitions::Syncer;
use crate::tasks::Tasks;

/// Who this broker is: made once per data directory, and kept.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) cluster_id: String,
}

/// The broker as its handlers see it.
pub(crate) struct Cx {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) node: Node,
    pub(crate) env: Env,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) groups: Arc<GroupCoordinator>,
    pub(crate) producer_ids: Arc<ProducerIds>,
    pub(crate) transactions: Arc<TransactionCoordinator>,
    pub(crate) syncer: Syncer,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
}

impl Cx {
    /// The address this client should use: `advertised.listeners` if set, else the one it used.
    pub(crate) fn advertised(&self, connection: &ConnectionInfo) -> (String, u16) {
        match self.config.advertised_listener() {
            Some((host, port)) => (host.to_owned(), port),
            None => (connection.local.ip().to_canonical().to_string(), connection.local.port()),
        }
    }

    /// Makes a topic, off the runtime's workers.
    pub(crate) async fn create_topic(&self, new: NewTopic) -> Result<Arc<Topic>, CatalogError> {
        self.change(move |catalog| catalog.create(new)).await
    }

    /// Deletes a topic, off the runtime's workers; groups forget their offsets in it.
    pub(crate) async fn delete_topic(&self, topic: &Arc<Topic>) -> Result<(), CatalogError> {
        let (topic, groups) = (Arc::clone(topic), Arc::clone(&self.groups));
        self.change(move |catalog| {
            catalog.delete(&topic)?;
            groups.topic_deleted(&topic.name);
            Ok(())
        })
        .await
    }

    /// Widens a topic, off the runtime's workers.
    pub(crate) async fn widen_topic(&self, topic: &Arc<Topic>, count: i32) -> Result<(), CatalogError> {
        let topic = Arc::clone(topic);
        self.change(move |catalog| catalog.widen(&topic, count)).await
    }

    /// Changes settings, off the runtime's workers; one answer per change, in their order.
    pub(crate) async fn alter_configs(
        &self,
        changes: Vec<ConfigChange>,
        validate_only: bool,
    ) -> Result<Vec<Result<(), ApiError>>, CatalogError> {
        self.change(move |catalog| catalog.alter_configs(&changes, validate_only)).await
    }

    /// Changes what the metadata log says, off the runtime's workers: see [`Catalog::change`].
    pub(crate) async fn change_records<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Image) -> (Vec<Record>, T) + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.change(move |catalog| catalog.change(decide)).await
    }

    async fn change<T, F>(&self, change: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    {
        let catalog = Arc::clone(&self.catalog);
        self.tasks.blocking(move || change(&catalog)).await.unwrap_or(Err(CatalogError::Stopping))
    }
}
