//! How files are called and where tests are.

use super::Breach;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager", "types", "shared", "stuff"];

/// Checks the paths of all files.
pub(super) fn check(files: &[String], breaches: &mut Vec<Breach>) {
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        let empty = path.trim_end_matches(".rs").split('/').find(|part| EMPTY_NAMES.contains(part));
        if let Some(name) = empty {
            breaches.push(Breach::new(path, 0, format!("`{name}` says nothing: name the file after what it holds")));
        }
        if path.ends_with("build.rs") {
            breaches.push(Breach::new(path, 0, "no build scripts: generate with xtask and check"));
        }
        let place = path.split('/').skip_while(|part| *part != "tests").nth(1);
        if place.is_some_and(|place| !matches!(place, "it" | "data")) && path.starts_with("crates/") && !path.contains("/src/") {
            breaches.push(Breach::new(path, 0, "one test binary a crate: tests/it"));
        }
    }
}
