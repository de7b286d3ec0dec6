//! CSV as RFC 4180 has it: one row an item, a header, CRLF; for lists and for single objects.
//!
//! Cells that a spreadsheet would take for a formula get an apostrophe in front, since tenants choose names.

use serde_json::Value;

use super::{
    table::{columns_all, rows_of},
    text::at_path,
};

/// The rows of an answer.
pub(super) fn write(value: &Value, fields: &[String]) -> String {
    let rows = rows_of(value);
    let columns = if fields.is_empty() { columns_all(&rows) } else { fields.to_vec() };
    let mut text = columns.iter().map(|column| cell(column)).collect::<Vec<_>>().join(",");
    for row in &rows {
        text.push_str("\r\n");
        text.push_str(&columns.iter().map(|column| cell(&content(&at_path(row, column)))).collect::<Vec<_>>().join(","));
    }
    text.push_str("\r\n");
    text
}

/// The value as it is, nested ones as JSON; line ends stay, since a quoted cell may hold them.
fn content(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => items.iter().map(content).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let safe = if is_formula { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let value = json!({"items": [{"name": "a,\"b\"", "n": -1, "nic": [{"ip": "1"}]}, {"name": "=HYPERLINK(1)"}]});
        assert_eq!(write(&value, &[]), "name,n,nic\r\n\"a,\"\"b\"\"\",-1,\"[{\"\"ip\"\":\"\"1\"\"}]\"\r\n'=HYPERLINK(1),,\r\n");
    }

    #[test]
    fn asked_for_columns_come_in_their_order() {
        let value = json!({"items": [{"a": 1, "b": 2, "nic": [{"ip": "1"}, {"ip": "2"}]}]});
        assert_eq!(write(&value, &["b".to_owned(), "nic.ip".to_owned()]), "b,nic.ip\r\n2,\"1,2\"\r\n");
    }
}
