//! Questions and answers.

pub mod answer;
pub mod request;

pub use answer::{Answer, AnswerKind, Evidence, HotItem, HotList, Reason, Recommended, Similar};
pub use request::{History, Request, Scope};
