//! The figures of speed and size: the built binary against the embedded cloud, each beside a plain HTTP client that asks
//! the same of the same cloud in the same run. Written to `bench/RESULTS.md`.
//!
//! Real time on whatever machine it is: to be compared within one run, not between machines.

mod endure;
mod mcp;
mod plain;
mod sample;

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use cloudstack_api::{
    catalog::{Catalog, Release},
    search::{Filter, Index},
};
use serde_json::{Value, json};

pub(crate) use self::endure::run as endure;
use self::{mcp::Session, plain::Connection, sample::Sample};
use crate::workspace::{Done, Mode, generated, read, root, say};

/// The optimised binary.
const BINARY: &str = "target/release/cloudstack-mcp";
/// Starts of the process, each measured.
const STARTS: usize = 30;
/// Calls one after the other.
const CALLS: usize = 2_000;
/// Calls in flight at once.
const IN_FLIGHT: usize = 32;
/// Calls of the measurement with many in flight.
const CALLS_IN_FLIGHT: usize = 20_000;
/// Machines of the long list.
const MACHINES: usize = 10_000;
/// The requests in words that are searched for.
const REQUESTS: &str = "crates/cloudstack-api/tests/data/routing.jsonl";
/// The commands that are wanted for a request.
const FOUND: usize = 10;
/// The rows of a page that servers give at most.
const PAGE: usize = 500;
/// Times that the long list is read.
const LISTS: usize = 10;

/// The embedded cloud, served by a process of its own; ends with this value.
struct Cloud {
    process: Child,
    url: String,
    api_key: String,
    secret_key: String,
}

impl Cloud {
    fn start(vms: usize) -> Done<Self> {
        let mut command = Command::new(root().join(BINARY));
        command.args(["simulate", "--listen", "127.0.0.1:0", "--vms", &vms.to_string(), "--output", "json"]);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start `{BINARY}`: {error}"))?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("the cloud has no output")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| format!("the cloud says nothing: {error}"))?;
        let told: Value = serde_json::from_str(&line).map_err(|error| format!("the cloud says `{}`: {error}", line.trim()))?;
        let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("the cloud does not say {pointer}"));
        Ok(Self { process, url: text("/url")?, api_key: text("/identities/0/apikey")?, secret_key: text("/identities/0/secretkey")? })
    }

    /// A server on standard input and output that uses this cloud.
    fn session(&self, surface: &str) -> Done<Session> {
        let variables = [
            ("CLOUDSTACK_API_URL", self.url.as_str()),
            ("CLOUDSTACK_API_KEY", &self.api_key),
            ("CLOUDSTACK_SECRET_KEY", &self.secret_key),
            ("CLOUDSTACK_MCP_LIMITS_ITEMS_MAX", "1000000"),
        ];
        Session::start(&root().join(BINARY), surface, &variables)
    }

    /// What the process keeps resident.
    fn resident_megabytes(&self) -> Done<f64> {
        resident_megabytes(&self.process)
    }

    fn connection(&self) -> Done<Connection> {
        Connection::open(&self.url, &self.api_key, &self.secret_key)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // A process that has ended already needs no ending.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process keeps resident.
fn resident_megabytes(process: &Child) -> Done<f64> {
    let path = format!("/proc/{}/status", process.id());
    let status = std::fs::read_to_string(&path).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map(|kilobytes| kilobytes / 1000.0).ok_or_else(|| format!("`{path}` does not tell the resident memory"))
}

/// Measures everything and writes the page.
pub(crate) fn run() -> Done {
    if cfg!(debug_assertions) {
        return Err("an unoptimised client measures itself; run `cargo run --release --package xtask -- bench`".to_owned());
    }
    if !root().join(BINARY).is_file() {
        return Err(format!("there is no `{BINARY}`; run `cargo build --release`"));
    }
    let mut page = "# Figures\n\nWritten by `cargo run --release --package xtask -- bench` on 2 shared cores. Binary, cloud and client run on them together; the cloud is the embedded one in a process of \
                    its own. Beside each figure stands a plain HTTP client that asks the same of the same cloud: one signed request on an open connection.\n\n\
                    | | this program | plain HTTP client |\n| --- | ---: | ---: |\n"
        .to_owned();
    for row in [starts()?, memory()?, catalog(), search()?, calls()?, many()?, long_list()?].concat() {
        say(&row)?;
        let _ = writeln!(page, "{row}");
    }
    page.push_str("\nTimes are medians, with the 95th of a hundred in brackets.\n");
    generated("bench/RESULTS.md", &page, Mode::Write, "bench")
}

/// From the start of the process to the answer to the first `tools/list`.
fn starts() -> Done<Vec<String>> {
    let mut rows = Vec::new();
    for surface in ["compact", "typed"] {
        let mut sample = Sample::new();
        for _ in 0..STARTS {
            sample.time(|| Session::start(&root().join(BINARY), surface, &[])?.call("tools/list", &json!({})).map(drop))?;
        }
        rows.push(format!("| process start to first `tools/list`, {surface} | {sample} | |"));
    }
    Ok(rows)
}

/// What the process keeps resident after its first answer, and after the first call.
fn memory() -> Done<Vec<String>> {
    let cloud = Cloud::start(0)?;
    let mut rows = Vec::new();
    for surface in ["compact", "typed"] {
        let mut session = cloud.session(surface)?;
        session.call("tools/list", &json!({}))?;
        let listed = session.resident_megabytes()?;
        session.tool("search", &json!({"query": "start a server"}))?;
        if surface == "compact" {
            session.tool("read", &json!({"command": "listZones"}))?;
        }
        rows.push(format!("| resident memory after `tools/list`, {surface} | {listed:.1} MB | |"));
        rows.push(format!("| resident memory after a search and a call, {surface} | {:.1} MB | |", session.resident_megabytes()?));
    }
    Ok(rows)
}

/// Opening the embedded catalog, and reading every row of it.
fn catalog() -> Vec<String> {
    let (mut opening, mut reading) = (Sample::new(), Sample::new());
    for _ in 0..STARTS {
        let catalog = opening.measure(|| Catalog::embedded(Release::NEWEST));
        reading.measure(|| catalog.commands().count());
    }
    vec![format!("| opening the catalog | {opening} | |"), format!("| parsing all its rows | {reading} | |")]
}

/// Opening the search index, and finding the commands for requests in words.
fn search() -> Done<Vec<String>> {
    let catalog = Catalog::embedded(Release::NEWEST);
    let (mut opening, mut finding) = (Sample::new(), Sample::new());
    for _ in 1..STARTS {
        opening.measure(|| Index::new(&catalog));
    }
    let index = opening.measure(|| Index::new(&catalog));
    for line in read(REQUESTS)?.lines() {
        let request: Value = serde_json::from_str(line).map_err(|error| format!("`{REQUESTS}`: {error}"))?;
        let query = request.get("query").and_then(Value::as_str).unwrap_or_default();
        finding.measure(|| index.search(query, &Filter::default(), FOUND));
    }
    Ok(vec![format!("| opening the search index | {opening} | |"), format!("| finding commands for a request in words | {finding} | |")])
}

/// One call after the other.
fn calls() -> Done<Vec<String>> {
    let cloud = Cloud::start(0)?;
    let mut session = cloud.session("compact")?;
    let mut connection = cloud.connection()?;
    let wish = json!({"command": "listZones"});
    session.tool("read", &wish)?;
    connection.call("listZones", &[])?;
    let (mut ours, mut plain) = (Sample::new(), Sample::new());
    // In turn, so that both meet the same machine.
    for _ in 0..CALLS {
        ours.time(|| session.tool("read", &wish).map(drop))?;
        plain.time(|| connection.call("listZones", &[]).map(drop))?;
    }
    let share = ours.median().saturating_sub(plain.median());
    Ok(vec![format!("| `listZones`, one call after the other | {ours} | {plain} |"), format!("| our share of it | {} | |", sample::shown(share))])
}

/// Many calls in flight.
fn many() -> Done<Vec<String>> {
    let cloud = Cloud::start(0)?;
    let mut session = cloud.session("compact")?;
    let wish = json!({"command": "listZones"});
    session.tool("read", &wish)?;
    let mut ours = Sample::new();
    ours.time(|| session.flood("read", &wish, CALLS_IN_FLIGHT, IN_FLIGHT))?;
    let mut plain = Sample::new();
    plain.time(|| {
        let workers: Vec<_> = (0..IN_FLIGHT).map(|_| cloud.connection()).collect::<Done<Vec<_>>>()?;
        let work = |mut connection: Connection| (0..CALLS_IN_FLIGHT / IN_FLIGHT).try_for_each(|_| connection.call("listZones", &[]).map(drop));
        let threads: Vec<_> = workers.into_iter().map(|connection| thread::spawn(move || work(connection))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a worker failed".to_owned())?)
    })?;
    Ok(vec![format!("| calls a second with {IN_FLIGHT} in flight | {:.0} | {:.0} |", ours.rate(CALLS_IN_FLIGHT), plain.rate(CALLS_IN_FLIGHT))])
}

/// All of many machines.
fn long_list() -> Done<Vec<String>> {
    let cloud = Cloud::start(MACHINES)?;
    let mut session = cloud.session("compact")?;
    let mut connection = cloud.connection()?;
    let (mut ours, mut plain) = (Sample::new(), Sample::new());
    let whole = json!({"command": "listVirtualMachines", "fields": ["id", "name", "state"]});
    for round in 0..=LISTS {
        let mut returned = 0;
        let mut pages = 0;
        let mut read = || {
            returned = session.tool("read", &whole)?.pointer("/structuredContent/returned").and_then(Value::as_u64).unwrap_or_default();
            Ok(())
        };
        let mut walk = || {
            for page in 1..=MACHINES.div_ceil(PAGE) + 1 {
                let bytes = connection.call("listVirtualMachines", &[("listall", "true"), ("page", &page.to_string()), ("pagesize", &PAGE.to_string())])?;
                let value: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
                pages += value.pointer("/listvirtualmachinesresponse/virtualmachine").and_then(Value::as_array).map_or(0, Vec::len);
            }
            Ok(())
        };
        // The first round only warms up.
        if round == 0 {
            read()?;
            walk()?;
        } else {
            ours.time(read)?;
            plain.time(walk)?;
        }
        if usize::try_from(returned).ok() != Some(pages) || pages < MACHINES {
            return Err(format!("{returned} machines here, {pages} there"));
        }
    }
    Ok(vec![format!("| {MACHINES} machines listed, three fields of each; the plain client reads whole pages in a row | {ours} | {plain} |")])
}
