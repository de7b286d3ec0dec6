//! What people say → what we call it: `catalog/synonyms.tsv`, in many languages.
//!
//! Each line is a concept and the words and word groups that stand for it; `*` stands for any ending. Commands and
//! requests are read with the same table, so that both meet in the concept whatever their words were.

use std::collections::HashMap;

use super::text::{self, Token};
use crate::catalog::Table;

/// One word of a pattern.
#[derive(Debug)]
struct Piece {
    stem: String,
    /// Whether any ending may follow.
    open: bool,
}

impl Piece {
    fn fits(&self, token: &Token) -> bool {
        if self.open { token.word.starts_with(&self.stem) } else { token.stem == self.stem }
    }
}

#[derive(Debug)]
struct Pattern {
    pieces: Vec<Piece>,
    concept: usize,
}

/// A stretch of text that is read as one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// The stems of its words.
    pub(super) stems: Vec<String>,
    /// The concepts that it stands for, each with `=` before it.
    pub(super) concepts: Vec<String>,
}

/// The table, ready for reading.
#[derive(Debug)]
pub(super) struct Gloss {
    concepts: Vec<String>,
    /// The patterns by the stem of their first word.
    closed: HashMap<String, Vec<Pattern>>,
    /// Those whose first word may have any ending, by its first two letters.
    open: HashMap<Start, Vec<Pattern>>,
}

/// The first two letters of a word.
type Start = (Option<char>, Option<char>);

impl Gloss {
    /// The embedded table.
    pub(super) fn embedded() -> Self {
        Self::new(&Table::new(include_str!("../../../../catalog/synonyms.tsv")))
    }

    fn new(table: &Table) -> Self {
        let mut gloss = Self { concepts: Vec::new(), closed: HashMap::new(), open: HashMap::new() };
        for line in table.lines() {
            let Some((concept, others)) = line.split_once('\t') else { continue };
            let at = gloss.concepts.len();
            gloss.concepts.push(format!("={concept}"));
            for other in others.split(',').chain([concept]) {
                let pieces = pieces(other);
                let Some(first) = pieces.first() else { continue };
                let drawer = if first.open { gloss.open.entry(start(&first.stem)).or_default() } else { gloss.closed.entry(first.stem.clone()).or_default() };
                drawer.push(Pattern { pieces, concept: at });
            }
        }
        gloss
    }

    /// Whether some pattern of one word fits this word.
    pub(super) fn knows(&self, token: &Token) -> bool {
        self.patterns(token).any(|pattern| pattern.pieces.len() == 1 && pattern.pieces.first().is_some_and(|piece| piece.fits(token)))
    }

    /// The single words of the table, for repairing slips.
    pub(super) fn single_words(&self) -> impl Iterator<Item = &str> {
        let single = self.closed.values().chain(self.open.values()).flatten().filter(|pattern| pattern.pieces.len() == 1);
        single.filter_map(|pattern| pattern.pieces.first()).map(|piece| piece.stem.as_str())
    }

    /// Reads words as units; at each word the longest pattern wins, and all patterns of that length count. The concepts
    /// of shorter patterns within it count too: a "vm snapshot" is still something about a VM.
    pub(super) fn read(&self, tokens: &[Token]) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = tokens.get(at..).unwrap_or_default();
            let (length, mut concepts) = self.longest(token, rest, usize::MAX);
            let taken = rest.get(..length.max(1)).unwrap_or_default();
            self.add_inner(taken, &mut concepts);
            let mut stems: Vec<String> =
                taken.iter().filter(|token| !token.is_letter() && !text::is_stop_word(&token.word)).map(|token| token.stem.clone()).collect();
            if length == 0 {
                stems.extend(rest.get(1).filter(|next| token.is_letter() && next.is_letter()).map(|next| format!("{}{}", token.word, next.word)));
            }
            if !stems.is_empty() || !concepts.is_empty() {
                units.push(Unit { stems, concepts });
            }
            at += length.max(1);
        }
        units
    }

    /// Adds the concepts of the patterns that are shorter than what was taken, and lie within it.
    fn add_inner(&self, taken: &[Token], concepts: &mut Vec<String>) {
        let mut at = 0;
        while let Some(token) = taken.get(at).filter(|_| taken.len() > 1) {
            let (length, inner) = self.longest(token, taken.get(at..).unwrap_or_default(), taken.len() - 1);
            for concept in inner {
                if !concepts.contains(&concept) {
                    concepts.push(concept);
                }
            }
            at += length.max(1);
        }
    }

    /// The length of the longest pattern of at most `most` words that begins here, and the concepts of all of that length.
    fn longest(&self, first: &Token, rest: &[Token], most: usize) -> (usize, Vec<String>) {
        let mut length = 0;
        let mut concepts: Vec<String> = Vec::new();
        for pattern in self.patterns(first) {
            let size = pattern.pieces.len();
            let fits = size >= length && size <= most && size <= rest.len() && pattern.pieces.iter().zip(rest).all(|(piece, token)| piece.fits(token));
            if !fits {
                continue;
            }
            if size > length {
                concepts.clear();
                length = size;
            }
            if let Some(concept) = self.concepts.get(pattern.concept).filter(|concept| !concepts.contains(concept)) {
                concepts.push(concept.clone());
            }
        }
        (length, concepts)
    }

    fn patterns(&self, token: &Token) -> impl Iterator<Item = &Pattern> {
        self.closed.get(&token.stem).into_iter().chain(self.open.get(&start(&token.word))).flatten()
    }
}

fn start(word: &str) -> Start {
    let mut letters = word.chars();
    (letters.next(), letters.next())
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for word in pattern.split_whitespace() {
        let open = word.ends_with('*');
        let tokens = text::tokens(word.trim_end_matches('*'));
        let last = tokens.len().saturating_sub(1);
        pieces.extend(tokens.into_iter().enumerate().map(|(at, token)| {
            let open = open && at == last && !token.is_letter();
            Piece { stem: if open { token.word } else { token.stem }, open }
        }));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let gloss = Gloss::new(&Table::new("firewall\tport, puerto*\npublicip\tpublic ip, 公网ip\nreboot\tbounce, 再起動\nvm\tserver, box, サーバー\n"));
        gloss.read(&text::tokens(text)).into_iter().map(|unit| unit.concepts).filter(|concepts| !concepts.is_empty()).collect()
    }

    #[test]
    fn words_of_any_language_meet_in_a_concept() {
        assert_eq!(read("bounce the servers"), [["=reboot"], ["=vm"]]);
        assert_eq!(read("サーバーを再起動"), [["=vm"], ["=reboot"]]);
        assert_eq!(read("los puertos"), [["=firewall"]]);
    }

    #[test]
    fn the_longest_group_of_words_wins() {
        assert_eq!(read("a public IP"), [["=publicip"]]);
        assert_eq!(read("公网IP"), [["=publicip"]]);
        assert!(read("public").is_empty());
    }
}
