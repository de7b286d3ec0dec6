//! What was learned from the phrases: how near the words of a request are to each command.
//!
//! `catalog/meaning.bin` holds a short vector for each word, concept and mood, and one for each command; both were fitted
//! to our own phrases and requests, so that the vectors of a phrase's words add up to that of its command
//! (`cargo run --release -p cloudstack-api --example learn`). It is read in place. A command or word that it does not
//! know simply has no opinion from here.

use super::section::{Lines, joined, long, split};

/// The least that a command's likelihood counts, as a logarithm: below it all are equally unlikely.
pub(super) const LIKELIHOOD_MIN: f32 = -14.0;
/// The largest number of a row.
const ROW_MAX: f32 = 127.0;

/// Rows of small numbers, each with its scale, found by name.
#[derive(Debug, Default)]
struct Rows {
    names: Lines<'static>,
    bytes: &'static [u8],
    dimensions: usize,
}

impl Rows {
    fn get(&self, name: &str) -> Option<(f32, &'static [u8])> {
        self.at(self.names.place(name)?)
    }

    fn at(&self, position: usize) -> Option<(f32, &'static [u8])> {
        let width = self.dimensions + size_of::<f32>();
        let row = self.bytes.get(position.checked_mul(width)?..)?.get(..width)?;
        let (scale, numbers) = row.split_first_chunk()?;
        Some((f32::from_le_bytes(*scale), numbers))
    }
}

/// The vectors.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    terms: Rows,
    commands: Rows,
    /// For each document: the row of its command.
    documents: Vec<Option<usize>>,
}

impl Meaning {
    /// The embedded vectors, for documents with these names.
    pub(super) fn embedded<'a>(documents: impl Iterator<Item = &'a str> + Clone) -> Self {
        let unknown = documents.clone().map(|_| None).collect();
        Self::open(include_bytes!("../../../../catalog/meaning.bin"), documents).unwrap_or_else(|| Self { documents: unknown, ..Self::default() })
    }

    fn open<'a>(bytes: &'static [u8], documents: impl Iterator<Item = &'a str>) -> Option<Self> {
        let [dimensions, terms, term_rows, commands, command_rows] = split(bytes)?;
        let dimensions = usize::try_from(u32::from_le_bytes(*dimensions.first_chunk()?)).ok()?;
        let (terms, commands) = (Lines::open(terms)?, Lines::open(commands)?);
        let documents = documents.map(|name| commands.place(name)).collect();
        let rows = |names, bytes| Rows { names, bytes, dimensions };
        Some(Self { terms: rows(terms, term_rows), commands: rows(commands, command_rows), documents })
    }

    /// For each document the logarithm of its likelihood, given what was read in the request; all the least if nothing is known.
    pub(super) fn likelihoods<'a>(&self, features: impl Iterator<Item = &'a str>) -> Vec<f32> {
        let mut sum = vec![0.0_f32; self.terms.dimensions];
        let mut known = 0_u8;
        for (scale, row) in features.filter_map(|feature| self.terms.get(feature)) {
            known = known.saturating_add(1);
            for (total, number) in sum.iter_mut().zip(row) {
                *total += scale * signed(*number);
            }
        }
        if known == 0 {
            return vec![LIKELIHOOD_MIN; self.documents.len()];
        }
        let length = f32::from(known).sqrt();
        let near = |row: Option<usize>| {
            let (scale, row) = self.commands.at(row?)?;
            Some(scale / length * sum.iter().zip(row).map(|(total, number)| total * signed(*number)).sum::<f32>())
        };
        let scores: Vec<Option<f32>> = self.documents.iter().map(|row| near(*row)).collect();
        let best = scores.iter().flatten().copied().fold(f32::MIN, f32::max);
        let whole = best + scores.iter().flatten().map(|score| (score - best).exp()).sum::<f32>().ln();
        scores.into_iter().map(|score| score.map_or(LIKELIHOOD_MIN, |score| (score - whole).max(LIKELIHOOD_MIN))).collect()
    }
}

/// Writes the file that [`Meaning`] reads: a vector for each term and for each command, both sorted by name.
#[must_use]
pub fn written(terms: &[(String, Vec<f32>)], commands: &[(String, Vec<f32>)]) -> Vec<u8> {
    let dimensions = terms.first().map_or(0, |(_, row)| row.len());
    let names = |rows: &[(String, Vec<f32>)]| Lines::written(rows.iter().map(|(name, _)| name.as_str()));
    let numbers = |rows: &[(String, Vec<f32>)]| rows.iter().flat_map(|(_, row)| small(row)).collect::<Vec<u8>>();
    joined(&[long(dimensions).to_le_bytes().to_vec(), names(terms), numbers(terms), names(commands), numbers(commands)])
}

/// A row as its scale and small numbers.
fn small(row: &[f32]) -> Vec<u8> {
    let scale = row.iter().fold(f32::MIN_POSITIVE, |most, number| most.max(number.abs())) / ROW_MAX;
    scale.to_le_bytes().into_iter().chain(row.iter().map(|number| rounded(number / scale).cast_unsigned())).collect()
}

fn signed(byte: u8) -> f32 {
    f32::from(byte.cast_signed())
}

#[expect(clippy::cast_possible_truncation, reason = "the scale was chosen so that it fits")]
fn rounded(number: f32) -> i8 {
    number.round() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_whose_vector_points_like_those_of_the_words_is_likeliest() {
        let row = |name: &str, row: [f32; 2]| (name.to_owned(), row.to_vec());
        let bytes = written(&[row("boot", [3.0, 0.0]), row("halt", [0.0, 3.0])], &[row("startIt", [2.0, 0.1]), row("stopIt", [0.0, 2.0])]);
        let meaning = Meaning::open(bytes.leak(), ["newcomer", "startIt", "stopIt"].into_iter()).unwrap();
        let likelihoods = meaning.likelihoods(["halt", "unheard"].into_iter());
        assert!(likelihoods[2] > likelihoods[1] && likelihoods[1] > likelihoods[0], "{likelihoods:?}");
        assert!(likelihoods[2] > -0.1, "{likelihoods:?}");
        assert_eq!(meaning.likelihoods(["unheard"].into_iter()), [LIKELIHOOD_MIN; 3]);
    }

    #[test]
    fn every_command_has_a_vector() {
        let meaning = Meaning::embedded(["deployVirtualMachine", "listZones"].into_iter());
        assert_eq!(meaning.documents.iter().flatten().count(), 2);
    }
}
