//! Functions stay short, and no call site may confuse two flags.

use super::{
    Breach,
    source::{Line, Source},
};

/// The most lines of code in a function's body.
const LINES_MAX: usize = 70;

/// Checks every function of a file.
pub(super) fn check(source: &Source, breaches: &mut Vec<Breach>) {
    for (number, line) in source.numbered().filter(|(_, line)| opens_function(&line.code)) {
        let rest = source.lines.get(number - 1..).unwrap_or_default();
        let (signature, body) = rest.split_at(signature_length(rest));
        let flags = signature.iter().map(|line| line.code.split("->").next().unwrap_or_default().matches(": bool").count()).sum::<usize>();
        if flags > 1 {
            breaches.push(Breach::new(&source.path, number, "two `bool`s in a signature: give them names with an enum"));
        }
        let length = body_length(&line.code, body);
        if length > LINES_MAX {
            breaches.push(Breach::new(&source.path, number, format!("a function of {length} lines; at most {LINES_MAX}")));
        }
    }
}

fn opens_function(code: &str) -> bool {
    let words: Vec<&str> = code.split_whitespace().collect();
    let before = words.iter().take_while(|word| **word != "fn");
    words.contains(&"fn") && before.clone().all(|word| word.starts_with("pub") || matches!(*word, "const" | "async" | "unsafe" | "extern" | "in" | "\"\""))
}

/// The lines from `fn` to the one that opens the body or ends the declaration.
fn signature_length(lines: &[Line]) -> usize {
    lines.iter().position(|line| line.code.contains('{') || line.code.trim_end().ends_with(';')).map_or(lines.len(), |at| at + 1)
}

/// The lines of code up to the brace that stands where the function's line stands.
fn body_length(opening: &str, body: &[Line]) -> usize {
    let indent = |code: &str| code.len() - code.trim_start().len();
    let depth = indent(opening);
    let inside = body.iter().take_while(|line| line.code.trim().is_empty() || indent(&line.code) > depth);
    inside.filter(|line| !line.code.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        let mut breaches = Vec::new();
        check(&Source::parse("a.rs", text), &mut breaches);
        breaches.len()
    }

    #[test]
    fn a_long_function_and_one_with_two_flags_are_found() {
        let function = |lines: usize| {
            format!("    pub(crate) async fn f(\n        a: bool,\n    ) {{\n{}    }}\n", "        let x = 1;\n\n        // why\n".repeat(lines))
        };
        assert_eq!(found(&function(70)), 0);
        assert_eq!(found(&function(71)), 1);
        assert_eq!(found("fn f(a: bool, b: bool) {}\n"), 1);
        assert_eq!(found("fn f(a: bool) -> bool {\n    true\n}\n"), 0);
    }
}
