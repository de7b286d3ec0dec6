//! Templates and ISOs: registered, shared, attached, deleted.

use cloudstack_api::catalog::RoleType;
use serde_json::{Map, Value, json};

use super::{
    Tables,
    recipe::{Put, Recipe, change, make},
    tenancy,
};
use crate::{
    jobs::Chore,
    json::Json,
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, Viewer, always, computed,
        flag, linked, own, own_or,
    },
    list,
    options::{JobSpeed, Scene},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// How long a download takes.
const DOWNLOAD: std::time::Duration = std::time::Duration::from_secs(5);
/// The size that downloaded images turn out to have.
const IMAGE_BYTES: i64 = 5 << 20;
/// How long an upload can begin.
const UPLOAD_VALID: std::time::Duration = std::time::Duration::from_secs(3_600);
/// How long the made-up secrets of an upload are.
const TICKET_CHARACTERS: usize = 600;
const SIGNATURE_CHARACTERS: usize = 27;
/// The formats of images.
const FORMATS: [&str; 13] = ["QCOW2", "RAW", "VHD", "ISO", "OVA", "VHDX", "BAREMETAL", "VMDK", "VDI", "TAR", "DIR", "PXE", "EXTERNAL"];
/// How images are fetched.
const SCHEMES: [&str; 5] = ["http", "https", "ftp", "file", "metalink"];
/// How images are packed.
const PACKINGS: [&str; 5] = [".zip", ".bz2", ".gz", ".xz", ".tar"];
/// What the answers to updating an image leave out.
const NOT_UPDATED: [&str; 21] = [
    "arch",
    "checksum",
    "crossZonesOnly",
    "deployasis",
    "directdownload",
    "downloaddetails",
    "forcks",
    "hasannotations",
    "isextractable",
    "passwordenabled",
    "physicalsize",
    "requireshvm",
    "size",
    "sourcetemplateid",
    "sshkeyenabled",
    "status",
    "url",
    "userdataid",
    "userdataname",
    "zoneid",
    "zonename",
];
/// The filters that lists take.
const FILTERS: &[&str] = &["featured", "self", "selfexecutable", "shared", "sharedexecutable", "executable", "community", "all"];
/// The filters that leave out what is not there yet.
const READY_ONLY: [&str; 4] = ["featured", "selfexecutable", "sharedexecutable", "community"];
/// The hypervisors that texts name.
const HYPERVISORS: &str = "XenServer, KVM, VMware, Hyperv, VirtualBox, Parralels, BareMetal, Simulator, Ovm, Ovm3, LXC, Custom, External, Any";

/// The types of templates, and that of those which people bring.
const TEMPLATE_TYPES: [&str; 8] = ["ROUTING", "SYSTEM", "BUILTIN", "PERHOST", USER, "VNF", "DATADISK", "ISODISK"];
const USER: &str = "USER";
/// The filter that leaves nothing out.
const EVERYTHING: &str = "all";
/// The zone of what is in all of them.
const ALL_ZONES: &str = "-1";

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
        computed("status", status),
        own("size"),
        own("physicalsize"),
        own("templatetype"),
        own("hypervisor"),
        DOMAIN,
        DOMAIN_PATH,
        DOMAIN_ID,
        flag("isextractable"),
        own("checksum"),
        linked("sourcetemplateid", "sourcetemplate", "id"),
        PROJECT_ID,
        PROJECT,
        own_or("details", Constant::Raw("{}")),
        computed("downloaddetails", downloads),
        always("arch", Constant::Text("x86_64")),
        always("bits", Constant::Number(0)),
        flag("sshkeyenabled"),
        flag("isdynamicallyscalable"),
        flag("directdownload"),
        flag("deployasis"),
        flag("forcks"),
        own_or("requireshvm", Constant::Flag(true)),
        computed("url", url),
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
        computed("created", since),
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
        computed("status", status),
        own("size"),
        own("physicalsize"),
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
        computed("url", url),
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
        ("getUploadParamsForTemplate", upload_template),
        ("getUploadParamsForIso", upload_iso),
        ("createTemplate", create_template),
        ("prepareTemplate", prepare),
        ("copyTemplate", copy),
        ("copyIso", copy),
        ("extractTemplate", extract),
        ("extractIso", extract),
        ("updateTemplate", update),
        ("updateIso", update),
        ("updateTemplatePermissions", update_permissions),
        ("updateIsoPermissions", update_permissions),
        ("listTemplatePermissions", permissions),
        ("listIsoPermissions", permissions),
        ("deleteTemplate", delete),
        ("deleteIso", delete),
        ("attachIso", attach),
        ("detachIso", detach),
        ("upgradeRouterTemplate", upgrade_routers),
        ("addGuestOsMapping", add_mapping),
    ],
    filters: &[
        ("template", "zoneid", in_zone),
        ("iso", "zoneid", in_zone),
        ("template", "oscategoryid", of_category),
        ("iso", "oscategoryid", of_category),
        ("template", "parenttemplateid", |turn, row| list::argument_is(turn, "parenttemplateid", turn.world.link(row, "parent"))),
        ("template", "extensionid", |turn, row| list::argument_is(turn, "extensionid", turn.world.link(row, "extension"))),
        ("template", "storageid", on_pool),
        ("iso", "storageid", on_pool),
        ("template", "ids", |turn, row| turn.arguments.objects("ids").is_some_and(|ids| ids.contains(&row))),
        ("template", "isvnf", |turn, row| (turn.world.text(row, "templatetype") == Some("VNF")) == turn.arguments.flag("isvnf")),
        ("iso", "isready", |turn, row| turn.world.flag(row, "isready") == turn.arguments.flag("isready")),
    ],
};

/// Whether an image is for an OS of the category that is asked for.
fn of_category(turn: &Turn<'_>, image: Handle) -> bool {
    let os = turn.world.link(image, "ostype");
    list::argument_is(turn, "oscategoryid", os.and_then(|os| turn.world.link(os, "category")))
}

/// Whether an image has a copy on the pool that is asked for.
fn on_pool(turn: &Turn<'_>, image: Handle) -> bool {
    turn.arguments.object("storageid").is_some_and(|pool| turn.world.links(image, "pools").contains(&pool))
}

/// The OS types that people add.
pub(super) const RECIPES: &[Recipe] = &[
    make(
        "addGuestOs",
        "ostype",
        &[
            Put::Named("osdisplayname", "name"),
            Put::Named("osdisplayname", "description"),
            Put::Link("oscategoryid", "category"),
            Put::Flag("fordisplay"),
            Put::Fixed("isuserdefined", Constant::Flag(true)),
        ],
    ),
    change("updateGuestOs", "id", &[Put::Named("osdisplayname", "name"), Put::Named("osdisplayname", "description"), Put::Flag("fordisplay")]),
];

fn in_zone(turn: &Turn<'_>, image: Handle) -> bool {
    turn.world.link(image, "zone").is_none_or(|zone| list::argument_is(turn, "zoneid", Some(zone)))
}

/// When somebody brought an ISO here; those that come with the server tell nothing.
fn since(world: &World, image: Handle, _: Viewer) -> Option<Shown> {
    let created = std::time::Duration::from_secs(world.created(image));
    (!world.flag(image, "isbundled")).then(|| Shown::Text(cloudstack_api::clock::timestamp(created)))
}

/// Whether a viewer sees how an image came here: root admins and its owner do.
fn is_insider(world: &World, image: Handle, viewer: Viewer) -> bool {
    viewer.root || viewer.account.is_some() && world.owner(image) == viewer.account
}

fn status(world: &World, image: Handle, viewer: Viewer) -> Option<Shown> {
    let status = world.text(image, "status").filter(|_| is_insider(world, image, viewer))?;
    Some(Shown::Text(status.to_owned()))
}

fn url(world: &World, image: Handle, viewer: Viewer) -> Option<Shown> {
    let url = world.text(image, "url").filter(|_| is_insider(world, image, viewer))?;
    Some(Shown::Text(url.to_owned()))
}

/// Where copies of an image are: on secondary storage, and for root admins on the pools where machines run from it.
fn downloads(world: &World, image: Handle, viewer: Viewer) -> Option<Shown> {
    if world.flag(image, "isbundled") {
        return Some(Shown::Raw("[]".to_owned()));
    }
    let share = if world.flag(image, "isready") { ("DOWNLOADED", "100") } else { (world.text(image, "downloading").unwrap_or("DOWNLOAD_IN_PROGRESS"), "10") };
    let copy = |place: Handle, role: &str, (state, percent): (&str, &str)| {
        let name = world.string(place, "name");
        if viewer.root {
            json!({"downloadState": state, "datastore": name, "datastoreRole": role, "downloadPercent": percent, "datastoreId": world.id(place)})
        } else {
            json!({"downloadState": state, "datastore": name, "downloadPercent": percent})
        }
    };
    let store = world.rows(world.kind("imagestore")).next().map(|store| copy(store, "Image", share));
    let pools = world.links(image, "pools").iter().filter(|_| viewer.root);
    let pools = pools.map(|pool| copy(*pool, "Primary", ("DOWNLOADED", "100")));
    Some(Shown::Raw(Value::Array(store.into_iter().chain(pools).collect()).to_string()))
}

/// Writes down that an image has a copy on a pool.
pub(crate) fn keep_on_pool(world: &mut World, image: Handle, pool: Handle) {
    let mut pools = world.links(image, "pools").to_vec();
    if !pools.contains(&pool) {
        pools.push(pool);
        world.set(image, "pools", Datum::Links(pools.into()));
    }
}

/// Whether the owner of an image shares it with an account.
pub(crate) fn is_shared_with(world: &World, image: Handle, account: Handle) -> bool {
    world.links(image, "sharedwith").contains(&account)
}

/// Lists the templates that a filter names.
pub(super) fn list_templates(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let filter = turn.needed("templatefilter")?;
    list_images(turn, "template", &filter)
}

fn list_isos(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let filter = turn.arguments.text("isofilter").unwrap_or("selfexecutable").to_owned();
    list_images(turn, "iso", &filter)
}

/// Lists the images that a filter names. Whether everything is wanted the filter says, not the argument `listall`; an
/// image that is asked for by its id is shown whatever the filter says, or refused.
fn list_images(turn: &mut Turn<'_>, word: &str, filter: &str) -> Result<Outcome, Refusal> {
    if !FILTERS.contains(&filter) {
        return Err(Refusal::argument(format!("No enum constant com.cloud.template.VirtualMachineTemplate.TemplateFilter.{filter}")));
    }
    if filter == EVERYTHING && turn.caller.kind == RoleType::User {
        return Err(Refusal::invalid("Filter all can be specified by admin only"));
    }
    let kind = turn.world.kind(word);
    let scope = list::scope_with(turn, filter == EVERYTHING)?;
    let by_id = turn.arguments.object("id");
    if let Some(image) = by_id
        && !turn.world.flag(image, "ispublic")
        && !is_shared_with(turn.world, image, turn.caller.account)
        && !turn.may_use(image)
    {
        return Err(Refusal::permission());
    }
    let page = list::Page::read(turn)?;
    let rows = list::unscoped(turn, kind, &|world, row| !world.flag(row, "hidden") && (by_id.is_some() || is_listed(turn, (row, filter), &scope)));
    Ok(page.cut(rows))
}

/// Whether a filter and whose objects are asked for let an image into a list.
fn is_listed(turn: &Turn<'_>, (image, filter): (Handle, &str), scope: &list::Scope) -> bool {
    let (world, caller) = (&*turn.world, &turn.caller);
    let owner = world.owner(image);
    let of_project = owner.is_some_and(|owner| world.link(owner, "project").is_some());
    let in_projects = match turn.arguments.text("projectid") {
        None => !of_project,
        Some(list::ALL_PROJECTS) => of_project || filter == EVERYTHING,
        Some(_) => true,
    };
    let accounts: &[Handle] = match scope {
        list::Scope::Accounts(accounts) => accounts,
        list::Scope::All { .. } | list::Scope::Domain { .. } => &[],
    };
    let is_mine = owner.is_some_and(|owner| accounts.contains(&owner));
    let is_shared = accounts.iter().any(|account| is_shared_with(world, image, *account));
    let (public, featured) = (world.flag(image, "ispublic"), world.flag(image, "isfeatured"));
    in_projects
        && (world.flag(image, "isready") || !READY_ONLY.contains(&filter))
        && match filter {
            "featured" => public && featured,
            "community" => public && !featured,
            "self" | "selfexecutable" => (accounts.is_empty() || is_mine) && (caller.kind == RoleType::User || is_in_domain(turn, image, accounts)),
            "shared" | "sharedexecutable" => is_shared,
            "executable" => public || is_mine,
            _ if caller.is_root() => true,
            _ if turn.arguments.text("projectid").is_none() => public || world.domain_of(image).is_some_and(|of| world.is_within(of, caller.domain)),
            _ => public || is_mine || is_shared,
        }
}

/// Whether an image is in the domain that an admin asks for, or below it: that of the account, the one named, or his own.
fn is_in_domain(turn: &Turn<'_>, image: Handle, accounts: &[Handle]) -> bool {
    let named = accounts.first().and_then(|account| turn.world.link(*account, "domain")).or_else(|| turn.arguments.object("domainid"));
    let (top, of) = (named.unwrap_or(turn.caller.domain), turn.world.domain_of(image));
    of == Some(top) || turn.arguments.flag("isrecursive") && of.is_some_and(|of| turn.world.is_within(of, top))
}

/// Fetches a template from somewhere.
pub(super) fn register_template(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if turn.arguments.text("zoneid").is_none() && turn.arguments.text("zoneids").is_none() {
        return Err(Refusal::argument("Either zoneid or zoneids is required. Both cannot be null."));
    }
    let fields = template_fields(turn)?;
    let format = turn.needed("format")?;
    check_url(turn, &format)?;
    register(turn, "template", &fields)
}

/// The type of template that a call asks for. Some are for templates of all zones alone, most for admins alone.
fn chosen_type(turn: &Turn<'_>, is_everywhere: bool) -> Result<Option<&'static str>, Refusal> {
    let Some(word) = turn.arguments.text("templatetype") else { return Ok(None) };
    let Some(known) = TEMPLATE_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(word)) else {
        return Err(Refusal::invalid(format!("Please specify a valid templatetype: {}", TEMPLATE_TYPES.join(","))));
    };
    if ["SYSTEM", "BUILTIN"].contains(&known) && !is_everywhere {
        return Err(Refusal::invalid("System and Builtin templates must be cross zone."));
    }
    if turn.caller.kind == RoleType::User && ![USER, "VNF"].contains(&known) {
        return Err(Refusal::invalid(format!("The template type {known} is for admins")));
    }
    Ok(Some(known))
}

/// What a new template is like, as its arguments say.
fn template_fields(turn: &Turn<'_>) -> Result<Vec<(&'static str, Datum)>, Refusal> {
    let hypervisor = turn.needed("hypervisor")?;
    let known = HYPERVISORS.split(", ").find(|known| known.eq_ignore_ascii_case(&hypervisor));
    let Some(known) = known else {
        return Err(Refusal::invalid(format!("Hypervisor Type: {hypervisor} is invalid. Supported Hypervisor types are: {HYPERVISORS}")));
    };
    let format = turn.needed("format")?.to_ascii_uppercase();
    if !FORMATS.contains(&format.as_str()) {
        return Err(Refusal { masked: true, ..Refusal::failed(format!("Image format is incorrect {format}. Supported formats are {}", FORMATS.join(", "))) });
    }
    let kind = chosen_type(turn, turn.arguments.text("zoneid") == Some(ALL_ZONES))?.unwrap_or(USER);
    Ok(vec![("hypervisor", known.into()), ("format", format.into()), ("templatetype", kind.into())])
}

/// Whether an image of a format can be fetched from an address.
fn check_url(turn: &Turn<'_>, format: &str) -> Result<(), Refusal> {
    let url = turn.needed("url")?;
    let Some((scheme, rest)) = url.split_once("://") else { return Err(Refusal::invalid(format!("Unsupported scheme for url: {url}"))) };
    if !SCHEMES.contains(&scheme.to_lowercase().as_str()) {
        return Err(Refusal::invalid(format!("Unsupported scheme for url: {url}")));
    }
    let path = rest.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    let bare = PACKINGS.iter().find_map(|packing| path.strip_suffix(packing)).unwrap_or(&path);
    let format = format.to_lowercase();
    let fits = match format.as_str() {
        "qcow2" => bare.ends_with(".qcow2") || bare.ends_with(".img"),
        "raw" => bare.ends_with(".img") || bare.ends_with(".raw"),
        "vhd" | "vhdx" | "iso" | "ova" | "vmdk" | "vdi" | "tar" => bare.ends_with(&format!(".{format}")),
        _ => true,
    };
    if fits { Ok(()) } else { Err(Refusal::invalid(format!("Please specify a valid {format}"))) }
}

fn register_iso(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    check_url(turn, "iso")?;
    let boots = turn.arguments.truth("bootable") != Some(false);
    if boots && turn.arguments.object("ostypeid").is_none() {
        return Err(Refusal::invalid("Please pass a valid GuestOS Id"));
    }
    register(turn, "iso", &[("bootable", boots.into())])
}

/// A row for an image that is not here yet.
fn begin(turn: &mut Turn<'_>, word: &str, more: &[(&str, Datum)]) -> Result<Handle, Refusal> {
    let owner = turn.new_owner()?;
    super::limit::check(turn, owner, &[("template", 1), ("secondary_storage", 0)])?;
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let kind = turn.world.kind(word);
    let image = turn.world.insert(kind, Some(owner), more);
    turn.world.set(image, "name", name);
    turn.world.set(image, "displaytext", text);
    // Only admins make images that stand out.
    let is_admin = turn.caller.kind != RoleType::User;
    for flag in ["ispublic", "isfeatured", "isextractable", "passwordenabled", "sshkeyenabled", "isdynamicallyscalable", "requireshvm", "directdownload"] {
        if let Some(value) = turn.arguments.truth(flag).filter(|_| is_admin || flag != "isfeatured") {
            turn.world.set(image, flag, value);
        }
    }
    if let Some(sum) = turn.arguments.text("checksum").map(str::to_owned) {
        turn.world.set(image, "checksum", sum);
    }
    let details = turn.arguments.records("details").next().cloned();
    if let Some(details) = details {
        turn.world.set(image, "details", json!(details));
    }
    let zone = turn.arguments.object("zoneid").or_else(|| turn.arguments.objects("zoneids").and_then(|zones| zones.first().copied()));
    let everywhere = turn.arguments.text("zoneid") == Some("-1") || turn.arguments.text("zoneids") == Some("-1");
    turn.world.set(image, "crossZones", everywhere);
    let zone = zone.or_else(|| super::place::only_zone(turn.world));
    for (field, target) in [("zone", zone), ("ostype", turn.arguments.object("ostypeid"))] {
        if let Some(target) = target {
            turn.world.set(image, field, target);
        }
    }
    super::tag::put(turn, image, if word == "iso" { "ISO" } else { "Template" });
    Ok(image)
}

fn register(turn: &mut Turn<'_>, word: &str, more: &[(&str, Datum)]) -> Result<Outcome, Refusal> {
    let url = turn.needed("url")?;
    let image = begin(turn, word, more)?;
    turn.world.set(image, "url", url);
    // Simulated storage has what it is asked for at once; where people look on, they see it arrive.
    if turn.server.options.scene == Scene::Bare || turn.server.options.tuning.speed == JobSpeed::Instant {
        arrive(turn.world, image);
    } else {
        turn.world.set(image, "isready", false);
        turn.world.set(image, "status", "10% Downloaded");
        turn.world.due(DOWNLOAD, Chore::EndDownload, image);
    }
    Ok(Outcome::List(vec![image], 1))
}

/// A template or an ISO is there.
pub(crate) fn arrive(world: &mut World, image: Handle) {
    let done = if image.kind == world.kind("iso") { "Successfully Installed" } else { "Download Complete" };
    world.set(image, "isready", true);
    world.set(image, "status", done);
    world.set(image, "size", IMAGE_BYTES);
    world.set(image, "physicalsize", IMAGE_BYTES);
}

fn upload_template(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let fields = template_fields(turn)?;
    let image = begin(turn, "template", &fields)?;
    turn.world.set(image, "downloading", "NOT_DOWNLOADED");
    Ok(upload_ticket(turn, image))
}

fn upload_iso(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if !turn.needed("format")?.eq_ignore_ascii_case("iso") {
        return Err(Refusal::invalid("The format of an ISO is ISO"));
    }
    let image = begin(turn, "iso", &[])?;
    turn.world.set(image, "downloading", "NOT_DOWNLOADED");
    Ok(upload_ticket(turn, image))
}

fn random_text(turn: &mut Turn<'_>, length: usize) -> String {
    (0..length).map(|_| turn.world.random.alphanumeric()).collect()
}

/// Where and how an object can be uploaded.
pub(super) fn upload_ticket(turn: &mut Turn<'_>, object: Handle) -> Outcome {
    let id = turn.world.id(object);
    let until = cloudstack_api::clock::timestamp(turn.world.now + UPLOAD_VALID);
    let until = until.replace("+0000", ".000Z");
    let (metadata, signature) = (random_text(turn, TICKET_CHARACTERS), random_text(turn, SIGNATURE_CHARACTERS));
    let shown = json!({
        "id": id, "postURL": format!("https://192.168.2.3/upload/{id}"), "metadata": metadata, "expires": until, "signature": signature,
    });
    Outcome::Shown("getuploadparams".to_owned(), shown.to_string())
}

/// Where an object can be downloaded.
pub(super) fn download_ticket(turn: &mut Turn<'_>, object: Handle) -> Outcome {
    let word = turn.world.description(object.kind).map(|kind| kind.word.to_string()).unwrap_or_default();
    let owner = turn.world.owner(object).map(|owner| turn.world.id(owner)).unwrap_or_default();
    let zone = turn.world.link(object, "zone");
    let shown = json!({
        "id": turn.world.id(object), "name": turn.world.string(object, "name"), "accountid": owner, "state": "DOWNLOAD_URL_CREATED",
        "extractMode": "HTTP_DOWNLOAD", "storagetype": "", "zoneid": zone.map(|zone| turn.world.id(zone)),
        "zonename": zone.map(|zone| turn.world.string(zone, "name")), "url": format!("https://192.168.2.3/userdata/{}.vhd", turn.world.id(object)),
    });
    Outcome::Shown(word, shown.to_string())
}

fn extract(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    let mode = turn.needed("mode")?;
    let check = if !["HTTP_DOWNLOAD", "FTP_UPLOAD"].contains(&mode.as_str()) {
        Err(Refusal::invalid(format!("Please specify a valid extract mode {mode}")))
    } else if !turn.caller.is_root() && !turn.world.flag(image, "isextractable") {
        Err(Refusal::failed(format!("Unable to extract image id={} as it's not extractable", turn.world.id(image))))
    } else if !turn.world.flag(image, "isready") {
        Err(Refusal::invalid("The image is not here yet, so there is nothing to extract"))
    } else {
        Ok(())
    };
    Ok(turn.checked_job(image, WORK_SHORT, check, move |turn| Ok(download_ticket(turn, image))))
}

/// Whether a volume or a snapshot can become a template.
fn check_source(turn: &Turn<'_>, source: Handle, volume: Handle) -> Result<(), Refusal> {
    if source != volume {
        let backed_up = turn.world.text(source, "state") == Some("BackedUp");
        let said = turn.world.id(source);
        return if backed_up {
            Ok(())
        } else {
            Err(Refusal::internal(format!("Snapshot id={said} is not in BackedUp state yet and can't be used for template creation")))
        };
    }
    if turn.world.link(volume, "vm").is_some_and(|vm| turn.world.text(vm, "state") != Some("Stopped")) {
        return Err(Refusal::internal("Unable to create private template: the volume is attached to a machine that is not stopped"));
    }
    if turn.world.text(volume, "state") != Some("Ready") {
        return Err(Refusal::internal("Unable to create private template: the volume is not ready"));
    }
    Ok(())
}

fn create_template(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (snapshot, volume) = (turn.arguments.object("snapshotid"), turn.arguments.object("volumeid"));
    let source = match (snapshot, volume) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("Only one of volumeid and snapshotid can be specified")),
        (one, other) => one.or(other),
    };
    let Some(source) = source else { return Err(Refusal::invalid("Either volumeid or snapshotid must be specified")) };
    let volume = turn.world.link(source, "volume").unwrap_or(source);
    check_source(turn, source, volume)?;
    let fields: [(&str, Datum); 4] =
        [("format", "RAW".into()), ("hypervisor", "Simulator".into()), ("templatetype", "USER".into()), ("status", "Creating".into())];
    let template = begin(turn, "template", &fields)?;
    for (field, target) in [("zone", turn.world.link(volume, "zone")), ("sourcetemplate", turn.world.link(volume, "template"))] {
        if let Some(target) = target {
            turn.world.set(template, field, target);
        }
    }
    let from = turn.world.link(volume, "template");
    for flag in ["passwordenabled", "sshkeyenabled"] {
        if turn.arguments.truth(flag).is_none() && from.is_some_and(|from| turn.world.flag(from, flag)) {
            turn.world.set(template, flag, true);
        }
    }
    // A machine's root disk takes the machine's details along.
    let vm = turn.world.link(volume, "vm").filter(|_| turn.world.text(volume, "type") == Some("ROOT"));
    if let Some(vm) = vm {
        let mut details = super::vm::all_details(turn.world, vm);
        details.remove("deployvm");
        if let Some(given) = turn.arguments.records("details").next() {
            details.extend(given.iter().map(|(key, value)| (key.clone(), json!(value))));
        }
        turn.world.set(template, "details", Value::Object(details));
    }
    Ok(turn.making(template, WORK_MEDIUM, move |turn| {
        turn.world.set(template, "isready", true);
        turn.world.set(template, "status", "Download Complete");
        Ok(Outcome::Object(template))
    }))
}

fn prepare(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let template = turn.target("templateid")?;
    let one = turn.arguments.object("storageid");
    let kind = turn.world.kind("storagepool");
    let pools: Vec<Handle> = turn.world.rows(kind).filter(|pool| one.is_none_or(|one| one == *pool)).collect();
    turn.world.later(WORK_MEDIUM, move |world| pools.into_iter().for_each(|pool| keep_on_pool(world, template, pool)));
    Ok(Outcome::List(vec![template], 1))
}

/// An image as the answers to copying show it: as a template, whatever it is.
fn as_template(turn: &Turn<'_>, image: Handle) -> Outcome {
    if image.kind == turn.world.kind("template") {
        return Outcome::Object(image);
    }
    let mut text = Json::default();
    turn.world.render(image, turn.viewer(), &mut text);
    let mut shown: Map<String, Value> = serde_json::from_str(&text.into_text()).unwrap_or_default();
    shown.remove("bootable");
    let more = [
        ("templatetype", json!("USER")),
        ("hypervisor", json!("None")),
        ("details", json!({})),
        ("bits", json!(0)),
        ("sshkeyenabled", json!(false)),
        ("deployasis", json!(false)),
        ("forcks", json!(false)),
        ("requireshvm", json!(true)),
    ];
    shown.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if turn.world.is_old {
        shown.remove("forcks");
    }
    Outcome::Shown("template".to_owned(), Value::Object(shown).to_string())
}

fn copy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    let target = turn.arguments.object("destzoneid");
    let several = turn.arguments.objects("destzoneids").is_some_and(|zones| !zones.is_empty());
    let check = if target.is_none() && !several {
        Err(Refusal::invalid("Either destzoneid or destzoneids parameters have to be specified."))
    } else if target.is_some() && target == turn.arguments.object("sourcezoneid") {
        Err(Refusal::invalid("Please specify different source and destination zones."))
    } else {
        Ok(())
    };
    Ok(turn.checked_job(image, WORK_SHORT, check, move |turn| Ok(as_template(turn, image))))
}

/// An image as the answers to updating show it: with less than lists do.
fn as_updated(turn: &Turn<'_>, image: Handle) -> Outcome {
    let is_iso = image.kind == turn.world.kind("iso");
    let mut text = Json::default();
    turn.world.render(image, turn.viewer(), &mut text);
    let mut shown: Map<String, Value> = serde_json::from_str(&text.into_text()).unwrap_or_default();
    shown.retain(|name, _| !NOT_UPDATED.contains(&name.as_str()));
    shown.insert("isready".to_owned(), json!(false));
    shown.insert("bootable".to_owned(), json!(turn.world.field(image, "bootable").is_none() || turn.world.flag(image, "bootable")));
    shown.insert("bits".to_owned(), json!(0));
    if is_iso {
        shown.insert("hypervisor".to_owned(), json!("None"));
    }
    Outcome::Shown(if is_iso { "iso" } else { "template" }.to_owned(), Value::Object(shown).to_string())
}

/// Changes an image.
pub(super) fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    let kind = chosen_type(turn, turn.world.flag(image, "crosszones"))?;
    for name in ["name", "displaytext"] {
        if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
            turn.world.set(image, name, text);
        }
    }
    for name in ["passwordenabled", "isdynamicallyscalable", "bootable", "sshkeyenabled", "requireshvm"] {
        if let Some(flag) = turn.arguments.truth(name) {
            turn.world.set(image, name, flag);
        }
    }
    if let Some(os) = turn.arguments.object("ostypeid") {
        turn.world.set(image, "ostype", os);
    }
    if let Some(kind) = kind {
        turn.world.set(image, "templatetype", kind);
    }
    if let Some(format) = turn.arguments.text("format").map(str::to_uppercase) {
        turn.world.set(image, "format", format);
    }
    let details = turn.arguments.records("details").next().cloned();
    if let Some(details) = details {
        turn.world.set(image, "details", json!(details));
    } else if turn.arguments.flag("cleanupdetails") {
        turn.world.set(image, "details", json!({}));
    }
    Ok(as_updated(turn, image))
}

/// An account by its name, if there is one.
type Named = (String, Option<Handle>);

/// The accounts that a call to share an image names, by their names in the owner's domain and by their projects, each
/// with its name. Nothing where the call names none.
fn named_accounts(turn: &Turn<'_>, image: Handle) -> Result<Option<Vec<Named>>, Refusal> {
    let domain = turn.world.domain_of(image);
    let mut found: Vec<Named> = Vec::new();
    for name in turn.arguments.list("accounts") {
        found.push((name.to_owned(), domain.and_then(|domain| tenancy::any_account_named(turn.world, domain, name))));
    }
    for project in turn.arguments.objects("projectids").unwrap_or_default() {
        let account = turn.world.link(*project, "projectaccount").filter(|account| turn.may_use(*account) || turn.is_member_of(*account));
        let Some(account) = account else { return Err(Refusal::invalid(format!("The project {} is out of reach", turn.world.id(*project)))) };
        found.push((turn.world.string(account, "name"), Some(account)));
    }
    Ok(Some(found).filter(|found| !found.is_empty()))
}

/// Who may use an image beside its owner. What the operation is called is looked at only where somebody is named; that
/// somebody must be named comes after the flags are set.
fn update_permissions(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    let wants_iso = turn.command.name.contains("Iso");
    if wants_iso != (image.kind == turn.world.kind("iso")) {
        return Err(Refusal::invalid(format!("Please provide a valid {}", if wants_iso { "iso" } else { "template" })));
    }
    let named = named_accounts(turn, image)?;
    let op = turn.arguments.text("op").map(str::to_lowercase);
    let is_known = op.as_deref().is_some_and(|op| ["add", "remove", "reset"].contains(&op));
    if named.is_some() && !is_known {
        return Err(Refusal::invalid(format!(
            "Invalid operation on accounts, the operation must be either 'add' or 'remove' in order to modify launch permissions. Given operation is: '{}'",
            op.as_deref().unwrap_or("null")
        )));
    }
    for name in ["ispublic", "isfeatured", "isextractable"] {
        if let Some(flag) = turn.arguments.truth(name) {
            turn.world.set(image, name, flag);
        }
    }
    let mut shared = turn.world.links(image, "sharedwith").to_vec();
    match (op.as_deref(), named) {
        (Some(op @ ("add" | "remove")), None) => return Err(Refusal::invalid(format!("Operation {op} requires accounts or projectIds to be passed in"))),
        (Some("add"), Some(named)) => {
            for (name, account) in named {
                let account = account.ok_or_else(|| {
                    Refusal::invalid(format!("Unable to grant a launch permission to account {name}, account not found. No permissions updated"))
                })?;
                // Those who give it have it anyway.
                if account != turn.caller.account && !is_shared_with(turn.world, image, account) {
                    shared.push(account);
                }
            }
        }
        (Some("remove"), Some(named)) => shared.retain(|account| !named.iter().any(|(_, named)| *named == Some(*account))),
        (Some("reset"), _) => {
            shared.clear();
            turn.world.set(image, "ispublic", false);
            turn.world.set(image, "isfeatured", false);
        }
        _ => {}
    }
    turn.world.set(image, "sharedwith", Datum::Links(shared.into()));
    Ok(Outcome::Success)
}

fn permissions(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    if !turn.may_use(image) || turn.world.owner(image) != Some(turn.caller.account) && turn.caller.kind == RoleType::User {
        return Err(Refusal::forbidden("Unable to list permissions on the image: it belongs to somebody else"));
    }
    let shared = turn.world.links(image, "sharedwith").to_vec();
    let holders = shared.into_iter().chain(turn.world.owner(image));
    let (projects, accounts): (Vec<Handle>, Vec<Handle>) = holders.partition(|account| turn.world.link(*account, "project").is_some());
    let names: Vec<String> = accounts.iter().map(|account| turn.world.string(*account, "name")).collect();
    let mut shown = json!({"id": turn.world.id(image), "ispublic": turn.world.flag(image, "ispublic"), "account": names});
    if turn.caller.is_root()
        && let Some(domain) = turn.world.domain_of(image)
    {
        shown = super::metrics::with(shown, "domainid", turn.world.id(domain));
    }
    let ids: Vec<String> = projects.iter().filter_map(|account| turn.world.link(*account, "project")).map(|project| turn.world.id(project)).collect();
    if !ids.is_empty() {
        shown = super::metrics::with(shown, "projectids", ids);
    }
    Ok(Outcome::Shown("templatepermission".to_owned(), shown.to_string()))
}

fn check_deletable(turn: &Turn<'_>, image: Handle) -> Result<(), Refusal> {
    let field = if image.kind == turn.world.kind("iso") { "iso" } else { "template" };
    let used = turn.world.referring("virtualmachine", field, image).next();
    match used {
        Some(_) if field == "iso" => Err(Refusal::invalid("Unable to delete iso, as it's used by other vms")),
        Some(_) if !turn.arguments.flag("forced") => {
            Err(Refusal::invalid(format!("Unable to delete Template {}: machines are using it", turn.world.string(image, "name"))))
        }
        _ if turn.world.text(image, "templatetype") == Some("SYSTEM") => Err(Refusal::invalid("The template of system VMs cannot be deleted")),
        _ => Ok(()),
    }
}

/// Deletes an image.
pub(super) fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.target("id")?;
    let check = check_deletable(turn, image);
    Ok(turn.checked_job(image, WORK_SHORT, check, move |turn| {
        if !turn.world.is_alive(image) {
            return Err(Refusal::failed("Failed to delete template"));
        }
        turn.world.remove(image);
        Ok(Outcome::Success)
    }))
}

/// Whether something can be done with a machine's drive for ISOs.
fn check_drive(turn: &Turn<'_>, vm: Handle) -> Result<(), Refusal> {
    if matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
        Ok(())
    } else {
        Err(Refusal::invalid("Please specify a VM that is either Stopped or Running."))
    }
}

fn attach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let iso = turn.target("id")?;
    let vm = turn.target("virtualmachineid")?;
    let check = if !turn.world.flag(iso, "isready") || turn.world.flag(iso, "isbundled") {
        Err(Refusal::invalid("The ISO is not here yet, so it cannot be attached"))
    } else {
        check_drive(turn, vm)
    };
    Ok(turn.checked_job(vm, WORK_SHORT, check, move |turn| {
        turn.world.set(vm, "iso", iso);
        Ok(Outcome::Object(vm))
    }))
}

fn detach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let check = if turn.world.link(vm, "iso").is_none() { Err(Refusal::invalid("The specified VM has no ISO attached to it.")) } else { check_drive(turn, vm) };
    Ok(turn.checked_job(vm, WORK_SHORT, check, move |turn| {
        turn.world.unset(vm, "iso");
        Ok(Outcome::Object(vm))
    }))
}

fn upgrade_routers(_: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    Err(Refusal::internal("Router is already at the latest version. No upgrade required"))
}

fn add_mapping(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(kind) = turn.world.kind_of_entity("GuestOsMappingResponse") else { return crate::generic::answer(turn) };
    let os = turn.arguments.object("ostypeid");
    let made = turn.world.insert(kind, None, &[("isuserdefined", "true".into())]);
    crate::generic::apply(turn, made);
    if let Some(os) = os {
        let name = turn.world.string(os, "description");
        turn.world.set(made, "osdisplayname", name);
    }
    Ok(turn.making(made, WORK_SHORT, move |_| Ok(Outcome::Object(made))))
}
