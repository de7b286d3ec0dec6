//! What people say → what we call it: `catalog/synonyms.tsv`, in many languages.
//!
//! Each line is a concept and the words and word groups that stand for it; `*` stands for any ending. Commands and
//! requests are read with the same table, so that both meet in the concept whatever their words were.

use super::{
    section::{Lines, joined, split},
    text::{self, Token},
};

/// A stretch of text that is read as one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its words, in lower case.
    pub(super) written: String,
    /// The stems of its words.
    pub(super) stems: Vec<String>,
    /// The concepts that it stands for, each with `=` before it.
    pub(super) concepts: Vec<String>,
}

/// What may follow a word of a pattern: any ending.
const OPEN: char = '*';

/// The table as [`written`] wrote it, read in place.
///
/// A pattern is a line: its words (stems, or beginnings with `*`), a tab, the place of its concept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gloss<'a> {
    concepts: Lines<'a>,
    /// The patterns whose first word is a stem, sorted by it.
    closed: Lines<'a>,
    /// Those whose first word may have any ending, sorted by its beginning.
    open: Lines<'a>,
}

/// A pattern and its concept.
#[derive(Clone, Copy)]
struct Pattern<'a> {
    pieces: &'a str,
    concept: &'a str,
}

impl<'a> Pattern<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (pieces, concept) = line.split_once('\t')?;
        Some(Self { pieces, concept })
    }

    fn first(line: &str) -> &str {
        line.split([' ', '\t', OPEN]).next().unwrap_or_default()
    }

    fn size(&self) -> usize {
        self.pieces.split(' ').count()
    }

    fn fits(&self, tokens: &[Token]) -> bool {
        let mut tokens = tokens.iter();
        self.pieces.split(' ').all(|piece| {
            tokens.next().is_some_and(|token| match piece.strip_suffix(OPEN) {
                Some(beginning) => token.word.starts_with(beginning),
                None => token.stem == piece,
            })
        })
    }
}

/// A table of synonyms as a section of the index file.
pub(super) fn written(table: &str) -> Vec<u8> {
    let (mut concepts, mut closed, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for (concept, others) in table.lines().filter_map(|line| line.split_once('\t')) {
        for pieces in others.split(',').chain([concept]).map(pieces) {
            let Some(first) = pieces.first() else { continue };
            let drawer = if first.ends_with(OPEN) { &mut open } else { &mut closed };
            drawer.push(format!("{}\t{}", pieces.join(" "), concepts.len()));
        }
        concepts.push(format!("={concept}"));
    }
    for drawer in [&mut closed, &mut open] {
        drawer.sort_by(|a, b| Pattern::first(a).cmp(Pattern::first(b)).then_with(|| a.cmp(b)));
        drawer.dedup();
    }
    joined(&[concepts, closed, open].map(|lines| Lines::written(lines.iter().map(String::as_str))))
}

/// A written pattern as stems, and beginnings with `*`.
fn pieces(pattern: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for word in pattern.split_whitespace() {
        let tokens = text::tokens(word.trim_end_matches(OPEN));
        let last = tokens.len().saturating_sub(1);
        pieces.extend(tokens.into_iter().enumerate().map(|(at, token)| {
            let open = word.ends_with(OPEN) && at == last && !token.is_letter();
            if open { format!("{}{OPEN}", token.word) } else { token.stem }
        }));
    }
    pieces
}

impl<'a> Gloss<'a> {
    /// Opens a section that [`written`] wrote.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let [concepts, closed, open] = split(bytes)?;
        Some(Self { concepts: Lines::open(concepts)?, closed: Lines::open(closed)?, open: Lines::open(open)? })
    }

    /// Whether some pattern of one word fits this word.
    pub(super) fn knows(&self, token: &Token) -> bool {
        self.patterns(token).any(|pattern| pattern.size() == 1)
    }

    /// The single words of the table, for repairing slips.
    pub(super) fn single_words(&self) -> impl Iterator<Item = &'a str> {
        let patterns = self.closed.iter().chain(self.open.iter()).filter_map(Pattern::read);
        patterns.filter(|pattern| pattern.size() == 1).map(|pattern| pattern.pieces.trim_end_matches(OPEN))
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
                units.push(Unit { written: text::joined(taken), stems, concepts });
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
            let size = pattern.size();
            if size < length || size > most || size > rest.len() || !pattern.fits(rest) {
                continue;
            }
            if size > length {
                concepts.clear();
                length = size;
            }
            let concept = pattern.concept.parse().ok().and_then(|place| self.concepts.get(place)).unwrap_or_default();
            if !concepts.iter().any(|known| known == concept) {
                concepts.push(concept.to_owned());
            }
        }
        (length, concepts)
    }

    /// The patterns whose first word fits a word.
    fn patterns(&self, token: &Token) -> impl Iterator<Item = Pattern<'a>> {
        let beginnings = token.word.char_indices().map(|(at, letter)| token.word.get(..at + letter.len_utf8()).unwrap_or_default());
        let open = beginnings.flat_map(|beginning| from(self.open, beginning));
        from(self.closed, &token.stem).chain(open).filter_map(Pattern::read)
    }
}

/// The lines that begin with this very word.
fn from<'a>(lines: Lines<'a>, word: &str) -> impl Iterator<Item = &'a str> {
    let start = lines.first(|line| Pattern::first(line) >= word);
    (start..lines.len()).filter_map(move |place| lines.get(place)).take_while(move |line| Pattern::first(line) == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let table = written("firewall\tport, puerto*\npublicip\tpublic ip, 公网ip\nreboot\tbounce, 再起動\nvm\tserver, box, サーバー\n");
        let gloss = Gloss::open(&table).unwrap();
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
