//! How a server's database compares texts: without regard to case and to most accents.
//!
//! This is the order `utf8_general_ci` as far as people type it: one letter stands for one letter.

/// Letters with accents and what they are compared as.
const FOLDS: &[(&str, char)] = &[
    ("àáâãäåāăą", 'a'),
    ("çćĉċč", 'c'),
    ("ď", 'd'),
    ("èéêëēĕėęě", 'e'),
    ("ĝğġģ", 'g'),
    ("ĥ", 'h'),
    ("ìíîïĩīĭįı", 'i'),
    ("ĵ", 'j'),
    ("ķ", 'k'),
    ("ĺļľ", 'l'),
    ("ñńņň", 'n'),
    ("òóôõöōŏő", 'o'),
    ("ŕŗř", 'r'),
    ("śŝşšßſ", 's'),
    ("ţť", 't'),
    ("ùúûüũūŭůűų", 'u'),
    ("ŵ", 'w'),
    ("ýÿŷ", 'y'),
    ("źżž", 'z'),
];

/// A text as it is compared.
pub(crate) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).filter(|letter| !is_mark(*letter)).map(base).collect()
}

/// Whether two texts are the same to the database.
pub(crate) fn is_same(text: &str, wanted: &str) -> bool {
    text.eq_ignore_ascii_case(wanted) || !(text.is_ascii() && wanted.is_ascii()) && folded(text) == folded(wanted)
}

fn base(letter: char) -> char {
    if letter.is_ascii() {
        return letter;
    }
    FOLDS.iter().find(|(letters, _)| letters.contains(letter)).map_or(letter, |(_, base)| *base)
}

/// The point that lower case makes of a capital I with a point.
fn is_mark(letter: char) -> bool {
    letter == '\u{307}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_case_do_not_count() {
        assert!(is_same("Ümläut", "umlaut") && is_same("İ", "i") && is_same("web", "WEB"));
        assert_eq!(folded("ß"), "s");
        assert!(!is_same("日", "本"));
    }
}
