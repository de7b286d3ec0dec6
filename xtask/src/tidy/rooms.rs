//! What may be used in which room only: the environment, the clock, the libraries at the rim; and what may be used nowhere.

use super::{Breach, allowances::Allowances, source::Source};

/// Something that only some rooms may use.
struct Rule {
    name: &'static str,
    /// What gives it away in code.
    marks: &'static [&'static str],
    /// The rooms, as starts of paths.
    rooms: &'static [&'static str],
    /// Whether tests keep it too.
    in_tests: bool,
    advice: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "environment",
        marks: &["env::var", "env::vars", "env::current_dir", "env::current_exe", "env::home_dir"],
        rooms: &["crates/cloudstack-mcp/src/settings", "xtask/src/"],
        in_tests: false,
        advice: "the environment is read by the settings alone",
    },
    Rule {
        name: "clock",
        marks: &["SystemTime::now", "Instant::now", "UtcDateTime::now", "OffsetDateTime::now_utc"],
        rooms: &["crates/cloudstack-client/src/clock.rs"],
        in_tests: false,
        advice: "take a `Clock`",
    },
    Rule {
        name: "sleep",
        marks: &["thread::sleep", "time::sleep"],
        rooms: &["crates/cloudstack-client/src/clock.rs"],
        in_tests: true,
        advice: "take a `Clock`; a test moves it by hand",
    },
    Rule { name: "rmcp", marks: &["rmcp::"], rooms: &["crates/cloudstack-mcp/src/mcp/"], in_tests: false, advice: "MCP is spoken in mcp/ alone" },
    Rule {
        name: "clap",
        marks: &["clap::", "clap_complete::"],
        rooms: &["crates/cloudstack-mcp/src/cli", "crates/cloudstack-mcp/src/settings"],
        in_tests: false,
        advice: "the command line is known to cli/ and the settings alone",
    },
    Rule {
        name: "reqwest",
        marks: &["reqwest::"],
        rooms: &["crates/cloudstack-client/src/http"],
        in_tests: false,
        advice: "requests leave through the client's http alone",
    },
    Rule { name: "attribute", marks: &["#[allow", "#![allow"], rooms: &[], in_tests: true, advice: "write `#[expect(lint, reason = \"…\")]`" },
    Rule { name: "ignored test", marks: &["#[ignore"], rooms: &[], in_tests: true, advice: "mend the test or remove it" },
    Rule { name: "mock", marks: &["mockall", "mockito", "wiremock"], rooms: &[], in_tests: true, advice: "test against the embedded cloud" },
    Rule { name: "global", marks: &["static mut ", "lazy_static!", "thread_local!"], rooms: &[], in_tests: true, advice: "no globals: pass it" },
];

/// Checks a file against all rules.
pub(super) fn check(source: &Source, allowances: &mut Allowances, breaches: &mut Vec<Breach>) {
    for rule in RULES.iter().filter(|rule| !rule.rooms.iter().any(|room| source.path.starts_with(room))) {
        let lines: Vec<(usize, &str)> = if rule.in_tests {
            source.numbered().map(|(number, line)| (number, line.code.as_str())).collect()
        } else {
            source.product().map(|(number, line)| (number, line.code.as_str())).collect()
        };
        for (number, code) in lines {
            let mark = rule.marks.iter().find(|mark| stands_in(code, mark));
            if let Some(mark) = mark.filter(|_| !allowances.allow(rule.name, &source.path, "*")) {
                breaches.push(Breach::new(&source.path, number, format!("`{}`: {}", mark.trim(), rule.advice)));
            }
        }
    }
}

/// Whether the mark stands in the code as a name of its own: `clap::` is not in `overclap::`.
fn stands_in(code: &str, mark: &str) -> bool {
    let alone = |at: usize| !code.get(..at).unwrap_or_default().ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    code.match_indices(mark).any(|(at, _)| alone(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_as_a_whole_name_in_code_only() {
        assert!(stands_in("let x = std::env::var(\"A\");", "env::var"));
        assert!(!stands_in("use overclap::X;", "clap::"));
        let source = Source::parse("crates/x/src/a.rs", "// uses rmcp::X\nlet a = \"rmcp::X\";\n");
        let mut breaches = Vec::new();
        check(&source, &mut Allowances::read().unwrap(), &mut breaches);
        assert_eq!(breaches, []);
    }
}
