//! `kindred demo`: a broker, a real shop's purchases replayed into it, and what was learnt from them.
//!
//! The events go in through the Kafka port, as anybody's would; what is shown at the end was learnt
//! from the log. The data directory is the demo's own (`./kindred-demo`), and a second run finds the
//! events there instead of replaying them.

mod data;
mod replay;
mod summary;

use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::serve::{Signals, announce, log_to_stderr, runtime};
use super::{Failure, ServerArgs};
use crate::client::Client;
use crate::{Broker, Handle};
use replay::Replayed;

/// Where the demo keeps its data unless configured otherwise.
const DATA_DIR: &str = "log.dirs=kindred-demo";
/// How long the recommender may take to learn what was replayed.
const LEARNING_PATIENCE: Duration = Duration::from_secs(120);

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Stop after the summary instead of serving on.
    #[arg(long)]
    exit: bool,
}

pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let mut server = args.server.clone();
    // Before the user's own, so that theirs win.
    server.set.insert(0, DATA_DIR.to_owned());
    let config = server.load()?;
    if !config.recommender_enable {
        return Err(Failure::usage("the demo needs recommender.enable=true"));
    }
    log_to_stderr("warn");
    runtime()?.block_on(async {
        let signals = Signals::watch()?;
        let handle = Broker::start(config).await.map_err(Failure::usage)?;
        announce(&handle);
        show(&handle).await?;
        if !args.exit {
            println!("\nServing on. Stop with Ctrl-C.");
            signals.received().await;
        }
        handle.stop().await.map_err(Failure::runtime)
    })
}

async fn show(handle: &Handle) -> Result<(), Failure> {
    let sample = data::load().map_err(Failure::runtime)?;
    let began = Instant::now();
    let mut client = Client::connect(handle.kafka_address()).await.map_err(Failure::runtime)?;
    let bar = bar(sample.events.len() as u64);
    let replayed = replay::run(&mut client, &sample, &bar).await.map_err(Failure::runtime)?;
    let produced_in = began.elapsed();
    settled(handle, &bar).await?;
    bar.finish_and_clear();
    let learnt_in = began.elapsed();
    match replayed {
        Replayed::Now => summary::speed(sample.events.len(), produced_in, learnt_in),
        Replayed::Before => {
            println!("The events were there already: learnt from the log in {learnt_in:.1?}.")
        }
    }
    summary::print(handle, &sample)
}

fn bar(events: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {bar:40} {pos}/{len} events, {per_sec}");
    let bar = ProgressBar::new(events).with_message("producing");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Waits until everything produced was learnt and every changed list written.
async fn settled(handle: &Handle, bar: &ProgressBar) -> Result<(), Failure> {
    let feed = handle.feed().ok_or_else(|| Failure::usage("the recommender is turned off"))?;
    bar.set_message("learning");
    let until = Instant::now() + LEARNING_PATIENCE;
    // Two looks in a row, so that a round begun before the last event does not count.
    let mut quiet = 0;
    while quiet < 2 {
        if Instant::now() > until {
            return Err(Failure::runtime(format!("{} events are still to be learnt", feed.lag())));
        }
        quiet = if feed.is_settled() { quiet + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    Ok(())
}
