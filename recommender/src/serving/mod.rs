//! Questions and answers.

pub mod answer;
pub mod ask;
mod options;
pub mod parameters;
pub mod rec_id;
pub mod reply;
pub mod request;

pub use answer::{
    Answer, AnswerKind, Evidence, HeavyHitter, HeavyHitters, HotItem, HotList, Near, Reason, Recommended,
    Similar,
};
pub use ask::{Ask, AskError, Kind};
pub use parameters::{Form, Parameter, Parameters};
pub use rec_id::RecId;
pub use reply::Reply;
pub use request::{History, Request, Scope};
