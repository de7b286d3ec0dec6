//! The demo: what the README's first command shows.

use super::home::Home;

#[test]
fn the_demo_ends_well_and_fits_on_a_few_screens() {
    // What the person has set up has no part in it.
    let home = Home::new().with("CLOUDSTACK_MCP_READ_ONLY", "true");
    home.config("read_only = true\n[profiles.prod]\nurl = \"https://prod.example\"\n");
    let ended = home.run(&["demo"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.lines().count() < 80, "{}", ended.out);
    for part in ["deployVirtualMachine", "demo-1 is Running", "the person declines", "nothing was changed", "the person approves", "complete", "embedded"] {
        assert!(ended.out.contains(part), "no `{part}` in {}", ended.out);
    }
}
