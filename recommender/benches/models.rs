//! How long does one model take, to be trained as a batch program would and to answer once?
//!
//! ```text
//! LOG=events.csv MODELS=als,session-knn,fused cargo bench -p kindred-recommender --bench models
//! LOG=train.txt FORMAT=sessions MODELS=session-knn cargo bench -p kindred-recommender --bench models
//! ```
//!
//! One thread, a log as `kindred evaluate` reads it (`FORMAT` as its `--format`; `LOG` may name several files with commas
//! between). Each model learns all of it; then the ten best are asked for, for up to [`ASKED_MAX`] users (or sessions), and
//! what is like an item, for as many items. A line of JSON for each model; times are the thread's processor time, which
//! other programs on the machine disturb little. `SET` changes settings, as in the bench `speed`. `benches/implicit`
//! compares with another library.
#![allow(clippy::print_stdout, reason = "a bench reports to the terminal")]
#![allow(missing_docs, reason = "not a library")]

mod common;

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::time::Duration;

use common::Start;
use recommender::evaluation::{Format, Log, csv};
use recommender::{Config, Metric, Position, Recommender, Request};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Users, and items, that are asked for.
const ASKED_MAX: usize = 5000;

fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(paths) = variable("LOG") else {
        println!("nothing measured: LOG names the events");
        return Ok(());
    };
    let format = variable("FORMAT").unwrap_or_else(|| "csv".to_owned());
    let format = Format::from_name(&format).ok_or("FORMAT is none of kindred evaluate's")?;
    let mut log = Log::default();
    for path in paths.split(',') {
        csv::read_into(BufReader::new(File::open(path)?), format, &mut log)?;
    }
    format.arrange(&mut log);
    for model in variable("MODELS").as_deref().unwrap_or("als,session-knn,fused").split(',') {
        println!("{}", measure(&log, model)?);
    }
    Ok(())
}

fn config(model: &str) -> Result<Config, Box<dyn Error>> {
    let mut config = Config::default();
    if Recommender::optional_models().any(|name| name == model) {
        config.set("recommender.models", model)?;
    }
    common::set(&mut config)?;
    Ok(config)
}

/// Learns the log, then asks one model.
fn measure(log: &Log, model: &str) -> Result<Value, Box<dyn Error>> {
    let mut recommender = Recommender::new(config(model)?);
    let (mut users, mut items) = (Vec::new(), Vec::new());
    let mut known = std::collections::HashSet::new();
    let start = Start::now();
    for entry in log.by_time() {
        recommender.apply(&log.event(&entry), Position::default(), entry.time_ms)?;
        if known.insert((true, entry.user)) {
            users.push(log.user(&entry));
        }
        if known.insert((false, entry.item)) {
            items.push(log.item(&entry));
        }
    }
    let learnt = start.elapsed();
    let start = Start::now();
    recommender.settle();
    let trained = start.elapsed();
    let recommend = times(&users, |user| {
        let model = (model != "fused").then_some(model);
        recommender
            .recommend(&Request { model, ..Request::user(user, 10) })
            .map_or(0, |answer| answer.items.len())
    });
    let similar = times(&items, |item| {
        recommender.similar(item, 10, Metric::Cosine).map_or(0, |similar| similar.len())
    });
    Ok(json!({
        "model": model,
        "events": log.entries().len(),
        "users": users.len(),
        "items": items.len(),
        "learn_s": learnt.as_secs_f64(),
        "train_s": trained.as_secs_f64(),
        "recommend": recommend,
        "similar": similar,
    }))
}

/// Microseconds of one question, asked for some of these, evenly drawn.
fn times(of: &[&str], ask: impl Fn(&str) -> usize) -> Value {
    let mut listed = 0;
    let mut times: Vec<Duration> = (of.iter().step_by(of.len().div_ceil(ASKED_MAX).max(1)))
        .map(|one| {
            let start = Start::now();
            listed += ask(one);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let at = |share: f64| times.get(((times.len().max(1) - 1) as f64 * share) as usize).map(|&time| us(time));
    let asked = times.len();
    let mean = us(times.iter().sum::<Duration>()) / asked.max(1) as f64;
    json!({"asked": asked, "listed": listed, "mean_us": mean, "p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99)})
}
