//! Alerts to where somebody looks: every committed record of `kindred.alerts` is posted to a URL.
//!
//! ```text
//! kindred.alerts ─▶ read committed ─▶ POST ─▶ 2xx: offset committed ─▶ next
//!                                      │ else: again, later and later; after so many attempts given up, with a warning
//! ```
//! **At least once.** An alert's offset is committed, by the group [`GROUP`], when it was taken or given up: after a crash the
//! one under way is posted again, under the same `idempotency-key`, which is its topic, partition and offset. Alerts of a
//! partition arrive in order. An answer 4xx other than 408, 425 and 429 would be the same again and gives up at once.
//! What is given up stays in the topic.
//!
//! Alerts from before the URL was first set are not posted. The task reads the log like any consumer: the feed never
//! waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use protocol::types::{Epoch, Offset};
use recommender::processor::topics;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::input::{InputBatch, Inputs};
use super::post::post;
use super::step::InputId;
use crate::config::WebhookUrl;
use crate::coordinator::group::requests::{CommitPartition, CommitRequest, CommitTopic, FetchOffsetsRequest};
use crate::handlers::Cx;
use crate::metrics::Counter;
use crate::partitions::DataWaiter;

/// The group whose offsets say what was delivered.
const GROUP: &str = "kindred-alerts-webhook";
/// The pause before the second attempt; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often new partitions are looked for.
const REFRESH_INTERVAL: Duration = Duration::from_millis(250);

/// Starts the delivery, if there is a URL. To be called before the feed writes anything.
pub(crate) fn start(cx: &Arc<Cx>) {
    let Some(url) = cx.config.recommender_alerts_webhook_url.clone() else { return };
    let counter = |outcome| {
        let (name, help) =
            ("kindred_alerts_webhook_total", "Alerts for the webhook, by what became of them.");
        cx.metrics.counter(name, help, &[("outcome", outcome)])
    };
    let failed = "Attempts to post an alert that were not answered with 2xx.";
    let courier = Courier {
        url,
        before: ends(cx),
        begun: Vec::new(),
        inputs: Inputs::default(),
        delivered: counter("delivered"),
        given_up: counter("given-up"),
        failed: cx.metrics.counter("kindred_alerts_webhook_failed_attempts_total", failed, &[]),
        stop: cx.tasks.stopping().clone(),
        cx: Arc::clone(cx),
    };
    cx.tasks.spawn("alerts-webhook", async move {
        let stop = courier.stop.clone();
        tokio::select! {
            () = courier.run() => {}
            () = stop.cancelled() => {}
        }
    });
}

/// How far the partitions of alerts reach, by number.
fn ends(cx: &Cx) -> HashMap<i32, Offset> {
    let topic = cx.catalog.topic(topics::ALERTS);
    let partitions = topic.iter().flat_map(|topic| topic.partitions());
    partitions.map(|partition| (partition.index.0, partition.log().marks().stable())).collect()
}

/// Delivers alerts.
struct Courier {
    cx: Arc<Cx>,
    url: WebhookUrl,
    /// Where each partition ended when the broker started.
    before: HashMap<i32, Offset>,
    /// Partitions that are read.
    begun: Vec<InputId>,
    inputs: Inputs,
    delivered: Counter,
    given_up: Counter,
    failed: Counter,
    stop: CancellationToken,
}

/// One alert.
struct Alert {
    offset: Offset,
    json: Vec<u8>,
}

impl Courier {
    async fn run(mut self) {
        loop {
            self.refresh().await;
            while let Some(batch) = self.inputs.next() {
                self.deliver_batch(&batch).await;
            }
            let waiter = DataWaiter::new();
            self.inputs.register(&waiter);
            if !self.inputs.have_more() {
                tokio::select! {
                    () = waiter.woken() => {}
                    () = tokio::time::sleep(REFRESH_INTERVAL) => {}
                }
            }
        }
    }

    /// Looks for new partitions, and begins each where delivery had come to.
    async fn refresh(&mut self) {
        if !self.inputs.refresh(&self.cx.catalog, |topic| topic == topics::ALERTS) {
            return;
        }
        let there: Vec<(InputId, Offset)> =
            self.inputs.positions().map(|(input, next)| (input.clone(), next)).collect();
        self.begun.retain(|input| there.iter().any(|(other, _)| other == input));
        let committed = self.fetch_committed().await;
        for (input, start) in there {
            if self.begun.contains(&input) {
                continue;
            }
            self.begun.push(input.clone());
            let partition = input.partition.0;
            let next = match committed.get(&partition) {
                Some(committed) => *committed,
                // Noted at once, so that what comes now is not taken for old by the next start.
                None => {
                    let begin = self.before.get(&partition).copied().unwrap_or(start).max(start);
                    self.commit(&input, begin).await;
                    begin
                }
            };
            // Only of a topic that was there at the start: one made anew begins anew.
            self.before.remove(&partition);
            self.inputs.seek(&input, next);
        }
    }

    async fn deliver_batch(&mut self, batch: &InputBatch) {
        let mut alerts = Vec::new();
        let mut scratch = Vec::new();
        let visited = batch.visit(&mut scratch, |record| {
            let json = record.value.unwrap_or_default().to_vec();
            alerts.push(Alert { offset: record.offset, json });
        });
        let (input, next) = self.inputs.place(batch.input);
        let (input, name) = (input.clone(), self.inputs.name(batch.input).to_owned());
        for alert in alerts {
            let behind = alert.offset.next();
            if self.deliver(&name, alert).await {
                self.delivered.inc();
            } else {
                self.given_up.inc();
            }
            self.commit(&input, behind).await;
        }
        if let Err(error) = visited {
            warn!(input = name, from = %batch.from, %error, "alerts that cannot be read are not delivered");
        }
        self.commit(&input, next).await;
    }

    /// Posts an alert until it is taken; `false` if it was given up.
    async fn deliver(&self, input: &str, alert: Alert) -> bool {
        let id = format!("{input}-{}", alert.offset);
        let config = &self.cx.config;
        let (mut attempts, mut pause) = (0, PAUSE_FIRST);
        loop {
            let timeout = config.recommender_alerts_webhook_timeout;
            let (is_final, why) = match post(&self.url, &id, alert.json.clone(), timeout).await {
                Ok(status) if status.is_success() => return true,
                Ok(status) => (is_final(status), format!("answered with {status}")),
                Err(error) => (false, error.to_string()),
            };
            self.failed.inc();
            attempts += 1;
            if is_final || attempts >= config.recommender_alerts_webhook_attempts_max {
                warn!(
                    alert = id,
                    attempts, why, "an alert was not delivered to the webhook, and is given up"
                );
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn fetch_committed(&self) -> HashMap<i32, Offset> {
        let request = FetchOffsetsRequest { group_id: GROUP.to_owned(), ..FetchOffsetsRequest::default() };
        let fetched = self.cx.groups.fetch_offsets(request).await;
        let topics = fetched.topics.into_iter().filter(|topic| topic.topic == topics::ALERTS);
        let offsets = topics.flat_map(|topic| topic.partitions).map(|one| (one.partition.0, one.offset));
        offsets.filter(|(_, offset)| *offset != Offset::NONE).collect()
    }

    async fn commit(&self, input: &InputId, next: Offset) {
        let partition = CommitPartition {
            partition: input.partition,
            offset: next,
            leader_epoch: Epoch::NONE,
            metadata: None,
            committed_at: None,
        };
        let topic = CommitTopic { topic: topics::ALERTS.to_owned(), partitions: vec![partition] };
        let request =
            CommitRequest { group_id: GROUP.to_owned(), topics: vec![topic], ..CommitRequest::default() };
        let response = self.cx.groups.commit_offsets(request).await;
        let errors = response.topics.iter().flat_map(|topic| &topic.partitions);
        for (partition, error) in errors.filter(|(_, error)| !error.is_ok()) {
            warn!(group = GROUP, %partition, error = error.name(), "how far alerts were delivered is not noted");
        }
    }
}

/// Whether the same request would be answered in the same way again.
fn is_final(status: StatusCode) -> bool {
    let passing =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    status.is_client_error() && !passing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again() {
        for (status, expected) in
            [(400, true), (404, true), (408, false), (429, false), (500, false), (302, false)]
        {
            assert_eq!(is_final(StatusCode::from_u16(status).expect("a status")), expected, "{status}");
        }
    }
}
