//! The numbers of protocols and of ICMP messages, for those who write firewall rules.

use super::Tables;
use crate::{
    json::Json,
    refusal::Refusal,
    turn::{Outcome, Turn},
};

/// The table: option, number, keyword, what it is, codes of a type.
const TABLE: &str = include_str!("../../data/protocols.tsv");
/// What can be asked for.
const OPTIONS: [&str; 2] = ["protocolnumber", "icmptype"];

/// The command that lists them.
pub(super) const TABLES: Tables = Tables { handlers: &[("listNetworkProtocols", list)], filters: &[] };

/// The rows of an option, cell by cell.
fn rows(option: &str) -> impl Iterator<Item = Vec<&'static str>> + '_ {
    TABLE.lines().map(|line| line.split('\t').collect::<Vec<_>>()).filter(move |cells| cells.first().is_some_and(|first| first.eq_ignore_ascii_case(option)))
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let option = turn.needed("option")?;
    if !OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(&option)) {
        return Err(Refusal { inner: Some(0), ..Refusal::internal(format!("Option {option} is not supported")) });
    }
    let mut json = Json::default();
    let mut count = 0;
    for cells in rows(&option) {
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        json.open();
        json.key("index");
        json.number(cell(1).parse().unwrap_or(0));
        if !cell(2).is_empty() {
            json.member("name", cell(2));
        }
        json.member("description", cell(3));
        if !cell(4).is_empty() {
            json.key("details");
            json.open();
            cell(4).split(';').filter_map(|code| code.split_once('=')).for_each(|(code, text)| json.member(code, text));
            json.close();
        }
        json.close();
        count += 1;
    }
    Ok(Outcome::Rendered(json.into_text(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_number_has_a_row() {
        assert_eq!(rows("ProtocolNumber").count(), 146);
    }
}
