//! What AlterConfigs and IncrementalAlterConfigs make of the settings that are there.

use std::collections::BTreeMap;
use std::fmt;

use super::key::{ConfigType, Key};
use super::own::built_in;

/// What to do to one key (KIP-339).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Put this value in place of any.
    Set,
    /// Go back to the default.
    Delete,
    /// Put these items behind those of the list.
    Append,
    /// Take these items out of the list.
    Subtract,
}

impl Operation {
    /// The operation with this number on the wire (`AlterConfigOp.OpType`).
    pub fn from_code(code: i8) -> Option<Self> {
        Some(match code {
            0 => Self::Set,
            1 => Self::Delete,
            2 => Self::Append,
            3 => Self::Subtract,
            _ => return None,
        })
    }
}

/// The name that the Admin client knows.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        })
    }
}

/// A change to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// The key.
    pub name: String,
    /// What to do to it.
    pub operation: Operation,
    /// The value, or the items; empty for [`Operation::Delete`].
    pub value: String,
}

/// A key whose value is no list was to be treated as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Can't {operation} to key {key} because its type is not LIST.")]
pub struct NotAList {
    operation: Operation,
    key: String,
}

/// What `own` becomes. A list that nobody set begins with its default's items, as in Apache Kafka.
///
/// Values are checked by whoever puts the result to use; keys that `table` lacks are carried along for that.
///
/// # Errors
/// [`NotAList`] names the first key that is none.
pub fn altered(
    table: &[Key],
    own: &BTreeMap<String, String>,
    alterations: &[Alteration],
) -> Result<BTreeMap<String, String>, NotAList> {
    let mut own = own.clone();
    for Alteration { name, operation, value } in alterations {
        let key = table.iter().find(|key| key.name == name);
        match operation {
            Operation::Set => {
                own.insert(name.clone(), value.clone());
            }
            Operation::Delete => {
                own.remove(name);
            }
            Operation::Append | Operation::Subtract => {
                let Some(key) = key.filter(|key| key.form.config_type() == ConfigType::List) else {
                    return Err(NotAList { operation: *operation, key: name.clone() });
                };
                let present = own.get(name).map(String::as_str).or_else(|| built_in(key)).unwrap_or_default();
                let items = changed_list(present, *operation == Operation::Append, value);
                own.insert(name.clone(), items);
            }
        }
    }
    Ok(own)
}

fn changed_list(present: &str, append: bool, value: &str) -> String {
    let mut items: Vec<&str> = present.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    for item in value.split(',').map(str::trim) {
        match (append, items.iter().position(|other| *other == item)) {
            (true, None) => items.push(item),
            (false, Some(at)) => {
                items.remove(at);
            }
            _ => {}
        }
    }
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::super::topic_keys;
    use super::*;

    fn alteration(name: &str, operation: Operation, value: &str) -> Alteration {
        Alteration { name: name.into(), operation, value: value.into() }
    }

    #[test]
    fn each_operation_changes_one_key() {
        use Operation::{Append, Delete, Set, Subtract};
        let own = BTreeMap::from([
            ("retention.ms".to_owned(), "1".to_owned()),
            ("cleanup.policy".to_owned(), "compact".to_owned()),
        ]);
        for (name, operation, value, expected) in [
            ("retention.ms", Set, "2", Some("2")),
            ("retention.ms", Delete, "", None),
            ("segment.ms", Delete, "", None),
            ("cleanup.policy", Append, "delete", Some("compact,delete")),
            ("cleanup.policy", Append, "compact", Some("compact")),
            ("cleanup.policy", Subtract, "compact", Some("")),
            ("cleanup.policy", Subtract, "delete", Some("compact")),
        ] {
            let now = altered(topic_keys(), &own, &[alteration(name, operation, value)]).unwrap();
            assert_eq!(now.get(name).map(String::as_str), expected, "{operation:?} {name} {value}");
        }
    }

    #[test]
    fn an_unset_list_begins_with_its_default() {
        let append = alteration("cleanup.policy", Operation::Append, "compact");
        let now = altered(topic_keys(), &BTreeMap::new(), &[append]).unwrap();
        assert_eq!(now["cleanup.policy"], "delete,compact");
    }

    #[test]
    fn only_lists_take_items() {
        for name in ["retention.ms", "no.such.key"] {
            let append = alteration(name, Operation::Append, "1");
            let error = altered(topic_keys(), &BTreeMap::new(), &[append]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Can't APPEND to key {name} because its type is not LIST.")
            );
        }
    }
}
