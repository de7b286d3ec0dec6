//! Tables for people: the columns that matter most, as many as fit.

use serde_json::Value;

use super::{
    Layout,
    text::{Tint, at_path, cut, plain},
};

/// The columns that people look for, most wanted first, whatever the kind of object.
const WANTED: [&str; 42] = [
    "kind",
    "command",
    "name",
    "displayname",
    "username",
    "title",
    "state",
    "status",
    "id",
    "jobid",
    "allocationstate",
    "resourcestate",
    "type",
    "networktype",
    "risk",
    "ipaddress",
    "publicip",
    "cidr",
    "gateway",
    "zonename",
    "account",
    "domain",
    "roletype",
    "rolename",
    "hostname",
    "virtualmachinename",
    "vmname",
    "templatename",
    "serviceofferingname",
    "ostypename",
    "protocol",
    "startport",
    "endport",
    "size",
    "sizegb",
    "cpunumber",
    "cpuspeed",
    "memory",
    "level",
    "displaytext",
    "description",
    "created",
];
/// How many columns there are at least, if need be filled up with those that nobody wants in particular.
const COLUMNS_MIN: usize = 6;
/// The columns shown where the terminal's width is not known.
const COLUMNS_MAX: usize = 10;
/// The widest a column gets beside others on a terminal.
const CELL_LETTERS_MAX: usize = 40;
const GAP: usize = 2;

/// The objects of an answer: the items of a list, or the one result.
pub(super) fn rows_of(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Object(members) => match (members.get("items"), members.get("result"), members.get("checks")) {
            (Some(Value::Array(items)), ..) | (None, None, Some(Value::Array(items))) => items.clone(),
            (_, Some(result), _) => vec![result.clone()],
            _ => vec![Value::Object(members.iter().filter(|(name, _)| *name != "receipt").map(|(name, value)| (name.clone(), value.clone())).collect())],
        },
        other => vec![other.clone()],
    }
}

/// Every column that some row has, in order of appearance.
pub(super) fn columns_all(rows: &[Value]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|members| members.keys()) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns
}

/// An answer as a table and nothing else.
pub(super) fn of_answer(value: &Value, fields: &[String], layout: &Layout) -> String {
    of_rows(&rows_of(value), fields, layout)
}

/// Rows as a table; every asked-for field is a column, else those that matter most.
pub(super) fn of_rows(rows: &[Value], fields: &[String], layout: &Layout) -> String {
    let columns = if fields.is_empty() { wanted_columns(rows) } else { fields.to_vec() };
    let mut cells: Vec<Vec<String>> = columns.iter().map(|column| rows.iter().map(|row| plain(&at_path(row, column))).collect()).collect();
    let mut widths: Vec<usize> = columns.iter().zip(&cells).map(|(column, cells)| width_of(column, cells, layout)).collect();
    let kept = if fields.is_empty() { fitting(&widths, layout) } else { columns.len() };
    let mut shown: Vec<usize> = (0..kept).collect();
    // The id is wanted early but reads best at the end of the row.
    shown.sort_by_key(|at| (columns.get(*at).is_some_and(|column| column == "id"), *at));
    widths.truncate(kept);
    cells.truncate(kept);
    let line = |texts: &dyn Fn(usize) -> String| {
        let padded = shown.iter().map(|&at| {
            let width = widths.get(at).copied().unwrap_or_default();
            let text = cut(&texts(at), width);
            format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
        });
        padded.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    let header = line(&|at| columns.get(at).map(|column| column.to_uppercase()).unwrap_or_default());
    let mut lines = vec![layout.paint.tint(Tint::Strong, &header)];
    lines.extend((0..rows.len()).map(|row| line(&|at| cells.get(at).and_then(|column| column.get(row)).cloned().unwrap_or_default())));
    lines.join("\n")
}

/// The columns with plain values, the wanted ones first; columns that are empty throughout are left out.
fn wanted_columns(rows: &[Value]) -> Vec<String> {
    let has_text = |name: &str| rows.iter().any(|row| row.get(name).is_some_and(|value| !value.is_object() && !has_objects(value) && !plain(value).is_empty()));
    let mut columns: Vec<String> = WANTED.iter().filter(|name| has_text(name)).map(|name| (*name).to_owned()).collect();
    // Two columns with the same texts tell no more than one.
    let same = |left: &str, right: &str| rows.iter().all(|row| row.get(left) == row.get(right));
    if columns.iter().any(|column| column == "name") {
        columns.retain(|column| column != "displayname" || !same("name", "displayname"));
    }
    let wanted = columns.len();
    for name in columns_all(rows) {
        if columns.len() >= wanted.max(COLUMNS_MIN) {
            break;
        }
        if !columns.contains(&name) && name != "displayname" && has_text(&name) {
            columns.push(name);
        }
    }
    columns
}

fn has_objects(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(|item| item.is_object() || item.is_array()))
}

fn width_of(column: &str, cells: &[String], layout: &Layout) -> usize {
    let widest = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or_default().max(column.chars().count());
    if layout.width.is_some() { widest.min(CELL_LETTERS_MAX) } else { widest }
}

/// How many columns fit; at least one.
fn fitting(widths: &[usize], layout: &Layout) -> usize {
    let Some(width) = layout.width else { return widths.len().min(COLUMNS_MAX) };
    let mut used = 0;
    let fits = widths.iter().take_while(|column| {
        used += **column + if used == 0 { 0 } else { GAP };
        used <= width
    });
    fits.count().max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::text::Paint;

    fn layout(width: usize) -> Layout {
        Layout { width: Some(width), paint: Paint::off() }
    }

    #[test]
    fn a_narrow_terminal_drops_columns_and_never_breaks_rows() {
        let rows = [json!({"id": "6f2c", "haenable": false, "name": "web-1", "state": "Running", "zonename": "zone-1", "nic": [{"ip": "1"}]})];
        assert_eq!(of_rows(&rows, &[], &layout(80)), "NAME   STATE    ZONENAME  HAENABLE  ID\nweb-1  Running  zone-1    false     6f2c");
        assert_eq!(of_rows(&rows, &[], &layout(15)), "NAME   STATE\nweb-1  Running");
        for width in 5..90 {
            assert!(of_rows(&rows, &[], &layout(width)).lines().all(|line| line.chars().count() <= width), "{width}");
        }
    }

    #[test]
    fn asked_for_columns_are_all_shown_in_their_order() {
        let rows = [json!({"name": "web-1", "nic": [{"ip": "10.1.1.1"}]})];
        assert_eq!(of_rows(&rows, &["nic.ip".to_owned(), "name".to_owned()], &layout(10)), "NIC.IP    NAME\n10.1.1.1  web-1");
    }
}
