//! `demo`: the main job, played by a real MCP client and this very program as its server, on the embedded cloud.
//!
//! Both sides are real: what is shown was sent over the child's standard input and came back over its standard output.
//! A workflow, hence it may name commands. It ends with an error as soon as anything differs from what it tells.

mod client;

use std::time::Duration;

use clap::Args;
use cloudstack_engine::{Report, ReportKind};
use serde_json::{Map, Value, json};

use self::client::{Client, Event, Person};
use super::{Context, Failure, Verb};
use crate::{
    render::{Screen, Tint, clean, wrap},
    settings::Format,
};

/// How long the whole play may take.
const PLAY_MAX: Duration = Duration::from_secs(120);
/// What the virtual machine is called.
const NAME: &str = "demo-1";
/// How wide the left column of names is.
const NAME_LETTERS: usize = 28;
const PLAN_LINES_MAX: usize = 12;
/// How wide the transcript is.
const LINE_LETTERS: usize = 110;
/// What it is made from.
const TEMPLATE: &str = "Ubuntu 24.04";

/// Watch an MCP client find commands, deploy a virtual machine, and destroy it after an approval, on the embedded cloud
#[derive(Args)]
pub(super) struct Demo {}

impl Verb for Demo {
    const NAME: &'static str = "demo";
    const NEEDS_SETTINGS: bool = false;

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut play = Play { screen: &context.screen, client: Client::start(&context.settings.environment.program)?, step: 0, steps: Vec::new() };
        let outcome = tokio::select! {
            outcome = play.all() => outcome,
            () = context.clock.sleep(PLAY_MAX) => Err(differs(format!("the play took longer than {} s", PLAY_MAX.as_secs()))),
        };
        let receipt = outcome?;
        play.client.end().await?;
        if context.screen.format != Format::Human {
            context
                .screen
                .answer(&json!({"items": play.steps, "returned": play.steps.len(), "total": play.steps.len(), "complete": true, "receipt": receipt}), &[])?;
        }
        Ok(())
    }
}

/// The play and how far it came.
struct Play<'a> {
    screen: &'a Screen,
    client: Client,
    step: usize,
    steps: Vec<Value>,
}

/// What the deployed machine needs, by name.
struct Parts {
    zone: String,
    template: String,
    offering: String,
}

impl Play<'_> {
    async fn all(&mut self) -> Result<Value, Failure> {
        self.line(
            &self
                .screen
                .paint()
                .tint(Tint::Strong, "An MCP client operates a CloudStack that lives in memory. → is sent to `cloudstack-mcp serve`, ← comes back."),
        )?;
        self.connect().await?;
        let command = self.search().await?;
        self.describe(&command).await?;
        let parts = self.look_round().await?;
        self.deploy(&command, &parts).await?;
        self.read_it().await?;
        let destroy = "destroyVirtualMachine";
        self.refused(destroy).await?;
        self.approved(destroy).await?;
        let receipt = self.list().await?;
        let who = ["user", "role"].map(|part| receipt.get(part).and_then(Value::as_str).unwrap_or_default().to_owned());
        self.line(&format!(
            "\nDone, as {} ({}) on the embedded cloud. Next: `cloudstack-mcp serve` in your MCP client, `cloudstack-mcp profile add` for your own cloud.",
            who[0], who[1]
        ))?;
        Ok(receipt)
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        self.title("The client connects")?;
        let hello = self.client.initialize().await?;
        let server = |part: &str| hello.pointer(&format!("/serverInfo/{part}")).and_then(Value::as_str).unwrap_or_default().to_owned();
        let listed = self.client.ask("tools/list", json!({}), &mut |_| None).await?;
        let tools = listed.get("tools").and_then(Value::as_array).cloned().unwrap_or_default();
        let names: Vec<&str> = tools.iter().filter_map(|tool| tool.get("name").and_then(Value::as_str)).collect();
        expect(["search", "describe", "read", "run"].iter().all(|name| names.contains(name)), || format!("the server has the tools {}", names.join(", ")))?;
        let tokens = Value::Array(tools.clone()).to_string().len() / 4;
        self.sent("initialize, tools/list", "")?;
        self.came(&format!("{} {} with {} tools for the whole API, about {tokens} tokens", server("name"), server("version"), names.len()))?;
        self.more(&names.join(", "))
    }

    async fn search(&mut self) -> Result<String, Failure> {
        self.title("It looks for a command in its own words")?;
        let query = "start a new vm from a template";
        let found = self.call("search", json!({"query": query, "limit": 3}), Person::absent()).await?;
        self.sent("search", query)?;
        let items = items(&found);
        for item in &items {
            let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
            self.came(&format!("{:<NAME_LETTERS$} {} ({})", part("command"), part("title"), part("risk")))?;
        }
        let names: Vec<&str> = items.iter().filter_map(|item| item.get("command").and_then(Value::as_str)).collect();
        expect(names.contains(&"deployVirtualMachine"), || format!("the search found {}", names.join(", ")))?;
        Ok("deployVirtualMachine".to_owned())
    }

    async fn describe(&mut self, command: &str) -> Result<(), Failure> {
        self.title("It reads what the command takes")?;
        let described = self.call("describe", json!({"command": command}), Person::absent()).await?;
        self.sent("describe", command)?;
        let text = |name: &str| described.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
        let about = [text("text"), text("description"), text("title")].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let mut lines = wrap(&about, LINE_LETTERS).into_iter();
        self.came(&lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| self.more(&line))
    }

    async fn look_round(&mut self) -> Result<Parts, Failure> {
        self.title("It looks at what there is")?;
        let zone = self.first_name("listZones", json!({})).await?;
        let template = self.first_name("listTemplates", json!({"templatefilter": "executable", "name": TEMPLATE})).await?;
        let offering = self.first_name("listServiceOfferings", json!({})).await?;
        Ok(Parts { zone, template, offering })
    }

    /// The first name of a list, all of them shown.
    async fn first_name(&mut self, command: &str, arguments: Value) -> Result<String, Failure> {
        let listed = self.call("read", json!({"command": command, "arguments": arguments, "fields": ["name"]}), Person::absent()).await?;
        let names: Vec<String> = items(&listed).iter().filter_map(|item| item.get("name").and_then(Value::as_str).map(clean)).collect();
        self.sent("read", command)?;
        self.came(&format!("{}: {}", count(&listed), names.join(", ")))?;
        names.into_iter().next().ok_or_else(|| differs(format!("`{command}` lists nothing")))
    }

    async fn deploy(&mut self, command: &str, parts: &Parts) -> Result<(), Failure> {
        self.title("It deploys a virtual machine, by names, and waits")?;
        let arguments = json!({"name": NAME, "zoneid": parts.zone, "templateid": parts.template, "serviceofferingid": parts.offering});
        self.sent("run", &format!("{command} {}", plain(&arguments)))?;
        let deployed = self.call("run", json!({"command": command, "arguments": arguments}), Person::absent()).await?;
        let part = |path: &str| deployed.pointer(path).and_then(Value::as_str).map(clean).unwrap_or_default();
        expect(part("/result/state") == "Running" && part("/result/name") == NAME, || {
            format!("the deployed machine is {}", deployed.get("result").cloned().unwrap_or_default())
        })?;
        self.came(&format!(
            "{} is {} (id {}), job {} {}",
            part("/result/name"),
            part("/result/state"),
            part("/result/id"),
            part("/job/id"),
            part("/job/status")
        ))
    }

    async fn read_it(&mut self) -> Result<(), Failure> {
        self.title("It reads it back")?;
        let fields = json!(["name", "state", "zonename", "templatename", "ipaddress"]);
        let listed = self.call("read", json!({"command": "listVirtualMachines", "arguments": {"name": NAME}, "fields": fields}), Person::absent()).await?;
        self.sent("read", &format!("listVirtualMachines name={NAME}"))?;
        let items = items(&listed);
        expect(items.len() == 1, || format!("{} machines are called {NAME}", items.len()))?;
        self.came(&format!("{}: {}", count(&listed), items.first().map(plain).unwrap_or_default()))
    }

    async fn refused(&mut self, command: &str) -> Result<(), Failure> {
        self.title("It tries to destroy it; the person behind the client sees the plan and says no")?;
        let arguments = json!({"id": NAME, "expunge": true});
        self.sent("run", &format!("{command} {}", plain(&arguments)))?;
        let answer = self.client.tool("run", json!({"command": command, "arguments": arguments}), Person::says_no(), &mut shown(self.screen)).await?;
        expect(answer.asked == 1, || format!("the person was asked {} times", answer.asked))?;
        expect(answer.is_error, || "the call went through although it was refused".to_owned())?;
        let message = answer.value.pointer("/error/message").and_then(Value::as_str).map(clean).unwrap_or_default();
        self.came(&self.screen.paint().tint(Tint::Warn, &message))
    }

    async fn approved(&mut self, command: &str) -> Result<(), Failure> {
        self.title("The person asks for it after all and approves")?;
        let arguments = json!({"id": NAME, "expunge": true});
        self.sent("run", &format!("{command} {}", plain(&arguments)))?;
        let answer =
            self.client.tool("run", json!({"command": command, "arguments": arguments}), Person::says_yes(NAME), &mut shown_briefly(self.screen)).await?;
        expect(answer.asked == 1, || format!("the person was asked {} times", answer.asked))?;
        expect(!answer.is_error, || format!("the approved call failed: {}", answer.value))?;
        let part = |path: &str| answer.value.pointer(path).and_then(Value::as_str).map(clean).unwrap_or_default();
        self.came(&format!("destroyed, job {} {}", part("/job/id"), part("/job/status")))
    }

    async fn list(&mut self) -> Result<Value, Failure> {
        self.title("It lists what is left")?;
        let listed = self.call("read", json!({"command": "listVirtualMachines", "fields": ["name", "state", "account"]}), Person::absent()).await?;
        self.sent("read", "listVirtualMachines")?;
        let items = items(&listed);
        let names: Vec<String> = items.iter().filter_map(|item| item.get("name").and_then(Value::as_str).map(clean)).collect();
        expect(!names.iter().any(|name| name == NAME), || format!("{NAME} is still there"))?;
        expect(listed.get("complete").and_then(Value::as_bool) == Some(true), || "the list is not complete".to_owned())?;
        self.came(&format!("{}: {}", count(&listed), names.join(", ")))?;
        Ok(listed.get("receipt").cloned().unwrap_or_default())
    }

    /// Calls a tool that must succeed; progress is shown.
    async fn call(&mut self, tool: &str, arguments: Value, person: Person) -> Result<Value, Failure> {
        let answer = self.client.tool(tool, arguments, person, &mut shown(self.screen)).await?;
        expect(!answer.is_error, || format!("`{tool}` failed: {}", answer.value))?;
        Ok(answer.value)
    }

    fn title(&mut self, text: &str) -> Result<(), Failure> {
        self.step += 1;
        self.steps.push(json!({"step": self.step, "title": text}));
        let number = self.screen.paint().tint(Tint::Strong, &format!("{}. {text}", self.step));
        self.line(&format!("\n{number}"))
    }

    fn sent(&mut self, tool: &str, text: &str) -> Result<(), Failure> {
        self.note("sent", &format!("{tool} {text}"));
        let tool = self.screen.paint().tint(Tint::Strong, tool);
        self.line(format!("   → {tool}  {text}").trim_end())
    }

    fn came(&mut self, text: &str) -> Result<(), Failure> {
        self.note("came", text);
        self.line(&format!("   ← {text}"))
    }

    fn more(&mut self, text: &str) -> Result<(), Failure> {
        self.line(&format!("     {}", self.screen.paint().tint(Tint::Faint, text)))
    }

    /// Adds to the present step of the machine-readable transcript.
    fn note(&mut self, key: &str, text: &str) {
        let Some(step) = self.steps.last_mut().and_then(Value::as_object_mut) else { return };
        let Some(lines) = step.entry(key).or_insert_with(|| json!([])).as_array_mut() else { return };
        lines.push(text.into());
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        if self.screen.format == Format::Human { Ok(self.screen.line(text)?) } else { Ok(()) }
    }
}

/// Shows progress and the plans that the person is asked about.
fn shown(screen: &Screen) -> impl FnMut(Event<'_>) + '_ {
    let mut last = String::new();
    move |event| match event {
        Event::Progress(message) if message == last => {}
        Event::Progress(message) => {
            message.clone_into(&mut last);
            aside(screen, &format!("   ← {}", screen.paint().tint(Tint::Faint, &format!("… {}", clean(message)))));
        }
        Event::Question(message) => {
            aside(screen, &format!("   ← {}", screen.paint().tint(Tint::Warn, "a question to the person:")));
            for line in message.lines().filter(|line| !line.trim().is_empty()).take(PLAN_LINES_MAX) {
                aside(screen, &format!("     │ {}", clean(line)));
            }
        }
        Event::Answer(answer) => aside(screen, &format!("   → {}", screen.paint().tint(Tint::Warn, &format!("the person {answer}")))),
    }
}

/// The same, where the plan was seen before.
fn shown_briefly(screen: &Screen) -> impl FnMut(Event<'_>) + '_ {
    let mut show = shown(screen);
    move |event| match event {
        Event::Question(_) => aside(screen, &format!("   ← {}", screen.paint().tint(Tint::Warn, "the same question"))),
        other => show(other),
    }
}

fn aside(screen: &Screen, text: &str) {
    if screen.format == Format::Human {
        // A reader who has left is noticed at the next line of the play itself.
        drop(screen.line(text));
    }
}

fn items(value: &Value) -> Vec<Value> {
    value.get("items").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// `5 of 5, complete`.
fn count(value: &Value) -> String {
    let number = |name: &str| value.get(name).map(Value::to_string).unwrap_or_default();
    let complete = if value.get("complete").and_then(Value::as_bool) == Some(true) { "complete" } else { "not all of them" };
    format!("{} of {}, {complete}", number("returned"), number("total"))
}

/// `name=demo-1 zoneid=zone-1`.
fn plain(value: &Value) -> String {
    let none = Map::new();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), clean);
    value.as_object().unwrap_or(&none).iter().map(|(name, value)| format!("{name}={}", quoted(&text(value)))).collect::<Vec<_>>().join(" ")
}

fn quoted(text: &str) -> String {
    if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() }
}

fn expect(holds: bool, message: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(differs(message())) }
}

fn differs(message: String) -> Failure {
    Report::new(ReportKind::Internal, message).hint("the demo should never fail: this is a defect of the program").into()
}
