//! VLANs of guest networks that are kept for one account.

use super::{
    Tables,
    recipe::{Recipe, take},
};
use crate::{
    kind::{ACCOUNT, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, Shown, computed, own},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// A range of VLANs that belongs to an account. Servers name its places by their internal numbers.
pub(crate) const NOUN: Noun = Noun {
    word: "dedicatedguestvlanrange",
    entities: &["GuestVlanRangeResponse"],
    resource: "GuestVlan",
    owned: true,
    keywords: &["guestvlanrange"],
    newest_first: false,
    view: &[
        ID,
        ACCOUNT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        own("guestvlanrange"),
        PROJECT_ID,
        PROJECT,
        computed("physicalnetworkid", |world, range, _| number(world.link(range, "physicalnetwork"))),
        computed("zoneid", |world, range, _| number(world.link(world.link(range, "physicalnetwork")?, "zone"))),
    ],
};

/// The command that needs code, and filters.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("dedicateGuestVlanRange", dedicate)],
    filters: &[
        (NOUN.word, "physicalnetworkid", |turn, range| crate::list::argument_is(turn, "physicalnetworkid", turn.world.link(range, "physicalnetwork"))),
        (NOUN.word, "zoneid", |turn, range| {
            let zone = turn.world.link(range, "physicalnetwork").and_then(|network| turn.world.link(network, "zone"));
            crate::list::argument_is(turn, "zoneid", zone)
        }),
    ],
};

/// The command that needs no code.
pub(super) const RECIPES: &[Recipe] = &[take("releaseDedicatedGuestVlanRange", "id")];

fn number(object: Option<Handle>) -> Option<Shown> {
    i64::try_from(World::internal_number(object?)).ok().map(Shown::Number)
}

/// The ends of a range such as `100-120`, or of one VLAN.
fn ends(text: &str) -> Option<(i64, i64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

fn dedicate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let physical = turn.target("physicalnetworkid")?;
    let told = turn.needed("vlanrange")?;
    let Some((first, last)) = ends(&told) else {
        return Err(Refusal::invalid("Invalid format for parameter value vlan range: it is like 100-120"));
    };
    let owner = turn.new_owner()?;
    let within = |text: &str| text.split(',').filter_map(ends).any(|(low, high)| low <= first && last <= high);
    if !turn.world.text(physical, "vlan").is_some_and(within) {
        return Err(Refusal::invalid(format!("VLAN range {told} is not within the VLANs of the physical network")));
    }
    let overlaps = |range: &Handle| turn.world.text(*range, "guestvlanrange").and_then(ends).is_some_and(|(low, high)| low <= last && first <= high);
    if turn.world.referring(NOUN.word, "physicalnetwork", physical).any(|range| overlaps(&range)) {
        return Err(Refusal::invalid(format!("VLAN range {told} overlaps one that is dedicated already")));
    }
    let taken = |network: &Handle| {
        let vlan = turn.world.text(*network, "vlan").and_then(|text| text.parse::<i64>().ok());
        vlan.is_some_and(|vlan| (first..=last).contains(&vlan)) && turn.world.owner(*network) != Some(owner)
    };
    if turn.world.referring("network", "physicalnetwork", physical).any(|network| taken(&network)) {
        return Err(Refusal::invalid(format!("A VLAN of the range {told} is used by a network of another account")));
    }
    let kind = turn.world.kind(NOUN.word);
    let made = turn.world.insert(kind, Some(owner), &[("physicalnetwork", physical.into()), ("guestvlanrange", told.into())]);
    Ok(Outcome::Object(made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_ends_in_order() {
        assert_eq!(ends("100-120"), Some((100, 120)));
        assert_eq!(ends("7"), Some((7, 7)));
        assert_eq!(ends("120-100"), None);
        assert_eq!(ends("made-up"), None);
    }
}
