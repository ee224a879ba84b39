//! Off-policy estimates of a log on standard input, as one line of JSON: the door for tests that compare them with others'.
//!
//! ```text
//! cargo run -p kindred-recommender --example off_policy < rounds.csv
//! ```
#![allow(clippy::print_stdout, reason = "it reports to the terminal")]

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let estimates = recommender::judging::off_policy::read(std::io::stdin().lock())?.estimates();
    println!("{}", serde_json::to_string(&estimates)?);
    Ok(())
}
