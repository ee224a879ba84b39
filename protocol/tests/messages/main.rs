//! The tables against other implementations, against bytes written by hand, and against damage.
//!
//! Every API of the list is covered without being named; see `oracle.rs` for what that takes.

mod damage;
#[path = "../generate/mod.rs"]
mod generate;
mod golden;
mod kafka;
mod oracle;
