//! Text → words: case, accents, camel case and endings taken off; scripts without blanks cut into letters.

/// Words that say nothing about which command is meant, sorted.
const STOP_WORDS: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "das", "de", "del", "der", "des", "die", "do",
    "does", "du", "el", "en", "for", "from", "get", "give", "had", "has", "have", "het", "how", "i", "if", "il", "in", "into", "is", "it", "its", "just", "la",
    "las", "le", "les", "let", "lo", "los", "ma", "me", "mein", "meine", "meinen", "meiner", "mi", "mijn", "mir", "mis", "mon", "my", "need", "o", "of", "on",
    "one", "or", "os", "our", "per", "please", "plz", "por", "s", "should", "so", "some", "t", "teh", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "to", "too", "um", "uma", "un", "una", "up", "us", "van", "want", "was", "we", "were", "what", "when", "where", "which", "who", "will",
    "with", "would", "you", "your",
];

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// In lower case, without accents.
    pub(super) word: String,
    /// Without its ending.
    pub(super) stem: String,
}

impl Token {
    /// A word with its stem.
    pub(super) fn new(word: String) -> Self {
        Self { stem: stem(&word), word }
    }

    /// A stem, of which nothing more is taken off.
    pub(super) fn of_stem(stem: String) -> Self {
        Self { word: stem.clone(), stem }
    }

    /// Whether it is one letter of a script without blanks.
    pub(super) fn is_letter(&self) -> bool {
        self.word.chars().any(is_unspaced)
    }
}

/// Whether a word says nothing about which command is meant.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

/// Words as they are written: with blanks between them where their script has them.
pub(super) fn joined(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut before_is_letter = true;
    for token in tokens {
        if !(before_is_letter && (text.is_empty() || token.is_letter())) {
            text.push(' ');
        }
        text.push_str(&token.word);
        before_is_letter = token.is_letter();
    }
    text
}

/// The words of a text in their order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    words(text).into_iter().map(Token::new).collect()
}

/// The words of a text in lower case without accents; camel case counts as several words.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before_is_lower = false;
    for letter in text.chars() {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            word.push(letter);
            before_is_lower = !letter.is_ascii_digit();
            continue;
        }
        let camel = letter.is_uppercase() && before_is_lower;
        let apart = is_unspaced(letter);
        if !letter.is_alphanumeric() || camel || apart {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if apart {
            words.push(letter.to_string());
        } else if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase().flat_map(plain));
        }
        before_is_lower = letter.is_lowercase();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Takes English endings off, evenly rather than correctly: a term only has to meet its own kind.
pub(super) fn stem(word: &str) -> String {
    const ENDINGS: &[(&str, &str)] =
        &[("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("ing", ""), ("ied", "y"), ("ed", ""), ("s", ""), ("e", "")];
    const KEPT_MIN: usize = 3;
    let mut stem = word;
    for (ending, _) in ENDINGS {
        let Some(rest) = stem.strip_suffix(ending) else { continue };
        if rest.len() < KEPT_MIN || (*ending == "s" && rest.ends_with(['s', 'u', 'i'])) {
            continue;
        }
        let put = ENDINGS.iter().find(|(known, _)| known == ending).map_or("", |(_, put)| put);
        let mut out = format!("{rest}{put}");
        if matches!(*ending, "ing" | "ed") && out.len() > KEPT_MIN && ends_double(&out) {
            out.pop();
        }
        if out.ends_with('e') && out.len() > KEPT_MIN {
            out.pop();
        }
        return out;
    }
    stem = stem.trim_end_matches('\'');
    stem.to_owned()
}

fn ends_double(word: &str) -> bool {
    let mut letters = word.chars().rev();
    let (last, before) = (letters.next(), letters.next());
    last == before && last.is_some_and(|letter| letter.is_ascii_alphabetic() && !matches!(letter, 'l' | 's' | 'z' | 'e' | 'o'))
}

/// Chinese, Japanese, Korean and Thai are written without blanks between words.
fn is_unspaced(letter: char) -> bool {
    matches!(u32::from(letter), 0x0E00..=0x0E7F | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xAC00..=0xD7AF)
}

/// A letter without its accent.
fn plain(letter: char) -> impl Iterator<Item = char> {
    let base = match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ý' | 'ÿ' => 'y',
        'ß' => 's',
        'ą' => 'a',
        'ć' | 'č' => 'c',
        'ę' => 'e',
        'ğ' => 'g',
        'ı' => 'i',
        'ł' => 'l',
        'ń' => 'n',
        'ś' | 'ş' => 's',
        'ź' | 'ż' => 'z',
        other => other,
    };
    let more = (letter == 'ß').then_some('s');
    std::iter::once(base).chain(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn inflected_words_meet_in_one_stem() {
        for (a, b) in [("disks", "disk"), ("stopped", "stop"), ("resizing", "resize"), ("policies", "policy"), ("addresses", "address"), ("deleted", "delete")]
        {
            assert_eq!(stem(a), stem(b), "{a} and {b}");
        }
        assert_ne!(stem("status"), "statu");
    }

    #[test]
    fn camel_case_accents_and_unspaced_scripts_are_cut() {
        assert_eq!(words("listVirtualMachines größer"), ["list", "virtual", "machines", "grosser"]);
        assert_eq!(words("VMを停止"), ["vm", "を", "停", "止"]);
        assert_eq!(joined(&tokens("Public IPs")), "public ips");
        assert_eq!(joined(&tokens("VM 停止")), "vm 停止");
    }
}
