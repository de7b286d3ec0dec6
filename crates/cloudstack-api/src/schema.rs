//! JSON Schema 2020-12 of a command's arguments and result, plain enough for the strictest clients.

use serde_json::{Map, Value};

use crate::catalog::{Catalog, Command};

/// `deployVirtualMachine` → `deploy_virtual_machine`; a run of capitals is one word: `listVMSnapshot` → `list_vm_snapshot`.
#[must_use]
pub fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 6);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| !before.is_ascii_uppercase() || letters.get(at + 1).is_some_and(char::is_ascii_lowercase));
        if starts_word && !out.ends_with('_') {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The schema of a command's arguments: an object that names every parameter and refuses others.
#[must_use]
pub fn input(catalog: &Catalog, command: &Command) -> Map<String, Value> {
    let _ = (catalog, command);
    Map::new()
}

/// The schema of a command's result as our surfaces give it, where it is certain.
#[must_use]
pub fn output(catalog: &Catalog, command: &Command) -> Option<Map<String, Value>> {
    let _ = (catalog, command);
    None
}
