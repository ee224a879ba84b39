//! What money is in.

use std::fmt;

/// Bytes of the longest name that is told apart.
const BYTES: usize = 8;

/// A currency by the name that events give it, in capitals: an ISO 4217 code, or any other word, cut to [`BYTES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Currency([u8; BYTES]);

impl Currency {
    /// That of money of which nobody said what it is in.
    pub(crate) const NONE: Self = Self([0; BYTES]);

    pub(crate) fn named(name: &str) -> Self {
        let name = name.trim().to_uppercase();
        let mut bytes = [0; BYTES];
        let end = (0..=BYTES).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        bytes[..end].copy_from_slice(&name.as_bytes()[..end]);
        Self(bytes)
    }

    /// Its name; nothing if it has none.
    pub(crate) fn name(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(BYTES);
        // It was cut at the end of a character.
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (given, name) in [
            ("EUR", "EUR"),
            (" usd ", "USD"),
            ("", ""),
            ("€", "€"),
            ("bonus points", "BONUS PO"),
            ("éééééé", "ÉÉÉÉ"),
            ("aéééééé", "AÉÉÉ"),
        ] {
            assert_eq!(Currency::named(given).name(), name, "{given}");
            assert_eq!(Currency::named(name).to_string(), name);
        }
        assert_eq!(Currency::named(" "), Currency::NONE);
    }
}
