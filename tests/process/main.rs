//! Tests of the program as its users meet it: the real binary, real sockets, real kills.
//!
//! Every test starts its own broker on free ports and a directory of its own, so all of them run side by side.
//! They share one test binary because they share `support`, and because linking once is quicker than six times.

#![expect(clippy::print_stdout, reason = "what a skipped test or a failed broker has to say is printed")]

mod answering;
mod answers;
mod bad_input;
mod config_command;
mod contract;
mod demo;
mod disk;
mod documents;
mod durability;
mod exactly_once;
mod fetch_rules;
mod fetch_sessions;
mod framing;
mod group_forms;
mod hostile;
mod kafka_directory;
mod lifecycle;
mod log_files;
mod lookups;
mod offset_rules;
mod paging;
mod produce_rules;
mod python;
mod records;
mod set_ups;
mod support;
mod topic_rules;
mod transaction_rules;
mod transactions;
