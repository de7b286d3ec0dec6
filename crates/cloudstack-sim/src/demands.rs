//! What servers demand of single commands beside required parameters: one of several arguments, a value among some, a
//! form. Data, held by recordings; behaviour that needs more than the arguments lives with the kinds.

use cloudstack_api::catalog::Command;

use crate::{
    arguments::Arguments,
    options::Plugins,
    refusal::Refusal,
    world::{World, parse_id},
};

/// The table: command, demand, status, inner code or `-`, text.
const TABLE: &str = include_str!("../data/demands.tsv");
/// The status of demands that are looked at before anything else and answered with nothing.
const EMPTY: u16 = 200;

/// One demand.
#[derive(Clone, Copy, Debug)]
struct Demand {
    words: &'static str,
    status: u16,
    inner: Option<u32>,
    text: &'static str,
}

impl Demand {
    /// How a value that does not meet it is refused.
    fn refusal(self, value: &str) -> Refusal {
        Refusal { code: self.status, inner: self.inner, ..Refusal::invalid(self.text.replace("{}", value)) }
    }
}

/// What is held against a demand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    /// The arguments.
    pub(crate) arguments: &'a Arguments,
    /// The world.
    pub(crate) world: &'a World,
    /// Whether plugins are there that a new installation does not set up.
    pub(crate) plugins: Plugins,
}

fn demands(command: &str) -> impl Iterator<Item = Demand> {
    let rows = TABLE.lines().filter_map(move |line| line.strip_prefix(command)?.strip_prefix('\t'));
    rows.filter_map(|row| {
        let mut columns = row.split('\t');
        let words = columns.next()?;
        let status = columns.next()?.parse().ok()?;
        let inner = columns.next()?.parse().ok();
        Some(Demand { words, status, inner, text: columns.next().unwrap_or_default() })
    })
}

/// Whether a call gets an empty answer before its parameters are looked at.
pub(crate) fn is_empty(command: &str, given: &dyn Fn(&str) -> bool) -> bool {
    let mut early = demands(command).filter(|demand| demand.status == EMPTY);
    early.any(|demand| match demand.words.split_once(' ') {
        Some(("any", names)) => !names.split(' ').any(given),
        _ => true,
    })
}

/// Refuses what does not meet a demand. Values of parameters that the release does not know are not looked at.
pub(crate) fn check(command: &Command, held: Held<'_>) -> Result<(), Refusal> {
    let speaks_of = |words: &str| words.split(' ').nth(1).is_none_or(|name| words.starts_with("any ") || command.parameter(name).is_some());
    for demand in demands(&command.name).filter(|demand| demand.status != EMPTY && speaks_of(demand.words)) {
        if let Err(value) = meets(demand.words, held) {
            return Err(demand.refusal(&value));
        }
    }
    Ok(())
}

/// Whether a demand is met; the value that does not meet it.
fn meets(words: &str, held: Held<'_>) -> Result<(), String> {
    let given = |name: &str| held.arguments.given(name).is_some() || held.arguments.records(name).next().is_some();
    let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
    let (name, form) = rest.split_once(' ').unwrap_or((rest, ""));
    let value = held.arguments.given(name);
    let is_met = match (verb, value) {
        ("any", _) => rest.split(' ').any(given),
        // Plugins that nobody set up refuse; where every command is to answer, they do.
        ("never", _) => held.plugins == Plugins::All,
        ("among", Some(value)) => form.split(',').any(|known| known.eq_ignore_ascii_case(value)),
        ("each", Some(value)) => value.split(',').filter(|item| !item.is_empty()).all(|item| form.split(',').any(|known| known == item)),
        ("with", Some(_)) => given(form),
        ("not", Some(value)) => !value.eq_ignore_ascii_case(form),
        ("entity", Some(value)) => is_entity(held.world, form, value),
        ("fresh", Some(value)) => held.plugins == Plugins::All || value != "1",
        ("is", Some(value)) => has_form(form, value, held.world),
        _ => true,
    };
    if is_met { Ok(()) } else { Err(value.unwrap_or_default().to_owned()) }
}

fn is_entity(world: &World, entity: &str, value: &str) -> bool {
    let found = parse_id(value).and_then(|id| world.by_id(id));
    found.is_some_and(|row| world.kind_of_entity(entity).is_none_or(|kind| kind == row.kind))
}

fn has_form(form: &str, value: &str, world: &World) -> bool {
    let is_cidr = |text: &str| text.split_once('/').is_some_and(|(address, bits)| address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok());
    match form {
        "ip" => value.parse::<std::net::IpAddr>().is_ok(),
        "cidrs" => value.split(',').all(|item| is_cidr(item.trim())),
        "url" => value.contains("://"),
        "hex" => value.chars().all(|letter| letter.is_ascii_hexdigit()),
        "semver" => value.split('.').count() >= 2 && value.split('.').take(2).all(|part| part.parse::<u32>().is_ok()),
        "pem" => value.contains("-----BEGIN"),
        "image" => value.len() > 16 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')),
        "future" => crate::dates::parse(value).is_some_and(|moment| u64::try_from(moment).is_ok_and(|moment| moment > world.now.as_secs())),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_without_their_object_answer_with_nothing() {
        assert!(is_empty("suspendProject", &|_| false));
        assert!(!is_empty("suspendProject", &|name| name == "id"));
        assert!(!is_empty("listZones", &|_| false));
    }

    #[test]
    fn every_row_of_the_table_can_be_read() {
        let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
        for row in rows {
            let command = row.split('\t').next().unwrap();
            let words: Vec<&str> = demands(command).map(|demand| demand.words.split(' ').next().unwrap()).collect();
            assert!(
                !words.is_empty() && words.iter().all(|word| ["any", "never", "among", "each", "with", "not", "entity", "fresh", "is"].contains(word)),
                "{row}"
            );
        }
    }
}
