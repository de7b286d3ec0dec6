//! Rows as they are written in the tables, and how they become commands of one release.

use std::str::FromStr;

use serde::Deserialize;

use super::{
    Tables,
    command::{Build, Command, Field, Parameter, ParameterType, ReplyShape, RoleType, Setting},
    encoding::MapEncoding,
    release::Release,
    risk::{Raise, Risk},
};

/// The family of a command that no table names.
const FAMILY_OTHER: &str = "other";

#[derive(Deserialize)]
struct CommandRow {
    name: String,
    #[serde(rename = "async")]
    is_async: bool,
    since: Option<Release>,
    until: Option<Release>,
    #[serde(default)]
    build: Build,
    setting: Option<Setting>,
    roles: Option<Vec<RoleType>>,
    #[serde(default)]
    entity: Vec<String>,
    reply: ReplyShape,
    fields: String,
    params: Vec<ParameterRow>,
    was: Option<CommandWas>,
}

/// What an older release had instead.
#[derive(Deserialize)]
struct CommandWas {
    until: Release,
    reply: Option<ReplyShape>,
    fields: Option<String>,
}

#[derive(Deserialize)]
struct ParameterRow {
    name: String,
    #[serde(rename = "type")]
    kind: ParameterType,
    items: Option<ParameterType>,
    #[serde(default)]
    required: bool,
    length: Option<u32>,
    #[serde(default)]
    entity: Vec<String>,
    roles: Option<Vec<RoleType>>,
    #[serde(default)]
    validations: Vec<String>,
    since: Option<Release>,
    until: Option<Release>,
    was: Option<ParameterWas>,
}

#[derive(Deserialize)]
struct ParameterWas {
    until: Release,
    required: Option<bool>,
    length: Option<u32>,
}

/// A line of `shapes.jsonl`.
#[derive(Deserialize)]
pub(super) struct ShapeRow {
    fields: Vec<FieldRow>,
}

#[derive(Deserialize)]
struct FieldRow {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    since: Option<Release>,
    until: Option<Release>,
    roles: Option<Vec<RoleType>>,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    fields: Vec<Self>,
}

impl ShapeRow {
    /// The fields that the release has.
    pub(super) fn fields(self, release: Release) -> Vec<Field> {
        fields_in(self.fields, release)
    }
}

fn fields_in(rows: Vec<FieldRow>, release: Release) -> Vec<Field> {
    let present = rows.into_iter().filter(|row| release.covers(row.since, row.until));
    present.map(|row| Field { name: row.name, kind: row.kind, roles: row.roles, sensitive: row.sensitive, fields: fields_in(row.fields, release) }).collect()
}

/// The command at a position, if it is part of the release.
pub(super) fn parse(tables: &Tables, position: usize, release: Release) -> Option<Command> {
    let mut row: CommandRow = serde_json::from_str(tables.commands.line(position)?).ok()?;
    if !release.covers(row.since, row.until) {
        return None;
    }
    if let Some(was) = row.was.take().filter(|was| release < was.until) {
        row.reply = was.reply.unwrap_or(row.reply);
        row.fields = was.fields.unwrap_or(row.fields);
    }
    let (risk, raises) = risk_of(tables.risk.find(&row.name));
    let family = tables.membership.find(&row.name).and_then(|line| line.split('\t').nth(1)).unwrap_or(FAMILY_OTHER).to_owned();
    let parameters = row.params.into_iter().filter(|parameter| release.covers(parameter.since, parameter.until));
    let encodings = |parameter: &str| encoding_of(tables, &row.name, parameter);
    Some(Command {
        parameters: parameters.map(|parameter| parameter.into_parameter(release, &encodings)).collect(),
        name: row.name,
        is_async: row.is_async,
        since: row.since,
        build: row.build,
        setting: row.setting,
        roles: row.roles,
        entity: row.entity,
        reply: row.reply,
        shape: row.fields,
        risk,
        raises,
        family,
    })
}

impl ParameterRow {
    fn into_parameter(self, release: Release, encoding: &impl Fn(&str) -> Option<MapEncoding>) -> Parameter {
        let was = self.was.filter(|was| release < was.until);
        Parameter {
            encoding: if self.kind == ParameterType::Map { encoding(&self.name) } else { None },
            required: was.as_ref().and_then(|was| was.required).unwrap_or(self.required),
            length: was.as_ref().and_then(|was| was.length).or(self.length),
            name: self.name,
            kind: self.kind,
            items: self.items,
            entity: self.entity,
            roles: self.roles,
            validations: self.validations,
            since: self.since,
        }
    }
}

/// The second and third column of `risk.tsv`. A command without a row is taken for the worst.
fn risk_of(line: Option<&str>) -> (Risk, Vec<Raise>) {
    let mut columns = line.unwrap_or_default().split('\t').skip(1);
    let risk = columns.next().and_then(|word| word.parse().ok()).unwrap_or(Risk::Raze);
    let raises = columns.next().unwrap_or_default().split_whitespace().filter_map(|text| Raise::from_str(text).ok());
    (risk, raises.collect())
}

/// The encoding in `maps.tsv`, whose lines are keyed by command and then sorted by parameter.
fn encoding_of(tables: &Tables, command: &str, parameter: &str) -> Option<MapEncoding> {
    let lines = tables.maps.lines().skip_while(|line| !line.starts_with(command));
    let mut rest = lines.filter_map(|line| line.strip_prefix(command)?.strip_prefix('\t')?.strip_prefix(parameter)?.strip_prefix('\t'));
    rest.next()?.parse().ok()
}
