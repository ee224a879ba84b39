//! What the documents say of the tests is so: every test that `docs/protocol.md` names exists.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Where tests are.
const ROOTS: [&str; 6] =
    ["tests/process", "tests/python", "broker/src", "storage/src", "protocol/src", "protocol/tests"];

/// Adds `file::function` of every function below `directory`; a `mod.rs` counts as its directory.
fn collect(directory: &Path, names: &mut HashSet<String>) {
    let entries = fs::read_dir(directory).expect("a directory of the repository");
    for path in entries.map(|entry| entry.expect("a readable directory").path()) {
        if path.is_dir() {
            collect(&path, names);
            continue;
        }
        let is_source = path.extension().is_some_and(|extension| extension == "rs" || extension == "py");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let parent = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let file = if stem == "mod" { parent } else { stem };
        let text = if is_source { fs::read_to_string(&path).expect("a source is text") } else { continue };
        for line in text.lines().map(str::trim_start) {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def "));
            let name = rest.and_then(|rest| rest.split_once('(')).map(|(name, _)| name);
            names.extend(name.map(|name| format!("{file}::{name}")));
        }
    }
}

#[test]
fn every_test_that_the_protocol_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = HashSet::new();
    ROOTS.iter().for_each(|directory| collect(&root.join(directory), &mut names));
    let page = fs::read_to_string(root.join("docs/protocol.md")).expect("the page is there");
    let named: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| code.contains("::"))
        .collect();
    assert!(named.len() > 60, "only {} tests are named", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "named and not there: {missing:?}");
}
