//! `kindred config` against a running broker.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Broker, binary};

fn config(broker: &Broker, arguments: &[&str]) -> Output {
    let address = broker.child().kafka.to_string();
    let mut command = Command::new(binary());
    command.arg("config").args(arguments).args(["--bootstrap-server", &address]);
    command.output().expect("the binary under test starts")
}

/// What was printed, and how it ended.
fn said(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (text(&output.stdout), text(&output.stderr), output.status.code().expect("ended by itself"))
}

#[test]
fn settings_are_shown_set_and_taken_back() {
    let broker = Broker::with(&[("num.partitions", "3")]);
    broker.connect().create_topic("orders", 1);
    let listed = |arguments: &[&str]| -> Value {
        let (out, err, code) = said(&config(&broker, &[&["list", "--json"], arguments].concat()));
        assert_eq!((code, &*err), (0, ""), "{out}");
        serde_json::from_str(&out).expect("JSON")
    };
    assert_eq!(listed(&[])["num.partitions"]["value"], "3");
    assert_eq!(listed(&[])["num.partitions"]["set"], "when the broker was started");
    assert_eq!(listed(&["--all"])["recommender.models"]["set"], "default");

    let done = |arguments: &[&str]| {
        let (out, err, code) = said(&config(&broker, arguments));
        assert_eq!((&*out, &*err, code), ("", "", 0), "{arguments:?}");
    };
    done(&["set", "recommender.models=ease,content", "log.retention.ms=60000"]);
    assert_eq!(listed(&[])["recommender.models"]["value"], "ease,content");
    assert_eq!(listed(&[])["recommender.models"]["set"], "on all brokers, while they ran");
    done(&["set", "--topic", "orders", "retention.ms=5000"]);
    assert_eq!(listed(&["--topic", "orders"])["retention.ms"]["value"], "5000");
    done(&["unset", "--topic", "orders", "retention.ms"]);
    assert_eq!(listed(&["--topic", "orders"])["retention.ms"]["value"], "60000", "the broker's");
    done(&["unset", "recommender.models"]);
    assert!(listed(&[]).get("recommender.models").is_none());
    let (out, _, code) = said(&config(&broker, &["list"]));
    assert!(code == 0 && out.contains("log.retention.ms=60000  (on all brokers, while they ran)\n"), "{out}");
}

#[test]
fn what_is_wrong_is_one_line_that_names_it() {
    let broker = Broker::start();
    for (arguments, code, line) in [
        (
            &["set", "recommender.models=oracle"][..],
            1,
            "kindred: bad value `oracle` for `recommender.models` in the broker's configuration: \
             `oracle` is no model; there are ",
        ),
        (
            &["set", "recommender.model=ease"],
            1,
            "kindred: unknown key `recommender.model` in the broker's configuration; did you mean \
             `recommender.models`?",
        ),
        (&["set", "recommender.models"], 2, "kindred: `recommender.models` is not KEY=VALUE"),
        (&["set", "node.id=7"], 1, "kindred: `node.id` can be set only before the broker starts"),
        (&["list", "--topic", "nothing"], 1, "kindred: "),
    ] {
        let (out, err, found) = said(&config(&broker, arguments));
        assert_eq!((found, &*out), (code, ""), "{arguments:?}: {err}");
        assert!(err.starts_with(line) && err.lines().count() == 1, "{arguments:?}: {err}");
    }
}
