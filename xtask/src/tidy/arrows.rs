//! Which crate may lean on which. Tests may lean on more; the arrows are about what is built.

use super::Breach;
use crate::workspace::{Done, read};

/// Every arrow there may be.
const ARROWS: &[(&str, &[&str])] = &[
    ("cloudstack-api", &[]),
    ("cloudstack-client", &["cloudstack-api"]),
    ("cloudstack-sim", &["cloudstack-api"]),
    ("cloudstack-engine", &["cloudstack-api", "cloudstack-client"]),
    ("cloudstack-mcp", &["cloudstack-api", "cloudstack-engine", "cloudstack-sim"]),
];

/// Dependencies that belong to one crate alone, besides the tests of others.
const OWNED: &[(&str, &str)] = &[("clap", "cloudstack-mcp"), ("reqwest", "cloudstack-client"), ("rmcp", "cloudstack-mcp")];

/// Libraries that the pure crate must do without: they bring I/O, a runtime, a clock or chance.
const IMPURE: &[&str] = &["axum", "fastrand", "futures-util", "hyper", "rand", "reqwest", "tokio", "tracing"];

/// Checks the manifests of all crates.
pub(super) fn check(files: &[String], breaches: &mut Vec<Breach>) -> Done {
    for path in files.iter().filter(|path| path.starts_with("crates/") && path.ends_with("/Cargo.toml")) {
        let name = path.split('/').nth(1).unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            breaches.push(Breach::new(path, 0, format!("`{name}` is no room of the house; say its arrows in xtask/src/tidy/arrows.rs")));
            continue;
        };
        for (line, dependency) in dependencies(&read(path)?) {
            if let Some(fault) = fault(name, &dependency, allowed) {
                breaches.push(Breach::new(path, line, fault));
            }
        }
    }
    Ok(())
}

fn fault(name: &str, dependency: &str, allowed: &[&str]) -> Option<String> {
    if dependency.starts_with("cloudstack-") && !allowed.contains(&dependency) {
        return Some(format!("there is no arrow from `{name}` to `{dependency}`"));
    }
    if let Some((_, owner)) = OWNED.iter().find(|(owned, owner)| *owned == dependency && *owner != name) {
        return Some(format!("`{dependency}` belongs to `{owner}` alone"));
    }
    (name == "cloudstack-api" && IMPURE.contains(&dependency)).then(|| format!("`{name}` is pure and does without `{dependency}`"))
}

/// The names in `[dependencies]` and its variants for targets, with their lines.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let (mut inside, mut found) = (false, Vec::new());
    for (at, line) in manifest.lines().enumerate() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section == "dependencies" || section.ends_with(".dependencies");
            if let Some((_, name)) = section.split_once("dependencies.").filter(|(before, _)| before.is_empty() || before.ends_with('.')) {
                found.push((at + 1, name.to_owned()));
            }
        } else if inside && let Some((name, _)) = line.split_once(['=', '.']) {
            found.push((at + 1, name.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_told_from_those_of_tests() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\"\n[dev-dependencies]\nc = \"1\"\n[target.'cfg(unix)'.dependencies]\nd = \"1\"\n[dependencies.e]\nversion = \"1\"\n";
        let names: Vec<String> = dependencies(manifest).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b", "d", "e"]);
    }

    #[test]
    fn the_binary_has_no_arrow_to_the_client() {
        let (_, allowed) = ARROWS.iter().find(|(from, _)| *from == "cloudstack-mcp").unwrap();
        assert!(fault("cloudstack-mcp", "cloudstack-client", allowed).is_some());
        assert!(fault("cloudstack-mcp", "cloudstack-engine", allowed).is_none());
        assert!(fault("cloudstack-engine", "reqwest", allowed).is_some());
    }
}
