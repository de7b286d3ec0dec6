//! Kinds that are little more than their fields: schedules of machines, webhooks, themes, regions, storage selectors.

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, quietly, take},
};
use crate::{
    kind::{ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// When to start or stop a machine.
pub(crate) const SCHEDULE_NOUN: Noun = Noun {
    word: "vmschedule",
    entities: &["VMScheduleResponse"],
    resource: "VMSchedule",
    owned: true,
    keywords: &["description"],
    newest_first: false,
    view: &[
        ID,
        linked("virtualmachineid", "vm", "id"),
        own("description"),
        own("schedule"),
        own("timezone"),
        own("action"),
        own_or("enabled", Constant::Flag(true)),
        own("startdate"),
        own("enddate"),
        CREATED,
    ],
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
        own_or("portableipserviceenabled", Constant::Flag(false)),
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
    handlers: &[("deleteVMSchedule", delete_schedules), ("addRegion", add_region), ("updateRegion", update_region), ("removeRegion", remove_region)],
    filters: &[
        ("guitheme", "listonlydefaulttheme", |_, _| true),
        ("guitheme", "showpublic", |_, _| true),
        ("guitheme", "showremoved", |_, _| true),
        ("heuristics", "showremoved", |_, _| true),
    ],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("createVMSchedule", "vmschedule", SCHEDULE_PUTS).owned_through("virtualmachineid").checked(schedule_is_right).then(|turn, schedule| {
        if turn.world.text(schedule, "startdate").is_none() {
            // Without a start of its own a schedule begins with the next minute.
            let next = turn.world.now + std::time::Duration::from_secs(60);
            turn.world.set(schedule, "startdate", cloudstack_api::clock::timestamp(next));
        }
        Ok(())
    }),
    change("updateVMSchedule", "id", SCHEDULE_PUTS).checked(schedule_is_right),
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

const SCHEDULE_PUTS: &[Put] = &[
    Put::Link("virtualmachineid", "vm"),
    Put::Text("description"),
    Put::Text("schedule"),
    Put::Text("timezone"),
    Put::Capital("action"),
    Put::Flag("enabled"),
    Put::Text("startdate"),
    Put::Text("enddate"),
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
/// The least and the most of each place of a cron expression, and what errors call it.
const CRON: &[(&str, u32, u32)] = &[("MinuteOfHour", 0, 59), ("HourOfDay", 0, 23), ("DayOfMonth", 1, 31), ("MonthOfYear", 1, 12), ("DayOfWeek", 0, 7)];

fn schedule_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let Some(cron) = turn.arguments.text("schedule") else { return Ok(()) };
    let places: Vec<&str> = cron.split_whitespace().collect();
    if places.len() != CRON.len() {
        return Err(Refusal::argument(format!("Cron expression must consist of {} fields (found {} in \"{cron}\")", CRON.len(), places.len())));
    }
    for (place, (word, least, most)) in places.iter().zip(CRON) {
        let numbers = place.split([',', '-', '/']).filter_map(|part| part.parse::<u32>().ok());
        if let Some(wrong) = numbers.into_iter().find(|number| !(*least..=*most).contains(number)) {
            let text = format!("Invalid value for {word} (valid values {least} - {most}): {wrong} '{place}' in cron expression \"0 {cron}\"");
            return Err(Refusal::argument(text));
        }
    }
    let action = turn.arguments.text("action").map(str::to_uppercase);
    match action {
        Some(action) if !["START", "STOP", "REBOOT", "FORCE_STOP", "FORCE_REBOOT"].contains(&action.as_str()) => {
            Err(Refusal::invalid(format!("Invalid value for action: {action}")))
        }
        _ => Ok(()),
    }
}

fn delete_schedules(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let several = turn.arguments.objects("ids").unwrap_or_default().to_vec();
    let chosen: Vec<Handle> = several.into_iter().chain(turn.arguments.object("id")).filter(|row| turn.world.link(*row, "vm") == Some(vm)).collect();
    if chosen.is_empty() {
        return Err(Refusal::invalid("Either id or ids parameter must be specified"));
    }
    chosen.into_iter().for_each(|row| turn.world.remove(row));
    Ok(Outcome::Success)
}

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
    turn.world.remove(region);
    Ok(Outcome::Success)
}
