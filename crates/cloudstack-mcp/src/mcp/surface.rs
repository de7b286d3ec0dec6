//! The set of tools that clients see, and the commands that may pass through it.
//!
//! Decided by settings alone: it never changes because of a connection or of earlier calls.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, OnceLock},
    time::Duration,
};

use cloudstack_api::{
    call::{closest, quoted},
    catalog::{Catalog, Command},
    clock::Clock,
};
use cloudstack_engine::{Engine, Report, ReportKind, Scope};
use rmcp::model::Tool as Definition;
use tokio::sync::OnceCell;

use super::{ServeOptions, Surface, tools, tools::Tool, typed};

/// The compact tools that the typed surface has besides its own.
const TYPED_COMPANIONS: [&str; 3] = ["search", "find", "job"];

/// The toolset that stands for all of them.
const EVERY_TOOLSET: &str = "all";

/// How long the list of tools waits to learn what the role may call; then it shows all.
const ROLE_WAIT_MAX: Duration = Duration::from_secs(10);

/// The tools of a surface.
pub(super) struct Toolbox {
    surface: Surface,
    compact: Vec<Arc<dyn Tool>>,
    catalog: Arc<Catalog>,
    scope: Scope,
    /// The commands that have a tool of their own.
    typed: Scope,
    choice: typed::Choice,
    opened: OnceLock<Opened>,
    allowed: OnceCell<Option<Arc<BTreeSet<String>>>>,
}

/// Tools that have been built.
struct Opened {
    tools: Vec<Arc<dyn Tool>>,
    places: HashMap<String, usize>,
}

/// What `--tools` names.
#[derive(Default)]
struct Named {
    compact: BTreeSet<String>,
    commands: BTreeSet<String>,
}

impl Toolbox {
    /// The tools that the settings choose.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` with all toolsets and tools that do not exist.
    pub(super) fn new(engine: &Engine, options: &ServeOptions) -> Result<Self, Report> {
        let catalog = engine.catalog(None)?;
        let all = tools::all();
        let named = named(&catalog, &all, &options.tools);
        let families = families(&catalog, &options.toolsets);
        let faults: Vec<Report> = [named.as_ref().err(), families.as_ref().err()].into_iter().flatten().cloned().collect();
        if let (Ok(named), Ok(families)) = (named, families) {
            let kept = |tool: &Arc<dyn Tool>| is_kept(options, &named, tool.definition());
            return Ok(Self {
                surface: options.surface,
                compact: all.into_iter().filter(kept).collect(),
                scope: scope(&catalog, &named, &families),
                // Choosing among commands reads all their rows; only the typed surface shows a choice.
                typed: if options.surface == Surface::Compact {
                    Scope::All
                } else if named.commands.is_empty() && options.toolsets.is_empty() {
                    scope(&catalog, &named, &usual_families(&catalog))
                } else {
                    scope(&catalog, &named, &families)
                },
                choice: typed::Choice { read_only: options.read_only, has_profiles: engine.profiles().len() > 1 },
                catalog,
                opened: OnceLock::new(),
                allowed: OnceCell::new(),
            });
        }
        let message: Vec<&str> = faults.iter().map(|report| report.message.as_str()).collect();
        let report = Report::new(ReportKind::Usage, message.join("; "));
        Err(faults.iter().flat_map(|fault| fault.hints.clone()).fold(report, Report::hint))
    }

    /// The commands that may pass.
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The catalog that the surface was made from.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The tools in the order in which clients see them.
    pub(super) fn tools(&self) -> &[Arc<dyn Tool>] {
        &self.opened().tools
    }

    /// The tools that clients are shown: those whose command the role may call, where there is one identity and its
    /// server tells what that may call. Found out once, so that the list stays what it was; a tool that is not shown can
    /// still be called, and the server then says why it refuses.
    pub(super) async fn shown(&self, engine: &Engine, clock: &dyn Clock) -> Vec<&Arc<dyn Tool>> {
        let learned = async {
            match self.surface {
                Surface::Typed if !self.choice.has_profiles => self.allowed.get_or_init(|| allowed(engine, clock)).await.as_deref(),
                Surface::Typed | Surface::Compact => None,
            }
        };
        // The server answers while the tools are being built.
        let (allowed, tools) = futures_util::future::join(learned, async { self.tools() }).await;
        let is_shown = |tool: &&Arc<dyn Tool>| tool.command().is_none_or(|command| allowed.is_none_or(|allowed| allowed.contains(command)));
        tools.iter().filter(is_shown).collect()
    }

    /// The tool with this name.
    pub(super) fn tool(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        let opened = self.opened();
        opened.places.get(name).and_then(|&place| opened.tools.get(place))
    }

    /// The toolset that an unknown tool is in, where it is one that has to be named.
    pub(super) fn toolset_of(&self, tool: &str) -> Option<String> {
        let command = typed::command_of_tool(&self.catalog, tool)?;
        (self.surface == Surface::Typed && self.scope.allows(&command.name)).then(|| command.family.clone())
    }

    /// Builds the tools when they are first asked for, so that a process starts without them.
    fn opened(&self) -> &Opened {
        self.opened.get_or_init(|| {
            let mut tools = self.compact.clone();
            if self.surface == Surface::Typed {
                tools.extend(typed::all(&self.catalog, &self.typed, self.choice));
            }
            let places = tools.iter().enumerate().map(|(place, tool)| (tool.definition().name.to_string(), place)).collect();
            Opened { tools, places }
        })
    }
}

/// What the identity may call, if its server tells in time.
async fn allowed(engine: &Engine, clock: &dyn Clock) -> Option<Arc<BTreeSet<String>>> {
    tokio::select! {
        allowed = engine.allowed(None) => allowed.ok(),
        () = clock.sleep(ROLE_WAIT_MAX) => None,
    }
}

/// Whether a compact tool is part of the surface. Naming commands alone keeps all compact tools.
fn is_kept(options: &ServeOptions, named: &Named, tool: &Definition) -> bool {
    let belongs = options.surface == Surface::Compact || TYPED_COMPANIONS.contains(&tool.name.as_ref());
    let changes = tool.annotations.as_ref().is_some_and(|hints| hints.read_only_hint != Some(true));
    belongs && !(options.read_only && changes) && (named.compact.is_empty() || named.compact.contains(tool.name.as_ref()))
}

fn scope(catalog: &Catalog, named: &Named, families: &BTreeSet<String>) -> Scope {
    if named.commands.is_empty() && families.is_empty() {
        return Scope::All;
    }
    let chosen = |command: &Arc<Command>| {
        (families.is_empty() || families.contains(&command.family)) && (named.commands.is_empty() || named.commands.contains(&command.name))
    };
    Scope::Commands(catalog.commands().filter(chosen).map(|command| command.name.clone()).collect())
}

/// The compact tools and commands with these names.
fn named(catalog: &Catalog, compact: &[Arc<dyn Tool>], names: &[String]) -> Result<Named, Report> {
    let mut found = Named::default();
    let mut unknown = Vec::new();
    for name in names {
        if compact.iter().any(|tool| tool.definition().name == *name) {
            found.compact.insert(name.clone());
        } else if let Some(command) = catalog.command_like(name).or_else(|| typed::command_of_tool(catalog, name)) {
            found.commands.insert(command.name.clone());
        } else {
            unknown.push(name.as_str());
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    let report = Report::new(ReportKind::Usage, format!("there is no tool or command {}", quoted(unknown.iter().copied())));
    let commands: Vec<Arc<Command>> = catalog.commands().collect();
    let near = unknown.iter().filter_map(|name| closest(name, commands.iter().map(|command| command.name.as_str())));
    Err(near.fold(report, |report, near| report.hint(format!("did you mean `{near}`?"))))
}

/// The families whose commands have tools where none is named: all but plugins, so that the list stays within what
/// clients take in one message.
fn usual_families(catalog: &Catalog) -> BTreeSet<String> {
    catalog.families().into_iter().filter(|family| !family.is_plugin()).map(|family| family.name).collect()
}

/// The families with these names; none for the word that stands for all.
fn families(catalog: &Catalog, names: &[String]) -> Result<BTreeSet<String>, Report> {
    if names.iter().any(|name| name == EVERY_TOOLSET) {
        return Ok(BTreeSet::new());
    }
    let all = catalog.families();
    let unknown: Vec<&str> = names.iter().map(String::as_str).filter(|name| all.iter().all(|family| family.name != *name)).collect();
    if unknown.is_empty() {
        return Ok(names.iter().cloned().collect());
    }
    let known = quoted(all.iter().map(|family| family.name.as_str()));
    Err(Report::new(ReportKind::Usage, format!("there is no toolset {}", quoted(unknown.into_iter())))
        .hint(format!("there are {known}, and `{EVERY_TOOLSET}`")))
}
