//! Which phrase of a command comes nearest to a request as a whole.

use super::{at, document::Phrase};

/// The phrases of all commands, found by their terms.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    /// For each term: the phrases that have it.
    postings: Vec<Vec<u32>>,
    /// For each phrase: its document and its mass.
    owners: Vec<(usize, f32)>,
}

impl Phrases {
    /// Takes up the phrases of all documents in their order.
    pub(super) fn new(documents: &[Vec<Phrase>], rarity: &[f32]) -> Self {
        let mut phrases = Self { postings: vec![Vec::new(); rarity.len()], owners: Vec::new() };
        for (document, phrase) in documents.iter().enumerate().flat_map(|(document, phrases)| phrases.iter().map(move |phrase| (document, phrase))) {
            let number = u32::try_from(phrases.owners.len()).unwrap_or(u32::MAX);
            let mass = |unit: &Vec<u32>| unit.iter().filter_map(|term| at(rarity, *term)).copied().fold(0.0, f32::max);
            phrases.owners.push((document, phrase.iter().map(mass).sum()));
            for term in phrase.iter().flatten() {
                let known = usize::try_from(*term).ok().and_then(|term| phrases.postings.get_mut(term));
                if let Some(known) = known.filter(|known| known.last() != Some(&number)) {
                    known.push(number);
                }
            }
        }
        phrases
    }

    /// For each of `count` documents how near its nearest phrase comes, from 0 to 1.
    ///
    /// A unit of the request is given as its terms with their mass, the heaviest first; `whole` is the mass of all units.
    pub(super) fn nearest(&self, units: &[Vec<(u32, f32)>], whole: f32, count: usize) -> Vec<f32> {
        let mut common = vec![(0.0_f32, usize::MAX); self.owners.len()];
        for (place, unit) in units.iter().enumerate() {
            for (term, mass) in unit {
                for phrase in at(&self.postings, *term).into_iter().flatten() {
                    let entry = usize::try_from(*phrase).ok().and_then(|phrase| common.get_mut(phrase));
                    if let Some((sum, last)) = entry.filter(|(_, last)| *last != place) {
                        *sum += mass;
                        *last = place;
                    }
                }
            }
        }
        let mut nearest = vec![0.0_f32; count];
        for ((document, own), (common, _)) in self.owners.iter().zip(common).filter(|(_, (common, _))| *common > 0.0) {
            if let Some(best) = nearest.get_mut(*document) {
                *best = best.max((common * common / (own * whole)).min(1.0));
            }
        }
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrase_with_most_in_common_is_nearest() {
        let rarity = [1.0, 2.0, 3.0];
        let phrases = Phrases::new(&[vec![vec![vec![0], vec![1]]], vec![vec![vec![0], vec![2]], vec![vec![2]]]], &rarity);
        let nearest = phrases.nearest(&[vec![(2, 3.0)]], 3.0, 2);
        assert_eq!(nearest, [0.0, 1.0]);
        let both = phrases.nearest(&[vec![(0, 1.0)], vec![(1, 2.0)]], 3.0, 2);
        assert!(both[0] > both[1] && both[1] > 0.0);
    }
}
