//! Global settings, as far as the embedded cloud has them.

use super::Tables;
use crate::{
    kind::{Constant, Noun, flag, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle},
};

/// A setting.
pub(crate) const SETTING_NOUN: Noun = Noun {
    word: "configuration",
    entities: &["ConfigurationResponse"],
    resource: "Configuration",
    owned: false,
    keywords: &["name", "description"],
    newest_first: false,
    view: &[
        own_or("category", Constant::Text("Advanced")),
        own("group"),
        own("subgroup"),
        own("name"),
        own("value"),
        own("defaultvalue"),
        own("scope"),
        own("description"),
        flag("isdynamic"),
        own_or("component", Constant::Text("management-server")),
        own("displaytext"),
        own("parent"),
        own("type"),
        own("options"),
    ],
};

/// The settings of a new cloud: name, value, type, group, what it is.
pub(crate) const SETTINGS: &[(&str, &str, &str, &str, &str)] = &[
    ("allow.user.expunge.recover.vm", "true", "Boolean", "Compute", "Whether users may expunge and recover machines"),
    ("allow.user.view.destroyed.vm", "true", "Boolean", "Compute", "Whether users see destroyed machines"),
    ("api.throttling.enabled", "false", "Boolean", "Management Server", "Whether calls are throttled"),
    ("cloud.kubernetes.service.enabled", "true", "Boolean", "Miscellaneous", "Whether Kubernetes clusters can be made"),
    ("cpu.overprovisioning.factor", "1.0", "Range", "Compute", "How many times over processors are given out"),
    ("default.page.size", "500", "Number", "Management Server", "How many rows a page has where nobody asks"),
    ("enable.dynamic.scale.vm", "false", "Boolean", "Compute", "Whether running machines can be scaled"),
    ("endpoint.url", "http://localhost:8080/client/api", "String", "Management Server", "Where the API is"),
    ("expunge.delay", "86400", "Number", "Compute", "Seconds until destroyed machines are expunged"),
    ("expunge.interval", "86400", "Number", "Compute", "Seconds between expunge runs"),
    ("host", "127.0.0.1", "String", "Management Server", "The address of the management server"),
    ("job.expire.minutes", "1440", "Number", "Management Server", "Minutes for which jobs can be asked for"),
    ("mem.overprovisioning.factor", "1.0", "Range", "Compute", "How many times over memory is given out"),
    ("network.gc.interval", "600", "Number", "Network", "Seconds between looks for unused networks"),
    ("quota.enable.service", "true", "Boolean", "Usage", "Whether quota is kept"),
    ("storage.cleanup.interval", "86400", "Number", "Storage", "Seconds between storage clean-ups"),
    ("storage.overprovisioning.factor", "2.0", "Range", "Storage", "How many times over storage is given out"),
    ("vm.instancename.flag", "false", "Boolean", "Compute", "Whether hypervisors show the machine's own name"),
    ("vm.userdata.max.length", "32768", "Number", "Compute", "The longest user data"),
];

/// The commands of settings.
pub(super) const TABLES: Tables =
    Tables { handlers: &[("updateConfiguration", update), ("resetConfiguration", reset)], filters: &[("configuration", "name", has_name)] };

fn has_name(turn: &Turn<'_>, setting: Handle) -> bool {
    turn.world.text(setting, "name") == turn.arguments.text("name")
}

fn find(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let name = turn.needed("name")?;
    turn.world.find("configuration", "name", &name).ok_or_else(|| Refusal::invalid(format!("Config parameter with name {name} doesn't exist")))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let setting = find(turn)?;
    let Some(value) = turn.arguments.given("value").map(str::to_owned) else { return Ok(Outcome::Object(setting)) };
    let (fits, class) = match turn.world.text(setting, "type") {
        Some("Number") => (value.parse::<i32>().is_ok(), "Integer"),
        Some("Boolean") => (matches!(value.as_str(), "true" | "false"), "Boolean"),
        _ => (true, "String"),
    };
    if !fits {
        return Err(Refusal::invalid(format!("Value [{value}] is not a valid [class java.lang.{class}].")));
    }
    if let Some(cluster) = turn.arguments.object("clusterid") {
        let name = turn.world.string(setting, "name");
        super::zone::set_detail(turn.world, cluster, &name, &value);
    }
    turn.world.set(setting, "value", value);
    Ok(Outcome::Object(setting))
}

fn reset(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let setting = find(turn)?;
    let value: Datum = turn.world.string(setting, "defaultvalue").into();
    turn.world.set(setting, "value", value);
    Ok(Outcome::Object(setting))
}
