//! The numbers behind the answers, for other programs to check.
//!
//! ```text
//! numbers EVENTS.csv [KEY=VALUE ...] < questions.jsonl > answers.jsonl
//! ```
//!
//! It learns a CSV of events (the columns of `kindred evaluate`) under the given settings, then answers one JSON
//! question a line, each with one line. `tests/exactness/test_exactness.py` asks and compares with other libraries.
//!
//! | question | answer |
//! |---|---|
//! | `{"describe": {"item_id": …, "title": …, …}}` | what became of it; as a record of the `items` topic |
//! | `{"similar": ITEM}` | every neighbour with every measure |
//! | `{"scores": USER, "model": NAME}` | `{item: score}` of every item the model has something to say for |
//! | `{"scores_of": [ITEM, …], "model": NAME}` | the same after these items, oldest first |
//! | `{"predict": [USER, ITEM], "model": NAME}` | the rating the user would give, or null |
//! | `{"hot": WINDOW}` | every item's score in a window |
//! | `{"settle": true}` | nothing; the work that models put off is done |
//! | `{"llr": {"both": K, "first": N, "second": N, "total": N}}` | signed G² of the 2×2 table |
//! | `{"least_squares": {"forgetting": λ, "ridge": R, "rows": [[…]], "targets": […]}}` | coefficients, and what was predicted for each row before it was learnt |
//! | `{"windows": {"rules": TEXT, "messages": [[MS, VALUE], …]}}` | what `recommender.windows` writes because of these messages of topic `t` |
//! | `{"metrics": {"ranked": […], "relevant": […], "n": N}}` | hit, recall, ndcg, mrr |
//! | `{"evaluate": {"protocol": …, "models": […], "at": […]}}` | the report of an evaluation of the same events |
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};

use recommender::cooccurrence::Margins;
use recommender::evaluation::metrics::{mrr::reciprocal_rank, ndcg::ndcg, recall};
use recommender::evaluation::{Log, Options, Protocol, csv, run};
use recommender::online::Rls;
use recommender::{
    Body, Config, Emission, HotWindow, Incoming, Metric, Position, Processor, Recommender, Request, Scope,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// One question; the table at the head of this file says what is answered.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Question {
    describe: Option<Value>,
    similar: Option<String>,
    scores: Option<String>,
    scores_of: Option<Vec<String>>,
    model: Option<String>,
    predict: Option<(String, String)>,
    hot: Option<String>,
    settle: bool,
    llr: Option<Table>,
    least_squares: Option<LeastSquares>,
    windows: Option<Windows>,
    metrics: Option<Ranked>,
    evaluate: Option<Evaluation>,
}

#[derive(Deserialize)]
struct Table {
    both: u32,
    first: u32,
    second: u32,
    total: u32,
}

#[derive(Deserialize)]
struct LeastSquares {
    forgetting: f64,
    ridge: f64,
    rows: Vec<Vec<f64>>,
    targets: Vec<f64>,
}

#[derive(Deserialize)]
struct Windows {
    rules: String,
    messages: Vec<(i64, Value)>,
}

#[derive(Deserialize)]
struct Ranked {
    ranked: Vec<u32>,
    relevant: Vec<u32>,
    n: usize,
}

#[derive(Deserialize)]
struct Evaluation {
    protocol: String,
    models: Vec<String>,
    at: Vec<usize>,
    #[serde(default)]
    repeats: bool,
    #[serde(default)]
    ungrouped: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: numbers EVENTS.csv [KEY=VALUE ...] < questions.jsonl")?;
    let mut config = Config::default();
    for setting in arguments {
        let (key, value) = setting.split_once('=').ok_or("a setting is KEY=VALUE")?;
        config.set(key, value)?;
    }
    let log = csv::read(BufReader::new(File::open(path)?))?;
    let mut recommender = Recommender::new(config.clone());
    for (offset, entry) in (0..).zip(log.by_time()) {
        let position = Position { source: "events", offset };
        recommender.apply(&log.event(&entry), position, entry.time_ms)?;
    }
    for line in stdin().lock().lines() {
        let question = serde_json::from_str(&line?)?;
        println!("{}", answer(&mut recommender, &config, &log, question)?);
    }
    Ok(())
}

fn answer(
    recommender: &mut Recommender,
    config: &Config,
    log: &Log,
    question: Question,
) -> Result<Value, Box<dyn Error>> {
    let model = question.model.as_deref();
    if let Some(entity) = question.describe {
        let value = entity.to_string();
        let taken = recommender.ingest(&Incoming {
            topic: "items",
            position: Position::default(),
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
            time_ms: 0,
        });
        return Ok(json!(taken.map_or_else(|refused| refused.to_string(), |_| "taken".to_owned())));
    }
    if let Some(item) = question.similar {
        return Ok(serde_json::to_value(recommender.similar(&item, usize::MAX, Metric::Count))?);
    }
    if let Some(user) = question.scores {
        return scores(recommender, &Request { model, ..Request::user(&user, 1 << 30) });
    }
    if let Some(items) = question.scores_of {
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        return scores(recommender, &Request { model, ..Request::items(&items, 1 << 30) });
    }
    if let Some((user, item)) = question.predict {
        return Ok(json!(recommender.predict(&user, &item, model.unwrap_or_default())));
    }
    if let Some(window) = question.hot {
        let window = HotWindow::from_name(&window).ok_or("no such window")?;
        return Ok(serde_json::to_value(recommender.hot(Scope::All, window, usize::MAX))?);
    }
    if question.settle {
        recommender.settle();
        return Ok(Value::Null);
    }
    if let Some(Table { both, first, second, total }) = question.llr {
        return Ok(json!(Margins { both, first, second, total }.llr()));
    }
    if let Some(asked) = question.windows {
        return windows(&asked);
    }
    if let Some(asked) = question.least_squares {
        return least_squares(&asked).ok_or_else(|| "rows of one length, and a target for each".into());
    }
    if let Some(Ranked { ranked, relevant, n }) = question.metrics {
        return Ok(json!({
            "hit": recall::hit(&ranked, &relevant, n),
            "recall": recall::recall(&ranked, &relevant, n),
            "ndcg": ndcg(&ranked, &relevant, n),
            "mrr": reciprocal_rank(&ranked, &relevant, n),
        }));
    }
    let evaluation = question.evaluate.ok_or("an empty question")?;
    let options = Options {
        protocol: Protocol::from_name(&evaluation.protocol).ok_or("no such protocol")?,
        models: evaluation.models,
        at: evaluation.at,
        repeats: evaluation.repeats,
        ungrouped: evaluation.ungrouped,
        ..Options::default()
    };
    Ok(serde_json::from_str(&run(&options, config.clone(), log, None)?.to_json())?)
}

/// Learns the rows one after the other.
fn windows(asked: &Windows) -> Result<Value, Box<dyn Error>> {
    let mut config = Config::default();
    config.set("recommender.windows", &asked.rules)?;
    let mut processor = Processor::new(config);
    let mut out = Vec::new();
    for (offset, (time_ms, value)) in (0..).zip(&asked.messages) {
        let (value, position) = (value.to_string(), Position { source: "t-0", offset });
        let value = Some(value.as_bytes());
        let message = Incoming { topic: "t", position, key: None, value, headers: &[], time_ms: *time_ms };
        processor.process(&message, &mut out)?;
    }
    let value = |one: &Emission| match &one.body {
        Body::Own { value: Some(value), .. } => serde_json::from_slice::<Value>(value).ok(),
        _ => None,
    };
    Ok(out.iter().filter_map(value).collect())
}

fn least_squares(asked: &LeastSquares) -> Option<Value> {
    let mut learner = Rls::new(asked.rows.first()?.len(), asked.forgetting, asked.ridge)?;
    let examples = asked.rows.iter().zip(&asked.targets);
    let predicted: Vec<f64> =
        examples.map(|(row, &target)| learner.learn(row, target)).collect::<Option<_>>()?;
    Some(json!({ "coefficients": learner.coefficients(), "predicted": predicted }))
}

/// Scores by item, seen ones included.
fn scores(recommender: &Recommender, request: &Request<'_>) -> Result<Value, Box<dyn Error>> {
    let request = Request { allow_seen: true, ..request.clone() };
    let answer = recommender.recommend(&request).ok_or("the model is unknown or off")?;
    let scores: BTreeMap<String, f64> =
        answer.items.into_iter().map(|item| (item.item_id, item.score)).collect();
    Ok(serde_json::to_value(scores)?)
}
