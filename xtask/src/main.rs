//! The project's own tasks: the catalog's generator, the generated documentation, the house rules, the routing figures.
//!
//! Nothing here is shipped, and nothing that is shipped leans on it.

mod bench;
mod catalog;
mod ci;
mod docs;
mod replay;
mod routing;
mod search;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::{Done, Mode};

const USAGE: &str = "\
usage: cargo xtask TASK

  catalog facts [--check] RELEASE=FILE…   make the catalog's tables from facts, oldest release first
  catalog diff FILE[.gz] [--against N.NN] what a server's `listApis` reply has that the catalog has not, and the reverse
  catalog add RELEASE FILE[.gz]           merge a server's `listApis` reply into the tables as a newer release
  bench                                   figures of the release binary, into bench/RESULTS.md (xtask built with --release)
  endure MINUTES                          a large cloud under 32 clients, into bench/ENDURANCE.md (xtask built with --release)
  ci                                      the steps of .ci/run that need nothing but Rust
  docs [--check]                          write the generated documentation, or say what is out of date
  routing [--misses]                      how well the search finds the commands of the golden set
  search                                  write the search index (`catalog/search.bin`) from the catalog's words
  replay RELEASE DIR… [--output json] [--only SCENARIO] [--differences N]
                                          plays recordings of a real server against the embedded cloud
  replay reduce | ratchet                 makes the test data from ../shared/recordings; renews the lists of differences
  tidy                                    the house rules
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            workspace::complain(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Done {
    match words {
        ["catalog", "facts", "--check", files @ ..] => catalog::facts(files, Mode::Check),
        ["catalog", "facts", files @ ..] => catalog::facts(files, Mode::Write),
        ["catalog", "diff", file] => catalog::diff(file, None),
        ["catalog", "diff", file, "--against", release] => catalog::diff(file, Some(release)),
        ["catalog", "add", release, file] => catalog::add(release, file),
        ["bench"] => bench::run(),
        ["endure", minutes] => bench::endure(minutes),
        ["ci"] => ci::run(),
        ["docs"] => docs::run(Mode::Write),
        ["docs", "--check"] => docs::run(Mode::Check),
        ["routing"] => routing::print(false),
        ["routing", "--misses"] => routing::print(true),
        ["search"] => search::write(),
        ["replay", words @ ..] => replay::run(words),
        ["tidy"] => tidy::run(),
        [] | ["help" | "--help" | "-h"] => workspace::say(USAGE.trim_end()),
        _ => Err(format!("`{}` is no task\n{USAGE}", words.join(" "))),
    }
}
