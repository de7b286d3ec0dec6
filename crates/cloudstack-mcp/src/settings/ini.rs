//! INI files of other CloudStack clients, read as they are: `~/.cmk/config` and `cloudstack.ini`.
//!
//! Only what both files use: sections, `key = value` or `key: value`, comments on lines of their own. A `#` or `;` inside
//! a value belongs to it, as both clients read it.

use std::collections::BTreeMap;

/// The sections of a file by name; what stands before the first has the empty name. Keys are in lower case.
pub(crate) type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Reads the text of a file. Lines that are nothing known are skipped, as the clients do.
pub(crate) fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut name = String::new();
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            title.trim().clone_into(&mut name);
            sections.entry(name.clone()).or_default();
        } else if let Some(at) = line.find(['=', ':']) {
            let (key, value) = line.split_at(at);
            let value = value.get(1..).unwrap_or_default().trim();
            sections.entry(name.clone()).or_default().insert(key.trim().to_ascii_lowercase(), unquoted(value).to_owned());
        }
    }
    sections
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('`')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_either_client_is_read_as_it_is() {
        let sections =
            parse("prompt = 🐱\nprofile=prod\n; a comment\n[prod]\nURL = https://cloud.example/client/api\nsecretkey = a=b#c;d\npassword =\n[other]\nkey: v\n");
        assert_eq!(sections[""]["profile"], "prod");
        assert_eq!(sections["prod"]["url"], "https://cloud.example/client/api");
        assert_eq!(sections["prod"]["secretkey"], "a=b#c;d");
        assert_eq!(sections["prod"]["password"], "");
        assert_eq!(sections["other"]["key"], "v");
    }
}
