//! The key that was probably meant.

/// The name closest to `word`, if it is close enough to be a slip of the pen: at most a third of its letters
/// wrong, and never more than five.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = (word.len() / 3).min(5);
    names
        .map(|name| (distance(word.as_bytes(), name.as_bytes()), name))
        .min()
        .filter(|(distance, _)| *distance <= distance_max)
        .map(|(_, name)| name)
}

/// Edit distance with insertions, deletions, substitutions and swaps of neighbours, each costing one
/// ("optimal string alignment"). Three rows of the table are kept: a swap looks back two.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("retention", "retnetion", 1),
            ("log.dir", "log.dirs", 1),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = ["log.segment.bytes", "log.retention.ms", "listeners"];
        for (word, expected) in [
            ("log.segmnet.bytes", Some("log.segment.bytes")),
            ("log.segment.byte", Some("log.segment.bytes")),
            ("listener", Some("listeners")),
            ("zookeeper.connect", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names.into_iter()), expected, "{word}");
        }
    }
}
