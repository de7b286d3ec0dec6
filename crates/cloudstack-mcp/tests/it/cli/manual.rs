//! The manual's generated pages are what the program says today.

use std::{fs, path::Path};

use super::home::Home;

fn check(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page).with_extension("md");
    let written = fs::read_to_string(&path).unwrap_or_default();
    let made = Home::new().run(&["reference", page]).out;
    assert!(written == made, "docs/{page}.md is out of date; write it anew: cargo run -- reference {page} > docs/{page}.md");
}

#[test]
fn the_page_about_the_command_line_is_up_to_date() {
    check("cli");
}

#[test]
fn the_page_about_the_settings_is_up_to_date() {
    check("settings");
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = Home::new().run(&["completions", shell]);
        assert!(ended.code == 0 && ended.out.contains("simulate"), "{shell}: {}", ended.err);
    }
}
