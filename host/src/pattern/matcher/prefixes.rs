//! Which of many texts a value begins with.

/// Texts, to be found as the beginnings of a value. Takes as long as a binary search, and then as there are hits.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// The first bytes of each text, as a number that orders as they do: a search that stays in the cache.
    heads: Vec<u64>,
    /// The texts, in order.
    texts: Vec<Entry>,
    /// The length of the longest one.
    longest: usize,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    /// The longest other text that this one begins with.
    parent: Option<u32>,
    hit: u32,
}

impl Prefixes {
    /// From texts that all differ, and what to answer for each.
    pub(super) fn new(mut texts: Vec<(Box<[u8]>, u32)>) -> Self {
        texts.sort_unstable();
        let longest = texts.iter().map(|(text, _)| text.len()).max().unwrap_or(0);
        let mut prefixes = Self { heads: Vec::new(), texts: Vec::new(), longest };
        for (text, hit) in texts {
            let last = (prefixes.texts.len() as u32).checked_sub(1);
            let parent = prefixes.chain(last).find(|place| text.starts_with(&prefixes.texts[*place as usize].text));
            prefixes.heads.push(head(&text));
            prefixes.texts.push(Entry { text, parent, hit });
        }
        prefixes
    }

    /// How much of a value matters.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Answers for all texts that `value` begins with.
    pub(super) fn find(&self, value: &[u8], mut hit: impl FnMut(u32)) {
        let head = head(value);
        let low = self.heads.partition_point(|other| *other < head);
        let equal = self.heads[low..].partition_point(|other| *other == head);
        let last = low + self.texts[low..low + equal].partition_point(|entry| *entry.text <= *value);
        let last = (last as u32).checked_sub(1);
        // Whatever the value begins with, the last text before it begins with too.
        for place in self.chain(last) {
            let entry = &self.texts[place as usize];
            if value.starts_with(&entry.text) {
                hit(entry.hit);
            }
        }
    }

    /// A text, and those it begins with, from the longest to the shortest.
    fn chain(&self, first: Option<u32>) -> impl Iterator<Item = u32> {
        std::iter::successors(first, |place| self.texts[*place as usize].parent)
    }
}

fn head(text: &[u8]) -> u64 {
    match text.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..text.len()].copy_from_slice(text);
            u64::from_be_bytes(first)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::Prefixes;

    proptest! {
        #[test]
        fn all_beginnings_are_found(texts in btree_set("[ab\0]{0,10}", 0..40), value in "[ab\0]{0,12}") {
            let numbered: Vec<(&str, u32)> = texts.iter().map(String::as_str).zip(0..).collect();
            let prefixes = Prefixes::new(numbered.iter().map(|(text, hit)| (text.as_bytes().into(), *hit)).collect());
            let mut found = Vec::new();
            prefixes.find(value.as_bytes(), |hit| found.push(hit));
            found.sort_unstable();
            let expected: Vec<u32> =
                numbered.iter().filter(|(text, _)| value.starts_with(text)).map(|(_, hit)| *hit).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
