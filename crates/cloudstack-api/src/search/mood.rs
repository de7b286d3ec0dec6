//! Whether a request asks, or says that something shall be no more. English only: other languages meet the catalog in
//! the concepts of `catalog/synonyms.tsv`.

use super::text;

/// What people begin with before they come to the point.
const OPENINGS: &[&str] = &[
    "please",
    "pls",
    "plz",
    "hi",
    "hello",
    "hey",
    "ok",
    "so",
    "and",
    "oh no",
    "can you",
    "could you",
    "would you",
    "will you",
    "how do i",
    "how can i",
    "how do we",
    "how can we",
    "how to",
    "how would i",
    "i want to",
    "i need to",
    "i d like to",
    "i would like to",
    "i have to",
    "we have to",
    "we need to",
    "we want to",
    "let me",
    "let us",
    "let s",
    "help me to",
    "help me",
    "is it possible to",
    "can i",
    "can we",
    "may i",
    "i must",
    "we must",
    "where can i",
    "where do i",
];
/// How questions begin, and orders to show something.
const QUESTIONS: &[&str] = &[
    "which",
    "what",
    "whats",
    "wich",
    "who",
    "whose",
    "whom",
    "with whom",
    "with which",
    "where",
    "when",
    "why",
    "how many",
    "how much",
    "how far",
    "how full",
    "how long",
    "how often",
    "how big",
    "how old",
    "how busy",
    "how loaded",
    "how is",
    "how are",
    "how was",
    "how were",
    "how does",
    "how do",
    "how did",
    "how has",
    "how have",
    "is",
    "are",
    "was",
    "were",
    "do",
    "does",
    "did",
    "has",
    "have",
    "had",
    "am",
    "any",
    "anything",
    "anyone",
    "anybody",
    "into which",
    "under which",
    "under what",
    "in which",
    "to which",
    "against which",
    "from which",
    "on which",
    "by which",
    "of which",
    "at which",
    "for which",
    "show",
    "list",
    "display",
    "view",
    "see",
    "find",
    "tell me",
    "give me a list",
    "give me an overview",
    "overview",
    "check",
    "look up",
    "print",
    "get",
];
/// Words that take something back.
const DENIALS: &[&str] = &[
    "no longer",
    "not any more",
    "not anymore",
    "any more",
    "anymore",
    "any longer",
    "don t",
    "dont",
    "do not",
    "doesn t",
    "does not",
    "nobody",
    "no one",
    "no more",
    "shall not",
    "should not",
    "shouldn t",
    "must not",
    "mustn t",
    "without",
    "never",
    "nothing",
    "can go",
    "must go",
    "has to go",
    "is gone",
    "are gone",
    "is over",
    "isn t",
    "is not",
    "aren t",
    "end of life",
    "forget",
    "unneeded",
    "obsolete",
    "unused",
    "get rid",
];

/// What a request is, beyond what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mood {
    /// It wants to know, not to change.
    pub(super) asks: bool,
    /// Something shall end.
    pub(super) denies: bool,
}

impl Mood {
    /// The mood of a request or a phrase.
    pub(super) fn of(request: &str) -> Self {
        let words = text::words(request);
        let point = to_the_point(&words);
        let asks = request.trim_end().ends_with(['?', '？']) || QUESTIONS.iter().any(|question| starts_with(point, question));
        let denies =
            (0..point.len()).any(|at| point.get(at..).is_some_and(|rest| ends_something(rest) || DENIALS.iter().any(|denial| starts_with(rest, denial))));
        Self { asks, denies }
    }
}

fn to_the_point(words: &[String]) -> &[String] {
    let mut rest = words;
    while let Some(length) = OPENINGS.iter().find(|opening| starts_with(rest, opening)).map(|opening| opening.split(' ').count()) {
        rest = rest.get(length..).unwrap_or_default();
    }
    rest
}

fn starts_with(words: &[String], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase.split(' ').all(|wanted| words.next().is_some_and(|word| word == wanted))
}

/// "Stop allowing", "stop spreading".
fn ends_something(words: &[String]) -> bool {
    words.first().is_some_and(|word| word == "stop") && words.get(1).is_some_and(|word| word.ends_with("ing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_from_orders_however_politely_they_begin() {
        for question in ["which ports are open", "Is any host down", "please show my disks", "my disks?"] {
            assert!(Mood::of(question).asks, "{question}");
        }
        for order in ["open port 22", "how do I open a port", "can you please restart it", "let me add a disk"] {
            assert!(!Mood::of(order).asks, "{order}");
        }
    }

    #[test]
    fn what_shall_be_no_more_is_denied() {
        for denial in ["don't back it up", "stop allowing smtp", "nobody may use it", "the pool can go"] {
            assert!(Mood::of(denial).denies, "{denial}");
        }
        assert!(!Mood::of("stop the server").denies);
    }
}
