//! Content: items whose words are alike, by TF-IDF. What has no behaviour yet is found by it.
//!
//! The text of an item is its title, description, tags and categories. With tf the times a term stands in it, n all
//! items with text and df those with the term,
//!
//! ```text
//! idf(t) = ln((1 + n) / (1 + df)) + 1        v_t = tf·idf(t), scaled to length 1
//! similarity(x, y) = v_x · v_y               profile of a user = Σ_k 0.9^k · v(h_k), scaled to length 1
//! ```
//!
//! Terms are runs of two and more letters, digits and underscores, in lower case; runs of Chinese, Japanese and Korean
//! characters, which are written without spaces, give every pair of neighbours (and a lone one itself). That is
//! scikit-learn's `TfidfVectorizer` with its defaults, on text without such characters.
//!
//! idf moves with every new item. It is brought up to date whenever the items have grown by 1/16, and by
//! [`Model::settle`], so that describing an item costs its own terms alone.
//!
//! # Bounds
//! [`TERMS_MAX`] different terms, of which later ones are unknown words; [`ITEM_TERMS_MAX`] different terms an item.
//!
//! # Source
//! Salton & Buckley, Term-weighting approaches in automatic text retrieval, 1988.

use std::collections::BTreeMap;

use super::{Lesson, Model, Question, Scored};
use crate::ids::{IdMap, ItemIdx, Renumbering, UserIdx};
use crate::ingest::entity::ItemEntity;
use crate::state::State;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

pub(crate) const NAME: &str = "content";

/// Different terms known.
const TERMS_MAX: usize = 262_144;

/// Different terms kept of an item, the first.
const ITEM_TERMS_MAX: usize = 256;

/// How far back the history is asked.
const HISTORY_ASKED: usize = 20;

/// What each step back in the history is worth.
const DECAY: f64 = 0.9;

/// The model.
#[derive(Debug, Default)]
pub(crate) struct Content {
    terms: IdMap,
    /// Items with each term, and how often they have it.
    postings: Vec<Vec<(ItemIdx, f32)>>,
    /// Terms of each item, in order of number, and how often it has them.
    items: Vec<Vec<(u32, f32)>>,
    described: usize,
    /// As of the last refresh; terms that came since as of their first item.
    idf: Vec<f64>,
    /// Lengths of v before scaling, by the same idf.
    norms: Vec<f64>,
    refreshed: usize,
}

impl Content {
    fn terms_of(&self, item: ItemIdx) -> &[(u32, f32)] {
        self.items.get(item.at()).map_or(&[], Vec::as_slice)
    }

    /// Takes an item out.
    fn remove(&mut self, item: ItemIdx) {
        let Some(terms) = self.items.get_mut(item.at()).map(std::mem::take) else { return };
        self.described -= usize::from(!terms.is_empty());
        for (term, _) in terms {
            self.postings[term as usize].retain(|posting| posting.0 != item);
        }
    }

    fn add(&mut self, item: ItemIdx, counted: BTreeMap<u32, f32>) {
        if self.items.len() <= item.at() {
            self.items.resize_with(item.at() + 1, Vec::new);
            self.norms.resize(item.at() + 1, 0.0);
        }
        self.described += usize::from(!counted.is_empty());
        for (&term, &times) in &counted {
            self.postings[term as usize].push((item, times));
        }
        self.items[item.at()] = counted.into_iter().collect();
        while self.idf.len() < self.postings.len() {
            self.idf.push(self.rarity(self.idf.len()));
        }
        self.norms[item.at()] = self.norm(item);
    }

    /// How often the item has each term, giving terms numbers.
    fn count(&mut self, entity: &ItemEntity<'_>) -> BTreeMap<u32, f32> {
        let texts =
            entity.title.iter().chain(&entity.description).chain(&entity.tags).chain(&entity.categories);
        let mut counted = BTreeMap::new();
        for text in texts {
            for term in terms(text) {
                let number = match self.terms.get(&term) {
                    Some(number) => number,
                    None if self.terms.len() >= TERMS_MAX => continue,
                    None => match self.terms.get_or_insert(&term) {
                        Some((number, _)) => number,
                        None => continue,
                    },
                };
                self.postings.resize_with(self.terms.len(), Vec::new);
                if counted.len() < ITEM_TERMS_MAX || counted.contains_key(&number) {
                    *counted.entry(number).or_insert(0.0) += 1.0;
                }
            }
        }
        counted
    }

    fn rarity(&self, term: usize) -> f64 {
        ((1.0 + self.described as f64) / (1.0 + self.postings[term].len() as f64)).ln() + 1.0
    }

    fn norm(&self, item: ItemIdx) -> f64 {
        let squares =
            self.terms_of(item).iter().map(|&(t, tf)| (f64::from(tf) * self.idf[t as usize]).powi(2));
        squares.sum::<f64>().sqrt()
    }

    /// Brings idf and lengths up to the items of now.
    fn refresh(&mut self) {
        self.refreshed = self.described;
        self.idf = (0..self.postings.len()).map(|term| self.rarity(term)).collect();
        self.norms = (0..self.items.len() as u32).map(|item| self.norm(ItemIdx(item))).collect();
    }

    /// The direction of a history: terms with weights, of length 1.
    fn profile(&self, history: &[ItemIdx]) -> BTreeMap<u32, f64> {
        let mut profile = BTreeMap::new();
        let mut decay = 1.0;
        for &item in history.iter().take(HISTORY_ASKED) {
            for &(term, times) in self.terms_of(item) {
                let value = f64::from(times) * self.idf[term as usize] / self.norms[item.at()];
                *profile.entry(term).or_insert(0.0) += decay * value;
            }
            decay *= DECAY;
        }
        let length = profile.values().map(|value| value * value).sum::<f64>().sqrt();
        profile.values_mut().for_each(|value| *value /= length);
        profile
    }
}

/// The terms of a text, in order.
fn terms(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lower = text.to_lowercase();
    // Runs of one kind: words, characters written without spaces, and what stands between them.
    let chars: Vec<char> = lower.chars().collect();
    for run in chars.chunk_by(|&a, &b| kind(a) == kind(b)) {
        match kind(run[0]) {
            Kind::Between => {}
            Kind::Word if run.len() >= 2 => found.push(run.iter().collect()),
            Kind::Word => {}
            Kind::Ideographs if run.len() == 1 => found.push(run[0].to_string()),
            Kind::Ideographs => found.extend(run.windows(2).map(|pair| pair.iter().collect::<String>())),
        }
    }
    found
}

#[derive(PartialEq)]
enum Kind {
    Word,
    Ideographs,
    Between,
}

fn kind(c: char) -> Kind {
    match u32::from(c) {
        0x3041..=0x3096
        | 0x30a1..=0x30fc
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0x20000..=0x3134f => Kind::Ideographs,
        _ if c.is_alphanumeric() || c == '_' => Kind::Word,
        _ => Kind::Between,
    }
}

impl Model for Content {
    fn learn(&mut self, _lesson: &Lesson<'_>) {}

    fn describe(&mut self, item: ItemIdx, entity: &ItemEntity<'_>) {
        self.remove(item);
        let counted = self.count(entity);
        self.add(item, counted);
        if self.described > self.refreshed + self.refreshed / 16 {
            self.refresh();
        }
    }

    fn withdraw(&mut self, item: ItemIdx) {
        self.remove(item);
    }

    fn settle(&mut self, _state: &State) {
        self.refresh();
    }

    fn forget(&mut self, _state: &State, _user: UserIdx, _liked: &[ItemIdx]) {}

    fn renumber_items(&mut self, _state: &State, renumbering: &Renumbering) {
        let old = std::mem::take(self);
        for (item, counts) in (0..).map(ItemIdx).zip(old.items) {
            let Some(item) = renumbering.item(item).filter(|_| !counts.is_empty()) else { continue };
            let mut counted = BTreeMap::new();
            for (term, times) in counts {
                // There is room: these are terms that were known before.
                if let Some((number, _)) = self.terms.get_or_insert(old.terms.text_of(term)) {
                    self.postings.resize_with(self.terms.len(), Vec::new);
                    counted.insert(number, times);
                }
            }
            self.add(item, counted);
        }
        self.refresh();
    }

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let profile = self.profile(question.history);
        let mut sums = vec![0.0; self.items.len()];
        for (&term, &weight) in &profile {
            let weight = weight * self.idf[term as usize];
            for &(item, times) in &self.postings[term as usize] {
                sums[item.at()] += weight * f64::from(times);
            }
        }
        for (item, (sum, norm)) in (0..).map(ItemIdx).zip(sums.iter().zip(&self.norms)) {
            if *sum > 0.0 {
                scored.push((item, (sum / norm) as f32));
            }
        }
    }

    fn size_bytes(&self) -> usize {
        let postings: usize = self.postings.iter().map(|list| 24 + list.capacity() * 8).sum();
        let items: usize = self.items.iter().map(|list| 24 + list.capacity() * 8).sum();
        self.terms.size_bytes() + postings + items + (self.idf.capacity() + self.norms.capacity()) * 8
    }

    fn save(&self, out: &mut Writer) {
        self.terms.save(out);
        self.idf.iter().for_each(|&value| out.f64(value));
        out.u32(self.items.len() as u32);
        for (terms, &norm) in self.items.iter().zip(&self.norms) {
            out.f64(norm);
            out.u32(terms.len() as u32);
            for &(term, times) in terms {
                out.u32(term);
                out.f32(times);
            }
        }
        // The postings are the same again, in the order in which items were described.
        for posting in &self.postings {
            out.u32(posting.len() as u32);
            posting.iter().for_each(|(item, _)| out.u32(item.0));
        }
        out.u32(self.refreshed as u32);
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let malformed = || SnapshotError::Malformed("terms");
        self.terms = IdMap::load(input)?;
        for _ in 0..self.terms.len() {
            self.idf.push(input.f64()?);
        }
        for _ in 0..input.count(12)? {
            self.norms.push(input.f64()?);
            let mut terms = Vec::new();
            for _ in 0..input.count(8)? {
                terms.push((input.u32()?, input.f32()?));
            }
            if terms.iter().any(|&(term, _)| term as usize >= self.terms.len()) {
                return Err(malformed());
            }
            self.described += usize::from(!terms.is_empty());
            self.items.push(terms);
        }
        for term in 0..self.terms.len() as u32 {
            let mut posting = Vec::new();
            for _ in 0..input.count(4)? {
                let item = ItemIdx(input.u32()?);
                let own = self.terms_of(item);
                let place = own.binary_search_by_key(&term, |own| own.0).map_err(|_| malformed())?;
                posting.push((item, own[place].1));
            }
            self.postings.push(posting);
        }
        self.refreshed = input.u32()? as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_of_many_scripts() {
        for (text, expected) in [
            ("A Red-hot POKER, 2 x 10cm", "red hot poker 10cm"),
            ("Été à Zürich_1", "été zürich_1"),
            ("白い猫のぬいぐるみ", "白い い猫 猫の のぬ ぬい いぐ ぐる るみ"),
            ("紅 tea茶", "紅 tea 茶"),
            ("한국어 책", "한국 국어 책"),
            ("  ", ""),
        ] {
            assert_eq!(terms(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn likeness_by_hand() {
        let mut content = Content::default();
        let describe = |content: &mut Content, item, title: &'static str| {
            content
                .describe(ItemIdx(item), &ItemEntity { title: Some(title.into()), ..ItemEntity::default() });
        };
        describe(&mut content, 0, "red lamp");
        describe(&mut content, 1, "red red chair");
        describe(&mut content, 2, "blue chair");
        content.refresh();
        // n = 3: idf of red and chair ln(4/3) + 1 = 1.28768, of lamp and blue ln(4/2) + 1 = 1.69315.
        let (common, rare) = ((4f64 / 3.0).ln() + 1.0, 2f64.ln() + 1.0);
        let state = State::default();
        let mut scored = Vec::new();
        content.score(&Question { state: &state, user: None, history: &[ItemIdx(0)] }, &mut scored);
        let (first, second) = (common.hypot(rare), (2.0 * common).hypot(common));
        assert_eq!(scored.len(), 2);
        assert!((f64::from(scored[0].1) - 1.0).abs() < 1e-6);
        assert!((f64::from(scored[1].1) - 2.0 * common * common / (first * second)).abs() < 1e-6);
        content.withdraw(ItemIdx(1));
        assert!(content.postings.iter().flatten().all(|posting| posting.0 != ItemIdx(1)));
        assert_eq!(content.described, 2);
    }
}
