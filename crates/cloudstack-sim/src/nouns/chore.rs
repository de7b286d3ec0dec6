//! Kinds that are little more than their fields: webhooks, themes, regions, storage selectors.

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, quietly, take},
};
use crate::{
    kind::{ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, Shown, computed, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// Where events are sent.
pub(crate) const WEBHOOK_NOUN: Noun = Noun {
    word: "webhook",
    entities: &["WebhookResponse"],
    resource: "Webhook",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("description"),
        own_or("state", Constant::Text("Enabled")),
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        own("payloadurl"),
        own("secretkey"),
        own_or("sslverification", Constant::Flag(false)),
        own_or("scope", Constant::Text("Local")),
        CREATED,
    ],
};

/// How the web interface looks.
pub(crate) const THEME_NOUN: Noun = Noun {
    word: "guitheme",
    entities: &["GuiThemeResponse"],
    resource: "GuiTheme",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("description"),
        own("css"),
        own("jsonconfiguration"),
        own("commonnames"),
        own("domainids"),
        own("accountids"),
        own_or("recursivedomains", Constant::Flag(false)),
        own_or("ispublic", Constant::Flag(true)),
        CREATED,
    ],
};

/// Another server of the company. Its id is a number that people choose.
pub(crate) const REGION_NOUN: Noun = Noun {
    word: "region",
    entities: &["RegionResponse"],
    resource: "Region",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        own("id"),
        own("name"),
        own("endpoint"),
        own_or("gslbserviceenabled", Constant::Flag(true)),
        computed("portableipserviceenabled", |world, region, _| {
            let number = world.number(region, "id");
            let ranges = world.known_kind("portableiprange");
            Some(Shown::Flag(ranges.is_some_and(|ranges| world.rows(ranges).any(|range| world.number(range, "regionid") == number))))
        }),
    ],
};

/// Which image store takes what.
pub(crate) const SELECTOR_NOUN: Noun = Noun {
    word: "heuristics",
    entities: &["SecondaryStorageHeuristicsResponse"],
    resource: "SecondaryStorageHeuristic",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[ID, own("name"), own("description"), linked("zoneid", "zone", "id"), own("type"), own("heuristicrule"), CREATED],
};

/// The commands that need code, and filters.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("addRegion", add_region), ("updateRegion", update_region), ("removeRegion", remove_region)],
    filters: &[
        ("guitheme", "listonlydefaulttheme", |_, _| true),
        ("guitheme", "showpublic", |_, _| true),
        ("guitheme", "showremoved", |_, _| true),
        ("heuristics", "showremoved", |_, _| true),
    ],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("createWebhook", "webhook", WEBHOOK_PUTS).checked(|turn, _| host_is_right(turn, "payloadurl")),
    quietly("updateWebhook", "id", WEBHOOK_PUTS).checked(|turn, _| host_is_right(turn, "payloadurl")),
    take("deleteWebhook", "id"),
    make("createGuiTheme", "guitheme", THEME_PUTS),
    change("updateGuiTheme", "id", THEME_PUTS),
    take("removeGuiTheme", "id"),
    make(
        "createSecondaryStorageSelector",
        "heuristics",
        &[Put::Text("name"), Put::Text("description"), Put::Link("zoneid", "zone"), Put::Capital("type"), Put::Text("heuristicrule")],
    )
    .checked(selector_is_right),
    change("updateSecondaryStorageSelector", "id", &[Put::Text("heuristicrule")]),
    take("removeSecondaryStorageSelector", "id"),
];

const WEBHOOK_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("description"),
    Put::Text("payloadurl"),
    Put::Text("secretkey"),
    Put::Flag("sslverification"),
    Put::Text("scope"),
    Put::Text("state"),
];
const THEME_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("description"),
    Put::Text("css"),
    Put::Text("jsonconfiguration"),
    Put::Text("commonnames"),
    Put::Text("domainids"),
    Put::Text("accountids"),
    Put::Flag("recursivedomains"),
    Put::Flag("ispublic"),
];
/// Refuses addresses of the server itself.
pub(super) fn host_is_right(turn: &Turn<'_>, argument: &str) -> Result<(), Refusal> {
    let Some(url) = turn.arguments.text(argument) else { return Ok(()) };
    let Some((_, rest)) = url.split_once("://") else { return Err(Refusal::argument(format!("Invalid URL {url}"))) };
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    let is_local = host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified());
    if !is_local {
        return Ok(());
    }
    let text = "Illegal host specified in URL.";
    Err(if argument == "url" { Refusal::failed(text) } else { Refusal::argument(text) })
}

fn selector_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let kind = turn.arguments.text("type").unwrap_or_default().to_uppercase();
    if !["ISO", "SNAPSHOT", "TEMPLATE", "VOLUME"].contains(&kind.as_str()) {
        return Err(Refusal::argument(format!(
            "The given heuristic type [{kind}] is not valid for creating a new heuristic. Valid options are: [SNAPSHOT, ISO, TEMPLATE, VOLUME]."
        )));
    }
    let zone = turn.target("zoneid")?;
    let known = turn.world.referring("heuristics", "zone", zone).any(|row| turn.world.text(row, "type") == Some(&kind));
    if known { Err(Refusal::invalid(format!("There is already a heuristic rule in the specified zone with the type [{kind}]."))) } else { Ok(()) }
}

/// The number of the region that a server is in.
const LOCAL_REGION: i64 = 1;

fn region(world: &World, number: i64) -> Option<Handle> {
    let kind = world.kind("region");
    world.rows(kind).find(|row| world.number(*row, "id") == number)
}

fn add_region(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let number = turn.arguments.number("id").unwrap_or(0);
    if region(turn.world, number).is_some() {
        return Err(Refusal::invalid(format!("Region with id: {number} already exists")));
    }
    let name = turn.needed("name")?;
    if turn.world.find("region", "name", &name).is_some() {
        return Err(Refusal::invalid(format!("Region with name: {name} already exists")));
    }
    let kind = turn.world.kind("region");
    let endpoint = turn.needed("endpoint")?;
    let made = turn.world.insert_as(kind, 0, None, &[("id", number.into()), ("name", name.into()), ("endpoint", endpoint.into())]);
    Ok(Outcome::Object(made))
}

fn known_region(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let number = turn.arguments.number("id").unwrap_or(0);
    region(turn.world, number).ok_or_else(|| Refusal::invalid(format!("Region with id: {number} does not exist")))
}

fn update_region(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let region = known_region(turn)?;
    [Put::Text("name"), Put::Text("endpoint")].into_iter().for_each(|put| recipe::apply(turn, region, put));
    Ok(Outcome::Object(region))
}

fn remove_region(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let region = known_region(turn)?;
    if turn.world.number(region, "id") == LOCAL_REGION {
        return Err(Refusal::internal("The region of this server cannot be removed"));
    }
    turn.world.remove(region);
    Ok(Outcome::Success)
}
