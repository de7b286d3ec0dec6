//! Results cut to size: chosen fields, whole items, and the truth about whether that is all.

use cloudstack_api::{catalog::Field, reply::text_of};
use serde_json::{Map, Value};

/// The same as [`project`] for a value that nobody else needs.
pub(crate) fn chosen(value: Value, fields: &[String]) -> Value {
    if fields.is_empty() { value } else { project(&value, fields) }
}

/// Keeps the chosen fields of an object or of each item; the whole value where none are chosen.
pub(crate) fn project(value: &Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return value.clone();
    }
    let paths: Vec<Vec<&str>> = fields.iter().map(|field| field.split('.').collect()).collect();
    let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    cut(value, &paths)
}

fn cut(value: &Value, paths: &[&[&str]]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| cut(item, paths)).collect(),
        Value::Object(members) => {
            let mut kept = Map::new();
            for path in paths {
                let Some((first, rest)) = path.split_first() else { continue };
                let Some((name, member)) = member_of(members, first) else { continue };
                if rest.is_empty() {
                    kept.insert(name.clone(), member.clone());
                } else if !kept.contains_key(name) {
                    let below: Vec<&[&str]> =
                        paths.iter().filter(|path| path.first() == Some(first)).filter_map(|path| path.get(1..)).filter(|rest| !rest.is_empty()).collect();
                    kept.insert(name.clone(), cut(member, &below));
                }
            }
            Value::Object(kept)
        }
        scalar => scalar.clone(),
    }
}

fn member_of<'v>(members: &'v Map<String, Value>, name: &str) -> Option<(&'v String, &'v Value)> {
    members.get_key_value(name).or_else(|| members.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)))
}

/// All values at a dotted path, through objects and arrays.
pub(crate) fn values_at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for name in path.split('.') {
        found = found.into_iter().flat_map(spread).filter_map(|value| member_of(value.as_object()?, name).map(|(_, member)| member)).collect();
    }
    found.into_iter().flat_map(spread).collect()
}

fn spread(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// The chosen fields that the reply does not even declare, with the nearest declared one.
pub(crate) fn unknown_fields<'f>(fields: &'f [String], value: &Value, declared: &[Field]) -> Vec<(&'f str, Option<String>)> {
    let known = |path: &str| {
        let mut level = declared;
        path.split('.').all(|name| match level.iter().find(|field| field.name.eq_ignore_ascii_case(name)) {
            Some(field) => {
                level = &field.fields;
                true
            }
            None => false,
        })
    };
    let absent = fields.iter().filter(|field| !known(field) && values_at(value, field).is_empty());
    absent.map(|field| (field.as_str(), cloudstack_api::call::closest(field, declared.iter().map(|field| field.name.as_str())).map(str::to_owned))).collect()
}

/// The order in which a command's items are given, where that differs from the server's: `catalog/order.tsv`.
pub(crate) fn sort(command: &str, items: &mut [Value]) {
    let row = include_str!("../../../catalog/order.tsv").lines().find_map(|line| {
        let mut columns = line.split('\t');
        (columns.next() == Some(command)).then(|| (columns.next().unwrap_or_default(), columns.next() == Some("descending")))
    });
    let Some((field, descending)) = row else { return };
    items.sort_by(|a, b| {
        let order = text(a, field).cmp(&text(b, field));
        if descending { order.reverse() } else { order }
    });
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field).and_then(text_of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn fields_are_kept_through_objects_and_arrays() {
        let vm = json!({"id": "i", "name": "web-1", "nic": [{"ipaddress": "10.1.1.2", "macaddress": "m"}, {"ipaddress": "10.1.1.3"}], "cpu": 2});
        let kept = project(&json!([vm]), &fields(&["name", "nic.ipaddress"]));
        assert_eq!(kept, json!([{"name": "web-1", "nic": [{"ipaddress": "10.1.1.2"}, {"ipaddress": "10.1.1.3"}]}]));
    }

    #[test]
    fn two_fields_of_one_object_are_both_kept() {
        let vm = json!({"nic": [{"ipaddress": "a", "macaddress": "m", "id": "x"}]});
        assert_eq!(project(&vm, &fields(&["nic.ipaddress", "nic.macaddress"])), json!({"nic": [{"ipaddress": "a", "macaddress": "m"}]}));
    }

    #[test]
    fn a_field_that_nothing_has_is_named_with_the_nearest() {
        let declared = vec![Field { name: "ipaddress".to_owned(), kind: "string".to_owned(), roles: None, sensitive: false, fields: Vec::new() }];
        let wanted = fields(&["ipadress", "ipaddress"]);
        assert_eq!(unknown_fields(&wanted, &json!([{}]), &declared), [("ipadress", Some("ipaddress".to_owned()))]);
    }

    #[test]
    fn events_are_given_newest_first() {
        let mut items = [json!({"created": "2026-01-01T00:00:00+0000"}), json!({"created": "2026-01-02T00:00:00+0000"})];
        sort("listEvents", &mut items);
        assert_eq!(items[0]["created"], "2026-01-02T00:00:00+0000");
    }
}
