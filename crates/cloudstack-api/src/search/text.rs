//! Text → terms: case, accents, camel case, stop words and endings taken off; scripts without blanks cut into pairs.

/// Words that say nothing about which command is meant.
const STOP_WORDS: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "do", "does", "for", "from", "get", "give",
    "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "just", "let", "me", "my", "need", "of", "on", "one", "or", "our", "please",
    "should", "so", "some", "that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "too", "up", "us", "want", "was", "we", "were",
    "what", "when", "where", "which", "who", "will", "with", "would", "you", "your",
];

/// The terms of a text in their order.
pub(super) fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for word in words(text) {
        if word.chars().any(is_unspaced) {
            let letters: Vec<char> = word.chars().collect();
            terms.extend(letters.windows(2).map(|pair| pair.iter().collect::<String>()));
        } else if !STOP_WORDS.contains(&word.as_str()) {
            terms.push(stem(&word));
        }
    }
    terms
}

/// The words of a text in lower case without accents; camel case counts as several words.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before_is_lower = false;
    for letter in text.chars() {
        let camel = letter.is_ascii_uppercase() && before_is_lower;
        if !letter.is_alphanumeric() || camel {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if letter.is_alphanumeric() {
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
        other => other,
    };
    let more = (letter == 'ß').then_some('s');
    std::iter::once(base).chain(more)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(terms("仮想マシン"), ["仮想", "想マ", "マシ", "シン"]);
        assert_eq!(terms("show me the disks"), ["show", "disk"]);
    }
}
