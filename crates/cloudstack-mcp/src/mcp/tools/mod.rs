//! The compact tools: one file a tool, one line here to register it.
//!
//! A tool says what it is, reads its arguments, asks the engine and hands back what the engine answered.

mod describe;
mod find;
mod job;
mod plan;
mod profiles;
mod read;
mod run;
mod search;

use std::{future::Future, pin::Pin, sync::Arc};

use cloudstack_engine::{Caller, Engine, ProfileSummary, Report, RunRequest, Shape, Watch};
use rmcp::model::{JsonObject, Tool as Definition, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::{approval::Approver, arguments::Arguments, reply::Reply};

/// A tool of a surface.
///
/// Implementations: the compact tools, and [`super::typed::CommandTool`].
pub(super) trait Tool: Send + Sync {
    /// What clients are told about it.
    fn definition(&self) -> &Definition;

    /// The one command that it runs, where there is one.
    fn command(&self) -> Option<&str> {
        None
    }

    /// Does what it is for.
    fn call<'c>(&'c self, call: Call<'c>) -> Answering<'c>;
}

/// The work of a tool.
pub(super) type Answering<'c> = Pin<Box<dyn Future<Output = Result<Reply, Report>> + Send + 'c>>;

/// What a tool is called with.
pub(super) struct Call<'c> {
    /// The one door.
    pub(super) engine: &'c Engine,
    /// The arguments, not yet checked.
    pub(super) arguments: JsonObject,
    /// Who asks.
    pub(super) caller: Caller,
    /// How the person behind the client is asked.
    pub(super) approver: Approver,
    /// Takes notice of progress.
    pub(super) watch: &'c dyn Watch,
}

/// The compact tools in the order in which clients see them.
pub(super) fn all() -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(search::Search::new()),
        Arc::new(describe::Describe::new()),
        Arc::new(find::Find::new()),
        Arc::new(read::Read::new()),
        Arc::new(plan::Plan::new()),
        Arc::new(run::Run::new()),
        Arc::new(job::Job::new()),
        Arc::new(profiles::Profiles::new()),
    ]
}

/// What a tool does to its surroundings, in the protocol's four hints.
///
/// `openWorldHint` is always false: a tool reaches one cloud that the operator configured, never the world at large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Changes nothing.
    Reads,
    /// Changes something in the ordinary way.
    Changes,
    /// May cause an outage or lose something.
    Destroys,
}

impl Effect {
    /// The four hints, and a title where it would not only repeat the name that a large list gives already.
    pub(super) fn annotations(self, title: Option<&str>) -> ToolAnnotations {
        ToolAnnotations::from_raw(title.map(str::to_owned), Some(self == Self::Reads), Some(self == Self::Destroys), Some(self == Self::Reads), Some(false))
    }
}

/// What a compact tool says about itself.
struct Sketch {
    name: &'static str,
    title: &'static str,
    text: &'static str,
    effect: Effect,
    /// The properties of its arguments.
    takes: Value,
    required: &'static [&'static str],
    /// The properties of its result; none is promised, since a failure has others.
    gives: Value,
}

impl Sketch {
    fn into_definition(self) -> Definition {
        let mut input = object(json!({"type": "object", "properties": self.takes, "additionalProperties": false}));
        if !self.required.is_empty() {
            input.insert("required".to_owned(), json!(self.required));
        }
        Definition::new(self.name, self.text, input)
            .with_title(self.title)
            .with_annotations(self.effect.annotations(Some(self.title)))
            .with_raw_output_schema(Arc::new(object(json!({"type": "object", "properties": self.gives}))))
    }
}

impl Call<'_> {
    /// The arguments, checked against the tool's own schema.
    fn checked(&mut self, definition: &Definition) -> Result<Arguments, Report> {
        Arguments::check(&definition.name, &definition.input_schema, std::mem::take(&mut self.arguments))
    }
}

/// The request to run a command, from the arguments that the tools about commands share.
fn run_request(arguments: &Arguments, caller: Caller) -> RunRequest {
    RunRequest {
        profile: arguments.text("profile"),
        shape: shape(arguments),
        wait: arguments.seconds("wait_seconds"),
        ..RunRequest::new(arguments.text("command").unwrap_or_default(), arguments.object("arguments"), caller)
    }
}

fn shape(arguments: &Arguments) -> Shape {
    Shape { fields: arguments.texts("fields"), limit: arguments.count("limit"), count_only: arguments.flag("count_only") }
}

/// The value with a receipt of what is known without asking the cloud, where the engine put none.
pub(super) fn with_receipt(engine: &Engine, profile: Option<&str>, mut value: Value) -> Value {
    let profiles = engine.profiles();
    let summary = profiles.iter().find(|summary| profile.map_or(summary.is_default, |name| summary.name == name));
    if let (Some(members), Some(summary)) = (value.as_object_mut(), summary) {
        members.entry("receipt").or_insert_with(|| local_receipt(summary));
    }
    value
}

fn local_receipt(summary: &ProfileSummary) -> Value {
    json!({"profile": summary.name, "endpoint": summary.url, "cloud": cloud_word(summary)})
}

fn cloud_word(summary: &ProfileSummary) -> &'static str {
    if summary.embedded { "embedded" } else { "remote" }
}

/// The members of an object literal.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
