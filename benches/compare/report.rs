//! Samples of every round; medians and ratios of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

/// What the columns of a row are about.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    row: String,
    unit: &'static str,
}

/// Figures by row and contender, rows in the order they were first measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(Key, BTreeMap<&'static str, Vec<f64>>)>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, contender: &'static str, row: &str, unit: &'static str, value: f64) {
        eprintln!("{contender}: {row}: {value:.3} {unit}");
        let key = Key { row: row.to_owned(), unit };
        let at = self.rows.iter().position(|(existing, _)| *existing == key).unwrap_or_else(|| {
            self.rows.push((key, BTreeMap::new()));
            self.rows.len() - 1
        });
        self.rows[at].1.entry(contender).or_default().push(value);
    }

    /// Something a reader of the table must know.
    pub(crate) fn note(&mut self, text: String) {
        eprintln!("note: {text}");
        self.notes.push(text);
    }

    /// Medians, and how many times better `ours` is than `theirs`: more where more is better, less elsewhere.
    pub(crate) fn markdown(&self, ours: &str, theirs: &str, machine: &str) -> String {
        let mut text = format!("| what | unit | {ours} | {theirs} | ratio |\n|---|---|---:|---:|---:|\n");
        for (key, samples) in &self.rows {
            let one = |name: &str| samples.get(name).map(|values| median(values));
            let (a, b) = (one(ours), one(theirs));
            let cell = |value: Option<f64>| value.map(figure).unwrap_or_default();
            let ratio = match (a, b) {
                (Some(a), Some(b)) if a > 0.0 && b > 0.0 => format!("{:.2}", a / b),
                _ => String::new(),
            };
            // The machine's limits have no contender.
            let first = a.or_else(|| one(machine));
            writeln!(text, "| {} | {} | {} | {} | {ratio} |", key.row, key.unit, cell(first), cell(b))
                .expect("a string takes all");
        }
        for note in &self.notes {
            writeln!(text, "\n- {note}").expect("a string takes all");
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = (self.rows.iter())
            .map(|(key, samples)| json!({ "what": key.row, "unit": key.unit, "samples": samples }))
            .collect();
        json!({ "rows": rows, "notes": self.notes })
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

fn figure(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 1000.0) };
    format!("{value:.digits$}")
}
