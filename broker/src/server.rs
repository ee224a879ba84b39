//! Start and stop: puts the parts together in order, and takes them apart in the reverse one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::{Env, RecoveryReport, Store, StoreConfig, StoreError};
use tracing::{debug, info, warn};

use crate::admin::{self, HttpBindError, HttpServer, Recommendations};
use crate::catalog::{Catalog, CatalogError};
use crate::config::{Listener, ServerConfig};
use crate::coordinator::group::{Assignor, ConsumerGroupConfig, GroupConfig, MigrationPolicy};
use crate::coordinator::transaction::{
    ProducerIdError, ProducerIds, TransactionConfig, TransactionCoordinator,
};
use crate::coordinator::{CoordinatorEnv, CoordinatorLogError, GroupCoordinator};
use crate::coordinator_log::InternalTopic;
use crate::event_log::BrokerLog;
use crate::feed::{self, Feed};
use crate::fetch_sessions::FetchSessions;
use crate::group_topics::CatalogTopics;
use crate::handlers::{Cx, Node};
use crate::housekeeping;
use crate::metrics::Metrics;
use crate::net::{self, BindError, Bound};
use crate::partitions::Syncer;
use crate::producer_id_store::MetadataProducerIds;
use crate::tasks::Tasks;
use crate::transaction_partitions::LocalPartitions;

/// How long a stop waits for connections and tasks before it closes the store regardless.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Why the broker did not start. Each is one line for whoever started it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("data directory: {0}")]
    Store(#[from] StoreError),
    /// The catalogue of topics cannot be read.
    #[error("catalogue of topics: {0}")]
    Catalog(String),
    /// The groups' topic cannot be read.
    #[error("consumer groups: {0}")]
    Groups(#[from] CoordinatorLogError),
    /// The transactions' topic cannot be read.
    #[error("transactions: {0}")]
    Transactions(CoordinatorLogError),
    /// The producer ids given out cannot be known.
    #[error("producer ids: {0}")]
    ProducerIds(#[from] ProducerIdError),
    /// An address cannot be listened on.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// HTTP's address cannot be listened on.
    #[error("{0}")]
    Http(#[from] HttpBindError),
    /// The system refused a thread.
    #[error("threads: {0}")]
    Threads(std::io::Error),
    /// Start-up work panicked; the log says where.
    #[error("start-up failed")]
    Panicked,
}

impl From<CatalogError> for StartError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error.to_string())
    }
}

/// A broker to be started.
#[derive(Debug)]
pub struct Broker;

/// A running broker. Dropping it without [`Handle::stop`] leaves its tasks to the runtime's end.
pub struct Handle {
    cx: Arc<Cx>,
    store: Arc<Store>,
    feed: Option<Arc<Feed>>,
    kafka: Vec<SocketAddr>,
    http: Option<SocketAddr>,
}

impl Broker {
    /// Starts a broker; it serves when this returns. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then, and the data directory is free again.
    pub async fn start(config: ServerConfig) -> Result<Handle, StartError> {
        let began = Instant::now();
        let config = Arc::new(config);
        let env = Env::real();
        // Ports first: a taken one is found before the data directory is touched.
        let bound = bind_all(&config.listeners).await?;
        let http = match &config.http_listen {
            Some(address) => Some(HttpServer::bind(address).await?),
            None => None,
        };
        let tasks = Tasks::new();
        let opening = (Arc::clone(&config), env.clone(), tasks.clone());
        let opened = tasks.blocking(move || open(opening.0, opening.1, opening.2));
        let (cx, store) = opened.await.ok_or(StartError::Panicked)??;
        let kafka: Vec<_> = bound.iter().flat_map(|bound| bound.addresses().to_vec()).collect();
        for bound in bound {
            bound.serve(&cx);
        }
        housekeeping::start(&cx, &store);
        feed::webhook::start(&cx);
        let feed = match cx.config.recommender_enable {
            true => Some(feed::start(&cx).map_err(StartError::Threads)?),
            false => None,
        };
        let http_address = http.as_ref().map(HttpServer::address);
        if let Some(http) = http {
            let threads = match cx.config.http_threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            };
            let router = admin::router(http_parts(&cx, feed.as_ref()));
            http.serve(router, &cx.tasks, threads).map_err(StartError::Threads)?;
        }
        let handle = Handle { cx, store, feed, kafka, http: http_address };
        info!(
            kafka = %handle.kafka_address(),
            topics = handle.cx.catalog.topics().len(),
            cluster_id = handle.cx.node.cluster_id,
            elapsed_ms = began.elapsed().as_millis() as u64,
            "started"
        );
        Ok(handle)
    }
}

impl Handle {
    /// Where Kafka clients connect: the first address of the first listener.
    pub fn kafka_address(&self) -> SocketAddr {
        self.kafka[0]
    }

    /// Where HTTP is served, if it is.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The recommender, unless it is turned off.
    pub(crate) fn feed(&self) -> Option<&Feed> {
        self.feed.as_deref()
    }

    /// Stops: no new requests, those under way are answered, everything is synced and closed.
    ///
    /// # Errors
    /// The store could not be closed cleanly; the next start recovers.
    pub async fn stop(self) -> Result<(), StoreError> {
        if let Some(feed) = &self.feed {
            feed.stop().await;
        }
        self.cx.transactions.shut_down();
        self.cx.groups.shut_down();
        self.cx.tasks.stopping().cancel();
        self.cx.syncer.close();
        self.cx.tasks.shut_down(STOP_PATIENCE).await;
        let store = Arc::clone(&self.store);
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        info!("stopped");
        closed.unwrap_or(Ok(()))
    }
}

fn http_parts(cx: &Arc<Cx>, feed: Option<&Arc<Feed>>) -> admin::Parts {
    let (watched, stop) = (feed.cloned(), cx.tasks.stopping().clone());
    let unready = move || {
        if stop.is_cancelled() {
            return Some("the broker is stopping".to_owned());
        }
        let rebuilding = watched.as_ref().is_some_and(|feed| !feed.is_rebuilt());
        rebuilding.then(|| "the recommender is being rebuilt from the log".to_owned())
    };
    if let Some(feed) = feed.cloned() {
        let watched = Arc::clone(&feed);
        let help = "1 if everything there is was learnt and every list it changed is committed, else 0.";
        cx.metrics
            .watch("kindred_recommender_settled", help, move || f64::from(u8::from(watched.is_settled())));
        cx.metrics
            .watch("kindred_recommender_lag_records", "Records not learnt yet.", move || feed.lag() as f64);
    }
    let catalog = Arc::clone(&cx.catalog);
    admin::Parts {
        metrics: Arc::clone(&cx.metrics),
        recommendations: feed.map(|feed| feed.shared() as Arc<dyn Recommendations>),
        events: Arc::new(BrokerLog::new(Arc::clone(cx))),
        recommender_config: Box::new(move || catalog.config().recommender().clone()),
        unready: Box::new(unready),
        request_bytes_max: cx.config.http_request_max_bytes,
        request_timeout: cx.config.http_request_timeout,
        requests_max: cx.config.http_requests_max,
    }
}

async fn bind_all(listeners: &[Listener]) -> Result<Vec<Bound>, BindError> {
    let mut bound = Vec::with_capacity(listeners.len());
    for listener in listeners {
        bound.push(net::bind(&listener.address.host, listener.address.port).await?);
    }
    Ok(bound)
}

/// Everything that blocks on the disk: store, catalogue, groups, producer ids.
fn open(config: Arc<ServerConfig>, env: Env, tasks: Tasks) -> Result<(Arc<Cx>, Arc<Store>), StartError> {
    let (store, reports) = Store::open(config.data_dir(), store_config(&config), env.clone())?;
    report(&reports);
    let store = Arc::new(store);
    let catalog = Arc::new(Catalog::open(Arc::clone(&store), &env, Arc::clone(&config))?);
    let syncer = Syncer::start(&tasks).map_err(StartError::Threads)?;
    let offsets =
        InternalTopic::offsets(Arc::clone(&catalog), syncer.clone(), env.clone(), Arc::clone(&config));
    let partitions = offsets.partition_count();
    let coordinator_env = coordinator_env(&env, &catalog);
    let groups = GroupCoordinator::new(group_config(&config), partitions, Arc::new(offsets), coordinator_env);
    let loaded = groups.load()?;
    if loaded.skipped > 0 {
        warn!(records = loaded.skipped, "group records passed over: not understood");
    }
    let ids = MetadataProducerIds::new(Arc::clone(&catalog), tasks.clone());
    let producer_ids = Arc::new(ProducerIds::open(Box::new(ids))?);
    let transactions = transactions(&catalog, &groups, &producer_ids, &syncer, &env, &config);
    transactions.recover().map_err(StartError::Transactions)?;
    let node = Node { id: store.node_id(), cluster_id: store.cluster_id().to_owned() };
    let metrics = Arc::new(Metrics::default());
    let slots = config.max_incremental_fetch_session_cache_slots;
    let fetch_sessions = FetchSessions::new(slots, env.clone(), &metrics);
    let cx = Arc::new(Cx {
        config,
        node,
        env,
        catalog,
        fetch_sessions,
        groups,
        producer_ids,
        transactions,
        syncer,
        metrics,
        tasks,
    });
    Ok((cx, store))
}

fn transactions(
    catalog: &Arc<Catalog>,
    groups: &Arc<GroupCoordinator>,
    ids: &Arc<ProducerIds>,
    syncer: &Syncer,
    env: &Env,
    config: &Arc<ServerConfig>,
) -> Arc<TransactionCoordinator> {
    let log =
        InternalTopic::transactions(Arc::clone(catalog), syncer.clone(), env.clone(), Arc::clone(config));
    let partitions = LocalPartitions {
        catalog: Arc::clone(catalog),
        groups: Arc::clone(groups),
        syncer: syncer.clone(),
        env: env.clone(),
        config: Arc::clone(config),
    };
    let settings = TransactionConfig {
        timeout_max_ms: config.transaction_max_timeout_ms,
        id_expiration_ms: config.transactional_id_expiration_ms,
    };
    let (slots, clock) = (log.partition_count(), Arc::clone(&env.clock));
    Arc::new(TransactionCoordinator::new(
        settings,
        slots,
        Arc::new(log),
        Arc::new(partitions),
        Arc::clone(ids),
        Box::new(move || clock.now()),
    ))
}

fn store_config(config: &ServerConfig) -> StoreConfig {
    StoreConfig {
        node_id: config.node_id,
        producer_id_expiration_ms: config.producer_id_expiration_ms,
        compaction_memory_bytes: config.log_cleaner_dedupe_buffer_size,
        recovery_threads: config.num_recovery_threads_per_data_dir,
        ..StoreConfig::default()
    }
}

fn group_config(config: &ServerConfig) -> GroupConfig {
    GroupConfig {
        initial_rebalance_delay: config.group_initial_rebalance_delay,
        min_session_timeout: config.group_min_session_timeout,
        max_session_timeout: config.group_max_session_timeout,
        max_size: config.group_max_size,
        offset_metadata_max_chars: config.offset_metadata_max_bytes,
        offsets_retention: config.offsets_retention,
        offsets_retention_check_interval: config.offsets_retention_check_interval,
        consumer: ConsumerGroupConfig {
            enabled: config.speaks("consumer"),
            session_timeout: config.group_consumer_session_timeout,
            heartbeat_interval: config.group_consumer_heartbeat_interval,
            max_size: config.group_consumer_max_size,
            assignors: Assignor::named(&config.group_consumer_assignors),
            migration: MigrationPolicy::named(&config.group_consumer_migration_policy),
        },
    }
}

fn coordinator_env(env: &Env, catalog: &Arc<Catalog>) -> CoordinatorEnv {
    let (clock, random) = (Arc::clone(&env.clock), Arc::clone(&env.random));
    CoordinatorEnv {
        wall_clock: Box::new(move || clock.now()),
        random: Box::new(move || {
            let mut bits = [0; 16];
            random.fill(&mut bits);
            u128::from_be_bytes(bits)
        }),
        topics: Arc::new(CatalogTopics::new(Arc::clone(catalog))),
    }
}

/// Says what recovery found. After a kill every log is recovered: only those where something was wrong get a line.
fn report(reports: &[RecoveryReport]) {
    for report in reports.iter().filter(|report| report.is_notable()) {
        debug!(%report, "recovered");
        if let Some(cut_off) = &report.unfinished {
            info!(topic = %report.topic, partition = %report.partition, cut_off, "unfinished append cut off");
        }
        for damage in &report.damage {
            warn!(topic = %report.topic, partition = %report.partition, damage, "damage found");
        }
    }
}
