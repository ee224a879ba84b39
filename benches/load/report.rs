//! Figures, as a table for people and a line for programs.

/// Rows in the order they were measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(String, &'static str, f64)>,
}

impl Report {
    pub(crate) fn add(&mut self, what: impl Into<String>, unit: &'static str, value: f64) {
        let what = what.into();
        // Each as it comes: a run that is broken off has said something.
        eprintln!("{what}: {value:.3} {unit}");
        self.rows.push((what, unit, value));
    }

    pub(crate) fn print(&self) {
        println!("\n| what | figure |\n|---|---:|");
        for (what, unit, value) in &self.rows {
            let digits = if *value < 10.0 { 3 } else { usize::from(*value < 1000.0) };
            println!("| {what} | {value:.digits$} {unit} |");
        }
        let rows: Vec<_> = (self.rows.iter())
            .map(|(what, unit, value)| serde_json::json!({ "what": what, "unit": unit, "value": value }))
            .collect();
        println!("\n{}", serde_json::Value::from(rows));
    }
}
