//! What must hold of transactions whatever producers, time and crashes do.
//!
//! Two producers of one transactional id, one of them perhaps a zombie, write to three partitions, end transactions,
//! and repeat old requests; the coordinator is killed and loaded again at any moment, with the markers of the last end
//! perhaps not written. After each run, once everything left is completed:
//! - *all or nothing*: the records of a transaction are committed in every partition, or aborted in every one;
//! - what was answered as committed is committed, what was answered as aborted is aborted;
//! - nothing is written behind the marker of its transaction, and nothing stays open;
//! - a producer's epoch never goes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use proptest::prelude::*;
use protocol::ErrorCode;
use protocol::records::batch::{Batch, set_base_offset};
use protocol::records::control::Outcome;
use protocol::types::{Epoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs};

use super::state::{Init, Partitions, Producer};
use super::{
    Enlist, NotTold, OpenTransaction, ProducerIdStore, ProducerIds, TransactionConfig,
    TransactionCoordinator, TransactionEnd, TransactionPartitions,
};
use crate::coordinator::{BoxFuture, CoordinatorLog, CoordinatorLogError};

const ID: &str = "id";
const TIMEOUT_MS: i32 = 100;

#[derive(Default)]
struct Log(Mutex<Vec<Vec<u8>>>);

impl CoordinatorLog for Log {
    fn append(&self, _: PartitionIndex, batch: Bytes) -> Result<Offset, CoordinatorLogError> {
        let mut log = self.0.lock();
        let mut batch = batch.to_vec();
        set_base_offset(&mut batch, Offset(log.len() as i64));
        log.push(batch);
        Ok(Offset(log.len() as i64))
    }

    fn durable(&self, _: PartitionIndex, _: Offset) -> BoxFuture<'_, Result<(), CoordinatorLogError>> {
        Box::pin(async { Ok(()) })
    }

    fn read_all(
        &self,
        _: PartitionIndex,
        visit: &mut dyn FnMut(Batch<'_>),
    ) -> Result<Offset, CoordinatorLogError> {
        let log = self.0.lock();
        log.iter().for_each(|batch| visit(Batch::parse(batch).unwrap().0));
        Ok(Offset(log.len() as i64))
    }
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    Record { producer: (ProducerId, ProducerEpoch), transaction: usize },
    Marker { producer: (ProducerId, ProducerEpoch), outcome: Outcome },
}

#[derive(Default)]
struct World {
    partitions: Mutex<[Vec<Held>; 3]>,
    /// So many more markers are taken before the disk is full.
    markers_left: AtomicI64,
    time: AtomicI64,
}

impl World {
    /// The producer that has a transaction open in a partition, and its epoch.
    fn open(held: &[Held]) -> BTreeMap<ProducerId, ProducerEpoch> {
        let mut open = BTreeMap::new();
        for one in held {
            match one {
                Held::Record { producer: (id, epoch), .. } => _ = open.insert(*id, *epoch),
                Held::Marker { producer: (id, _), .. } => _ = open.remove(id),
            }
        }
        open
    }

    fn newest_epoch(held: &[Held], id: ProducerId) -> ProducerEpoch {
        let epochs = held.iter().filter_map(|one| match one {
            Held::Record { producer, .. } | Held::Marker { producer, .. } => {
                (producer.0 == id).then_some(producer.1)
            }
        });
        epochs.max().unwrap_or(ProducerEpoch::NONE)
    }

    /// What a log does with a transactional batch.
    fn write(&self, partition: usize, producer: &Producer, transaction: usize) -> bool {
        let held = &mut self.partitions.lock()[partition];
        let fenced = producer.epoch < Self::newest_epoch(held, producer.id);
        if !fenced {
            held.push(Held::Record { producer: (producer.id, producer.epoch), transaction });
        }
        !fenced
    }
}

impl TransactionPartitions for Arc<World> {
    fn make_durable<'a>(&'a self, _: &'a Partitions) -> BoxFuture<'a, Result<(), CoordinatorLogError>> {
        Box::pin(async { Ok(()) })
    }

    fn append_marker(&self, _: &str, partition: PartitionIndex, end: &TransactionEnd) -> Result<(), NotTold> {
        if self.markers_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(CoordinatorLogError::Unavailable("full".to_owned()).into());
        }
        let held = &mut self.partitions.lock()[partition.0 as usize];
        if end.epoch < World::newest_epoch(held, end.producer_id) {
            return Err(NotTold::Overtaken(ErrorCode::InvalidProducerEpoch));
        }
        held.push(Held::Marker { producer: (end.producer_id, end.epoch), outcome: end.outcome });
        Ok(())
    }

    fn open_transactions(&self) -> Vec<OpenTransaction> {
        let mut all = Vec::new();
        for (index, held) in self.partitions.lock().iter().enumerate() {
            all.extend(World::open(held).into_iter().map(|(producer_id, epoch)| OpenTransaction {
                topic: "t".to_owned(),
                partition: PartitionIndex(index as i32),
                producer_id,
                epoch,
                coordinator_epoch: Epoch(0),
            }));
        }
        all
    }
}

#[derive(Default)]
struct Ids(AtomicI64);

impl ProducerIdStore for Arc<Ids> {
    fn read(&self) -> std::io::Result<ProducerId> {
        Ok(ProducerId(self.0.load(Ordering::Relaxed)))
    }

    fn replace(&self, next: ProducerId) -> BoxFuture<'_, std::io::Result<()>> {
        self.0.store(next.0, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

#[derive(Clone, Debug)]
enum Action {
    /// A producer starts, or starts again.
    Init(usize),
    /// It writes to a partition as its client's version does it.
    Write(usize, usize),
    End(usize, bool),
    /// Its last EndTxn comes once more, late.
    EndAgain(usize),
    Time(i64),
    Sweep,
    /// The broker is killed and starts again.
    Crash,
    /// The disk has room for so many markers.
    Room(i64),
}

fn action() -> impl Strategy<Value = Action> {
    let producer = 0..2_usize;
    prop_oneof![
        1 => producer.clone().prop_map(Action::Init),
        6 => (producer.clone(), 0..3_usize).prop_map(|(who, partition)| Action::Write(who, partition)),
        4 => (producer.clone(), any::<bool>()).prop_map(|(who, commit)| Action::End(who, commit)),
        2 => producer.prop_map(Action::EndAgain),
        1 => (1..150_i64).prop_map(Action::Time),
        1 => Just(Action::Sweep),
        1 => Just(Action::Crash),
        1 => (0..4_i64).prop_map(Action::Room),
    ]
}

/// A client: what it believes of itself.
#[derive(Clone, Default)]
struct Client {
    me: Option<Producer>,
    /// The transaction it is in.
    transaction: Option<usize>,
    last_end: Option<(Producer, Outcome)>,
    /// How it asked its transaction to end, until that is answered: a client does nothing else meanwhile.
    ending: Option<Outcome>,
}

struct Run {
    version: i16,
    world: Arc<World>,
    log: Arc<Log>,
    ids: Arc<Ids>,
    coordinator: TransactionCoordinator,
    clients: [Client; 2],
    transactions: usize,
    /// What clients were told of a transaction.
    answered: BTreeMap<usize, Outcome>,
    newest: BTreeMap<ProducerId, ProducerEpoch>,
}

impl Run {
    fn new(version: i16) -> Self {
        let (world, log, ids) = (Arc::<World>::default(), Arc::<Log>::default(), Arc::<Ids>::default());
        world.markers_left.store(i64::MAX, Ordering::Relaxed);
        let coordinator = load(&world, &log, &ids);
        let clients = <[Client; 2]>::default();
        let (answered, newest) = (BTreeMap::new(), BTreeMap::new());
        Self { version, world, log, ids, coordinator, clients, transactions: 0, answered, newest }
    }

    async fn act(&mut self, action: &Action) {
        match *action {
            Action::Init(who) => self.init(who).await,
            Action::Write(who, partition) => self.write(who, partition),
            Action::End(who, commit) => {
                self.end(who, if commit { Outcome::Commit } else { Outcome::Abort }).await;
            }
            // Before version 2 a late end closes whatever its producer has open: what KIP-890 mends.
            Action::EndAgain(_) if self.version < 2 => {}
            Action::EndAgain(who) => {
                if let Some((me, outcome)) = self.clients[who].last_end.clone() {
                    let _ = self.coordinator.end(&me, outcome, self.version).await;
                }
            }
            Action::Time(ms) => _ = self.world.time.fetch_add(ms, Ordering::Relaxed),
            Action::Sweep => self.coordinator.sweep().await,
            Action::Crash => self.coordinator = load(&self.world, &self.log, &self.ids),
            Action::Room(markers) => self.world.markers_left.store(markers, Ordering::Relaxed),
        }
    }

    async fn init(&mut self, who: usize) {
        let init = Init { timeout_ms: TIMEOUT_MS, expected: None };
        if let Ok((id, epoch)) = self.coordinator.init(ID, init).await {
            self.newer(id, epoch);
            let me = Producer { transactional_id: ID.to_owned(), id, epoch };
            self.clients[who] = Client { me: Some(me), ..Client::default() };
        }
    }

    fn newer(&mut self, id: ProducerId, epoch: ProducerEpoch) {
        let newest = self.newest.entry(id).or_insert(epoch);
        assert!(epoch >= *newest, "{id} went from epoch {newest} to {epoch}");
        *newest = epoch;
    }

    fn write(&mut self, who: usize, partition: usize) {
        let Some(me) = self.clients[who].me.clone().filter(|_| self.clients[who].ending.is_none()) else {
            return;
        };
        let transaction = self.clients[who].transaction.unwrap_or_else(|| {
            self.transactions += 1;
            self.transactions
        });
        let partitions = [("t", PartitionIndex(partition as i32))];
        let world = Arc::clone(&self.world);
        let is_open = World::open(&world.partitions.lock()[partition]).get(&me.id) == Some(&me.epoch);
        let written = match is_open {
            true => Ok(world.write(partition, &me, transaction)),
            false => {
                if self.version < 2 {
                    let _ = self.coordinator.enlist(&me, &partitions, Enlist::Add, self.version, || ());
                }
                let how = if self.version < 2 { Enlist::Verify } else { Enlist::Add };
                let write = || world.write(partition, &me, transaction);
                self.coordinator.enlist(&me, &partitions, how, self.version, write)
            }
        };
        if written == Ok(true) {
            self.clients[who].transaction = Some(transaction);
        }
    }

    async fn end(&mut self, who: usize, outcome: Outcome) {
        let Some(me) = self.clients[who].me.clone() else { return };
        let outcome = *self.clients[who].ending.get_or_insert(outcome);
        let ended = self.coordinator.end(&me, outcome, self.version).await;
        self.clients[who].last_end = Some((me.clone(), outcome));
        if let Ok((id, epoch)) = ended {
            self.newer(id, epoch);
            self.clients[who].ending = None;
            if let Some(transaction) = self.clients[who].transaction.take() {
                self.answered.insert(transaction, outcome);
            }
            if self.version >= 2 {
                self.clients[who].me = Some(Producer { id, epoch, ..me });
            }
        }
    }

    /// Completes what is left and looks at what the partitions hold.
    async fn check(mut self) {
        self.world.markers_left.store(i64::MAX, Ordering::Relaxed);
        self.act(&Action::Crash).await;
        self.world.time.fetch_add(10 * i64::from(TIMEOUT_MS), Ordering::Relaxed);
        self.coordinator.sweep().await;
        let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
        for held in self.world.partitions.lock().iter() {
            assert!(World::open(held).is_empty(), "left open: {held:?}");
            for (at, one) in held.iter().enumerate() {
                let Held::Record { producer, transaction } = *one else { continue };
                let outcome = held[at..].iter().find_map(|later| match later {
                    Held::Marker { producer: (id, _), outcome } if *id == producer.0 => Some(*outcome),
                    _ => None,
                });
                let outcome = outcome.expect("nothing is left open");
                let elsewhere = *outcomes.entry(transaction).or_insert(outcome);
                assert_eq!(outcome, elsewhere, "transaction {transaction} is torn: {:?}", held);
            }
        }
        for (transaction, answered) in &self.answered {
            assert_eq!(outcomes.get(transaction), Some(answered), "transaction {transaction}");
        }
    }
}

fn load(world: &Arc<World>, log: &Arc<Log>, ids: &Arc<Ids>) -> TransactionCoordinator {
    let config = TransactionConfig { timeout_max_ms: 1_000, id_expiration_ms: i64::MAX };
    let clock = Arc::clone(world);
    let log: Arc<dyn CoordinatorLog> = Arc::<Log>::clone(log);
    let coordinator = TransactionCoordinator::new(
        config,
        1,
        log,
        Arc::new(Arc::clone(world)),
        Arc::new(ProducerIds::open(Box::new(Arc::clone(ids))).unwrap()),
        Box::new(move || TimestampMs(clock.time.load(Ordering::Relaxed))),
    );
    coordinator.recover().unwrap();
    coordinator
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn transactions_are_all_or_nothing(version in prop_oneof![Just(0_i16), Just(2)],
                                       actions in prop::collection::vec(action(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(version);
            for action in &actions {
                run.act(action).await;
            }
            run.check().await;
        });
    }
}
