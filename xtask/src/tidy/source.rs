//! A Rust file taken apart by lines into code, texts and comments. No parser: enough to tell the three from each other.

use super::Breach;

/// A head that says less than this says nothing.
const HEAD_CHARACTERS_MIN: usize = 15;

/// A file of Rust.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) lines: Vec<Line>,
    /// The line (from 0) at which the file's own tests begin; its length if there are none.
    tests_from: usize,
}

/// A line of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The code, with the inside of texts left out.
    pub(super) code: String,
    /// The inside of the texts on this line.
    pub(super) texts: String,
    /// The comment.
    pub(super) comment: String,
}

/// Where the reader is between two characters.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Code,
    LineComment,
    BlockComment(u32),
    Text,
    RawText(usize),
}

impl Source {
    /// Takes a file apart.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let lines = split(text);
        let inline = lines.iter().position(|line| line.code.trim() == "#[cfg(test)]").unwrap_or(lines.len());
        let is_test = path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs");
        Self { path: path.to_owned(), tests_from: if is_test { 0 } else { inline }, lines }
    }

    /// The lines that are no tests, with their numbers from 1.
    pub(super) fn product(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.numbered().take(self.tests_from)
    }

    /// All lines, with their numbers from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().map(|(at, line)| (at + 1, line))
    }
}

/// Each file says at its head what it is.
pub(super) fn check_head(source: &Source, breaches: &mut Vec<Breach>) {
    let head: String = source.lines.iter().map_while(|line| line.comment.strip_prefix("//!")).collect();
    if head.trim().len() < HEAD_CHARACTERS_MIN {
        breaches.push(Breach::new(&source.path, 1, "no head: open the file with `//!`, what it is and what it is not"));
    }
}

fn split(text: &str) -> Vec<Line> {
    let letters: Vec<char> = text.chars().collect();
    let (mut lines, mut line, mut place, mut at) = (Vec::new(), Line::default(), Place::Code, 0);
    while let Some(&letter) = letters.get(at) {
        if letter == '\n' {
            lines.push(std::mem::take(&mut line));
            if place == Place::LineComment {
                place = Place::Code;
            }
            at += 1;
            continue;
        }
        let rest = letters.get(at..).unwrap_or_default();
        let (next, taken) = step(place, rest);
        let target = match (place, next) {
            (Place::Code, Place::LineComment | Place::BlockComment(_)) | (Place::LineComment | Place::BlockComment(_), _) => &mut line.comment,
            (Place::Code, _) => &mut line.code,
            (Place::Text | Place::RawText(_), _) => &mut line.texts,
        };
        target.extend(rest.iter().take(taken));
        if next == Place::Code && matches!(place, Place::Text | Place::RawText(_)) {
            line.code.push('"');
            line.texts.push(' ');
        }
        place = next;
        at += taken;
    }
    lines.push(line);
    lines
}

/// Where the next characters lead, and how many they are.
fn step(place: Place, rest: &[char]) -> (Place, usize) {
    match (place, rest) {
        (Place::Code, ['/', '/', ..]) => (Place::LineComment, 2),
        (Place::Code, ['/', '*', ..]) => (Place::BlockComment(1), 2),
        (Place::Code, ['"', ..]) => (Place::Text, 1),
        (Place::Code, ['r', following @ ..]) => match following.iter().position(|letter| *letter != '#') {
            Some(hashes) if following.get(hashes) == Some(&'"') => (Place::RawText(hashes), hashes + 2),
            _ => (Place::Code, 1),
        },
        (Place::Code, ['\'', '\\', _, following @ ..]) => (Place::Code, 4 + following.iter().position(|letter| *letter == '\'').unwrap_or(0)),
        (Place::Code, ['\'', _, '\'', ..]) => (Place::Code, 3),
        (Place::BlockComment(depth), ['/', '*', ..]) => (Place::BlockComment(depth + 1), 2),
        (Place::BlockComment(1), ['*', '/', ..]) | (Place::Text, ['"', ..]) => (Place::Code, if place == Place::Text { 1 } else { 2 }),
        (Place::BlockComment(depth), ['*', '/', ..]) => (Place::BlockComment(depth - 1), 2),
        (Place::Text, ['\\', '\n', ..]) => (Place::Text, 1),
        (Place::Text, ['\\', _, ..]) => (Place::Text, 2),
        (Place::RawText(hashes), ['"', following @ ..]) if following.iter().take(hashes).filter(|letter| **letter == '#').count() == hashes => {
            (Place::Code, 1 + hashes)
        }
        _ => (place, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_texts_and_comments_are_told_apart() {
        let source = Source::parse("a.rs", "let a = \"x // y\"; // z \"q\"\nlet b = r#\"c\"d\"#; let c = '\"'; /* in\nside */ fn f<'a>() {}\n\"e\\\"f\"\n");
        let shown: Vec<(&str, &str, &str)> = source.lines.iter().map(|line| (line.code.trim(), line.texts.trim(), line.comment.trim())).collect();
        assert_eq!(shown[0], ("let a = \"\";", "x // y\"", "// z \"q\""));
        assert_eq!(shown[1], ("let b = r#\"\"; let c = '\"';", "c\"d\"#", "/* in"));
        assert_eq!(shown[2].0, "fn f<'a>() {}");
        assert_eq!(shown[3].1, "e\\\"f\"");
    }

    #[test]
    fn a_files_own_tests_are_no_product() {
        let source = Source::parse("crates/x/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {}\n");
        assert_eq!(source.product().count(), 1);
        assert_eq!(Source::parse("crates/x/tests/it/a.rs", "fn a() {}\n").product().count(), 0);
    }
}
