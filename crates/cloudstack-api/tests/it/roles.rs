//! Who may call what, against what real servers of both releases listed for each default role.

use std::collections::BTreeMap;

use cloudstack_api::roles::default_roles;

use crate::{LINES, catalogs, columns, none};

/// The letters of `roles.tsv`.
const ROLES: [(char, &str); 6] = [
    ('D', "Domain Admin"),
    ('U', "User"),
    ('a', "Read-Only Admin - Default"),
    ('u', "Read-Only User - Default"),
    ('S', "Support Admin - Default"),
    ('s', "Support User - Default"),
];

#[test]
fn roles_allow_what_real_servers_listed_for_them() {
    let mut faults = Vec::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, (line, catalog)) in LINES.into_iter().zip(catalogs()).enumerate() {
        let roles = default_roles(line);
        // A server lists what it has loaded, and root may call all of that.
        let loaded = columns(include_str!("../data/roles.tsv")).filter(|columns| columns[at + 1].contains('A'));
        for columns in loaded {
            let command = catalog.command(columns[0]).unwrap_or_else(|| panic!("{} in {line}", columns[0]));
            for (letter, role) in ROLES {
                let (ours, theirs) = (roles[role].allows(&command), columns[at + 1].contains(letter));
                *counts.entry((line, role)).or_default() += usize::from(ours);
                if ours != theirs {
                    faults.push(format!("{line} {role}: {} is {theirs} there", columns[0]));
                }
            }
        }
    }
    none(faults);
    assert_eq!((counts[&("4.20", "User")], counts[&("4.22", "Domain Admin")], counts[&("4.22", "Support User - Default")]), (362, 425, 97));
}

#[test]
fn root_may_call_everything() {
    for (line, catalog) in LINES.into_iter().zip(catalogs()) {
        let root = &default_roles(line)["Root Admin"];
        none(catalog.commands().filter(|command| !root.allows(command)).map(|command| command.name.clone()));
    }
}
