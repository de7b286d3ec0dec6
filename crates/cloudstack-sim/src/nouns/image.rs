//! Templates and ISOs: registered, shared, attached, deleted.

use super::Tables;
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, always, computed, flag,
        linked, own, own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// How long a download takes.
const DOWNLOAD: std::time::Duration = std::time::Duration::from_secs(5);
/// The size that downloaded templates turn out to have.
const TEMPLATE_BYTES: i64 = 2 << 30;
/// The filters that lists take.
const FILTERS: &[&str] = &["featured", "self", "selfexecutable", "shared", "sharedexecutable", "executable", "community", "all"];
/// The hypervisors that texts name.
const HYPERVISORS: &str = "XenServer, KVM, VMware, Hyperv, VirtualBox, Parralels, BareMetal, Simulator, Ovm, Ovm3, LXC, Custom, External, Any";

/// A template.
pub(crate) const TEMPLATE_NOUN: Noun = Noun {
    word: "template",
    entities: &["TemplateResponse"],
    resource: "Template",
    owned: true,
    keywords: &["name", "displaytext"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("displaytext"),
        flag("ispublic"),
        CREATED,
        flag("isready"),
        flag("passwordenabled"),
        own("format"),
        flag("isfeatured"),
        flag("crossZones"),
        linked("ostypeid", "ostype", "id"),
        linked("ostypename", "ostype", "description"),
        ACCOUNT,
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own("status").root(),
        own("size"),
        own("physicalsize"),
        own("templatetype"),
        own("hypervisor"),
        DOMAIN,
        DOMAIN_PATH,
        DOMAIN_ID,
        flag("isextractable"),
        own_or("checksum", Constant::Text("")),
        linked("sourcetemplateid", "sourcetemplate", "id"),
        PROJECT_ID,
        PROJECT,
        own_or("details", Constant::Raw("{}")),
        computed("downloaddetails", downloads),
        always("arch", Constant::Text("x86_64")),
        own_or("bits", Constant::Number(64)),
        flag("sshkeyenabled"),
        flag("isdynamicallyscalable"),
        flag("directdownload"),
        flag("deployasis"),
        flag("forcks"),
        own_or("requireshvm", Constant::Flag(true)),
        own("url").root(),
        TAGS,
        HAS_ANNOTATIONS,
    ],
};

/// An ISO.
pub(crate) const ISO_NOUN: Noun = Noun {
    word: "iso",
    entities: &["IsoResponse"],
    resource: "Iso",
    owned: true,
    keywords: &["name", "displaytext"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("displaytext"),
        flag("ispublic"),
        CREATED,
        flag("isready"),
        flag("passwordenabled"),
        always("format", Constant::Text("ISO")),
        own_or("bootable", Constant::Flag(true)),
        flag("isfeatured"),
        flag("crossZones"),
        linked("ostypeid", "ostype", "id"),
        linked("ostypename", "ostype", "description"),
        ACCOUNT,
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own("status").root(),
        own("size"),
        DOMAIN,
        DOMAIN_PATH,
        DOMAIN_ID,
        flag("isextractable"),
        PROJECT_ID,
        PROJECT,
        computed("downloaddetails", downloads),
        always("arch", Constant::Text("x86_64")),
        always("bits", Constant::Number(64)),
        flag("isdynamicallyscalable"),
        flag("directdownload"),
        TAGS,
        HAS_ANNOTATIONS,
    ],
};

/// The commands and filters of images.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listTemplates", list_templates),
        ("listIsos", list_isos),
        ("registerTemplate", register_template),
        ("registerIso", register_iso),
        ("createTemplate", create_template),
        ("copyTemplate", copy),
        ("copyIso", copy),
        ("updateTemplate", update),
        ("updateIso", update),
        ("updateTemplatePermissions", update_permissions),
        ("updateIsoPermissions", update_permissions),
        ("deleteTemplate", delete),
        ("deleteIso", delete),
        ("attachIso", attach),
        ("detachIso", detach),
    ],
    filters: &[
        ("template", "zoneid", in_zone),
        ("iso", "zoneid", in_zone),
        ("template", "ids", |turn, row| turn.arguments.objects("ids").is_some_and(|ids| ids.contains(&row))),
    ],
};

fn in_zone(turn: &Turn<'_>, image: Handle) -> bool {
    turn.world.link(image, "zone").is_none_or(|zone| list::argument_is(turn, "zoneid", Some(zone)))
}

fn downloads(world: &World, image: Handle, _: crate::kind::Viewer) -> Option<Shown> {
    let state = if world.flag(image, "isready") { ("DOWNLOADED", "100") } else { ("DOWNLOAD_IN_PROGRESS", "10") };
    let store = world.rows(world.kind("imagestore")).next().map(|store| world.string(store, "name")).unwrap_or_default();
    Some(Shown::Raw(format!("[{{\"downloadState\":\"{}\",\"datastore\":\"{store}\",\"downloadPercent\":\"{}\"}}]", state.0, state.1)))
}

fn list_templates(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let filter = turn.needed("templatefilter")?;
    if !FILTERS.contains(&filter.as_str()) {
        return Err(Refusal::argument(format!("No enum constant com.cloud.template.VirtualMachineTemplate.TemplateFilter.{filter}")));
    }
    if filter == "all" && !turn.caller.is_root() {
        return Err(Refusal::invalid("Filter all can be specified by admin only"));
    }
    list_images(turn, "template", &filter)
}

fn list_isos(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let default = if turn.arguments.flag("listall") && turn.caller.is_root() { "all" } else { "selfexecutable" };
    let filter = turn.arguments.text("isofilter").unwrap_or(default).to_owned();
    list_images(turn, "iso", &filter)
}

fn list_images(turn: &mut Turn<'_>, word: &str, filter: &str) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind(word);
    let own = list::scope(turn)?;
    let caller = turn.caller;
    let is_mine = |world: &World, row: Handle| match &own {
        list::Scope::Accounts(accounts) => world.owner(row).is_some_and(|owner| accounts.contains(&owner)),
        list::Scope::All { .. } => true,
        list::Scope::Domain { domain, recursive, .. } => world.domain_of(row).is_some_and(|of| of == *domain || *recursive && world.is_within(of, *domain)),
    };
    let fits = |world: &World, row: &Handle| {
        if world.flag(*row, "hidden") {
            return false;
        }
        let public = world.flag(*row, "ispublic");
        let featured = world.flag(*row, "isfeatured");
        let is_own = world.owner(*row) == Some(caller.account);
        match filter {
            "featured" => public && featured,
            "community" => public && !featured,
            "self" | "selfexecutable" => is_own || is_mine(world, *row) && !public,
            "shared" | "sharedexecutable" => world.field(*row, "sharedwith").is_some() && !is_own,
            "executable" => public || is_own || is_mine(world, *row),
            _ => true,
        }
    };
    let page = list::Page::read(turn)?;
    let rows = list::unscoped(turn, kind, &|world, row| fits(world, &row));
    Ok(page.cut(rows))
}

fn register_template(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if turn.arguments.text("zoneid").is_none() && turn.arguments.text("zoneids").is_none() {
        return Err(Refusal::argument("Either zoneid or zoneids is required. Both cannot be null."));
    }
    let hypervisor = turn.needed("hypervisor")?;
    if !HYPERVISORS.split(", ").any(|known| known.eq_ignore_ascii_case(&hypervisor)) {
        return Err(Refusal::invalid(format!("Hypervisor Type: {hypervisor} is invalid. Supported Hypervisor types are: {HYPERVISORS}")));
    }
    let format = turn.needed("format")?.to_ascii_uppercase();
    register(turn, "template", &[("hypervisor", hypervisor.into()), ("format", format.into()), ("templatetype", "USER".into())])
}

fn register_iso(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    register(turn, "iso", &[])
}

fn register(turn: &mut Turn<'_>, word: &str, more: &[(&str, Datum)]) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    super::limit::check(turn, owner, &[("template", 1)])?;
    let url = turn.needed("url")?;
    if !["http://", "https://", "ftp://", "nfs://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Refusal::invalid(format!("Invalid URL: {url}")));
    }
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let kind = turn.world.kind(word);
    let image = turn.world.insert(kind, Some(owner), more);
    let fields: [(&str, Datum); 5] =
        [("name", name.into()), ("displaytext", text.into()), ("url", url.into()), ("isready", false.into()), ("status", "Creating".into())];
    for (field, datum) in fields {
        turn.world.set(image, field, datum);
    }
    for flag in ["ispublic", "isfeatured", "isextractable", "passwordenabled", "bootable", "sshkeyenabled"] {
        if let Some(value) = turn.arguments.truth(flag) {
            turn.world.set(image, flag, value);
        }
    }
    for (argument, field) in [("zoneid", "zone"), ("ostypeid", "ostype")] {
        if let Some(target) = turn.arguments.object(argument) {
            turn.world.set(image, field, target);
        }
    }
    let takes = if turn.server.options.tuning.speed == crate::options::JobSpeed::Instant { std::time::Duration::ZERO } else { DOWNLOAD };
    turn.world.later(takes, move |world| {
        world.set(image, "isready", true);
        world.set(image, "status", "Download Complete");
        world.set(image, "size", TEMPLATE_BYTES);
        world.set(image, "physicalsize", TEMPLATE_BYTES);
    });
    Ok(Outcome::List(vec![image], 1))
}

fn create_template(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let source = turn.arguments.object("snapshotid").or_else(|| turn.arguments.object("volumeid"));
    let Some(source) = source else { return Err(Refusal::invalid("Either volumeid or snapshotid must be specified")) };
    let volume = turn.world.link(source, "volume").unwrap_or(source);
    let attached = turn.world.link(volume, "vm").is_some_and(|vm| turn.world.text(vm, "state") == Some("Running"));
    if attached && volume == source {
        return Err(Refusal::invalid("Unable to create template from volume: the virtual machine must be stopped"));
    }
    let owner = turn.new_owner()?;
    super::limit::check(turn, owner, &[("template", 1)])?;
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let size = turn.world.number(volume, "size");
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("displaytext", text.into()),
        ("format", "VHD".into()),
        ("hypervisor", "Simulator".into()),
        ("templatetype", "USER".into()),
        ("size", size.into()),
    ];
    for (field, target) in
        [("zone", turn.world.link(volume, "zone")), ("ostype", turn.arguments.object("ostypeid")), ("sourcetemplate", turn.world.link(volume, "template"))]
    {
        if let Some(target) = target {
            fields.push((field, target.into()));
        }
    }
    let kind = turn.world.kind("template");
    let template = turn.world.insert(kind, Some(owner), &fields);
    Ok(turn.making(template, WORK_MEDIUM, move |turn| {
        turn.world.set(template, "isready", true);
        turn.world.set(template, "status", "Download Complete");
        Ok(Outcome::Object(template))
    }))
}

fn copy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    Ok(turn.job(image, WORK_SHORT, move |turn| {
        let target = turn.arguments.object("destzoneid");
        if target.is_some() && target == turn.arguments.object("sourcezoneid") {
            return Err(Refusal::invalid("Please specify different source and destination zones."));
        }
        Ok(Outcome::Object(image))
    }))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    for name in ["name", "displaytext"] {
        if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
            turn.world.set(image, name, text);
        }
    }
    for name in ["passwordenabled", "isdynamicallyscalable", "bootable", "sshkeyenabled"] {
        if let Some(flag) = turn.arguments.truth(name) {
            turn.world.set(image, name, flag);
        }
    }
    if let Some(os) = turn.arguments.object("ostypeid") {
        turn.world.set(image, "ostype", os);
    }
    Ok(Outcome::Object(image))
}

fn update_permissions(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    for name in ["ispublic", "isfeatured", "isextractable"] {
        if let Some(flag) = turn.arguments.truth(name) {
            turn.world.set(image, name, flag);
        }
    }
    if turn.arguments.text("op").is_some_and(|op| op == "add") {
        let accounts = turn.arguments.text("accounts").unwrap_or_default().to_owned();
        turn.world.set(image, "sharedwith", accounts);
    }
    Ok(Outcome::Success)
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    let users = turn.world.referring("virtualmachine", "iso", image).count();
    if users > 0 {
        return Err(Refusal::invalid("Unable to delete iso, as it's used by other vms"));
    }
    Ok(turn.job(image, WORK_SHORT, move |turn| {
        turn.world.remove(image);
        Ok(Outcome::Success)
    }))
}

fn attach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let iso = turn.target("id")?;
    let vm = turn.target("virtualmachineid")?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        turn.world.set(vm, "iso", iso);
        Ok(Outcome::Object(vm))
    }))
}

fn detach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if turn.world.link(vm, "iso").is_none() {
        return Err(Refusal::invalid("The specified VM has no ISO attached to it."));
    }
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        turn.world.unset(vm, "iso");
        Ok(Outcome::Object(vm))
    }))
}
