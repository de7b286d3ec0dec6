//! What came back becomes what is shown: read, redacted, cut to size, labelled.

use cloudstack_api::{
    catalog::{Catalog, Command, Field, Risk},
    reply::Body,
};
use serde_json::{Map, Value, json};

use crate::{
    report::{Report, ReportKind},
    request::Shape,
    shape,
    visit::{Record, Visit},
};

/// What came back, without the spelling of the wire.
#[derive(Debug)]
pub(crate) enum Content {
    /// A list, or a part of one.
    Items { items: Vec<Value>, total: Option<u64>, complete: bool },
    /// An object, or a success.
    Object(Value),
    /// A job that is not over.
    Pending { id: Option<String> },
}

/// What an answer is made of.
pub(crate) struct Parts<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) command: &'a Command,
    pub(crate) content: Content,
    pub(crate) shape: &'a Shape,
    pub(crate) notes: Vec<String>,
}

impl Content {
    /// Reads a body that starts no job.
    ///
    /// # Errors
    ///
    /// A report of kind `refused` for a success that is none (wire facts §2.2).
    pub(crate) fn of(body: Body, command: &str) -> Result<Self, Report> {
        Ok(match body {
            Body::List { items, count, .. } => {
                let seen = u64::try_from(items.len()).unwrap_or(u64::MAX);
                let total = count.filter(|count| *count >= seen).unwrap_or(seen);
                Self::Items { items, total: Some(total), complete: total == seen }
            }
            Body::Object { value, .. } => Self::Object(value),
            Body::Flat(members) => Self::Object(Value::Object(members)),
            Body::Started { job, id } => Self::Object(json!({"jobid": job, "id": id})),
            Body::Success { success: true, text } => {
                let text = text.filter(|text| text != "true").map(|text| ("message".to_owned(), Value::from(text)));
                Self::Object(Value::Object([("success".to_owned(), Value::Bool(true))].into_iter().chain(text).collect()))
            }
            Body::Success { success: false, text } => {
                let why = text.map(|text| format!(": {text}")).unwrap_or_default();
                return Err(Report::new(ReportKind::Refused, format!("CloudStack says that `{command}` did not succeed{why}"))
                    .hint("the newest events of level ERROR often say why"));
            }
        })
    }
}

impl Visit<'_> {
    /// Makes the answer that every surface shows.
    pub(crate) fn answer(&self, parts: Parts<'_>, record: &mut Record) -> Value {
        let Parts { catalog, command, content, shape, notes } = parts;
        let mut sheet = Sheet { value: Map::new(), notes };
        sheet.value.insert("command".to_owned(), command.name.clone().into());
        match content {
            Content::Items { items, total, complete } => {
                let mut items = Value::Array(items);
                self.hide(command, &mut items, record, &mut sheet);
                note_fields(&catalog.fields(command), shape, &items, &mut sheet.notes);
                put_items(&mut sheet.value, items, (total, complete), command, shape);
            }
            Content::Object(mut object) => {
                self.hide(command, &mut object, record, &mut sheet);
                note_fields(&catalog.fields(command), shape, &object, &mut sheet.notes);
                sheet.value.insert("result".to_owned(), shape::chosen(object, &shape.fields));
                if let Some(job) = &record.job {
                    sheet.value.insert("job".to_owned(), json!({"id": job, "status": "succeeded"}));
                }
            }
            Content::Pending { id } => {
                let job = record.job.clone().unwrap_or_default();
                let next = format!("it is still running; ask for job `{job}` to learn how it ends");
                sheet.value.insert("job".to_owned(), json!({"id": job, "status": "pending"}));
                if let Some(id) = id {
                    sheet.value.insert("id".to_owned(), id.into());
                }
                sheet.value.insert("next".to_owned(), next.into());
            }
        }
        let shown = ["items", "result"].iter().find_map(|name| sheet.value.get(*name));
        let untrusted = shown.map(|shown| self.core.labels.untrusted(command, shown)).unwrap_or_default();
        if !untrusted.is_empty() {
            sheet.value.insert("untrusted".to_owned(), untrusted.into());
        }
        if !sheet.notes.is_empty() {
            sheet.value.insert("notes".to_owned(), sheet.notes.into());
        }
        sheet.value.insert("receipt".to_owned(), self.receipt(record.job.as_deref()).to_value());
        Value::Object(sheet.value)
    }

    /// Replaces the secrets and tells where they went.
    fn hide(&self, command: &Command, shown: &mut Value, record: &mut Record, sheet: &mut Sheet) {
        // A list shows hundreds of keys that nobody asked for: they are hidden, not kept.
        let keeps = record.risk.is_none_or(|risk| risk > Risk::Read);
        let mut taken = self.core.secrets.redact(&command.name, shown, self.owner(keeps));
        if let Some(result) = shown.get_mut("jobresult") {
            let more = self.core.secrets.redact_unknown(result, self.owner(true));
            taken.told.extend(more.told);
            taken.values.extend(more.values);
        }
        sheet.notes.append(&mut taken.notes);
        if !taken.told.is_empty() {
            sheet.value.insert("secrets".to_owned(), std::mem::take(&mut taken.told).into());
        }
        if keeps {
            record.taken.values.append(&mut taken.values);
        }
    }
}

/// An answer in the making.
struct Sheet {
    value: Map<String, Value>,
    notes: Vec<String>,
}

/// Says which of the chosen fields do not exist.
fn note_fields(declared: &[Field], shape: &Shape, shown: &Value, notes: &mut Vec<String>) {
    for (field, near) in shape::unknown_fields(&shape.fields, shown, declared) {
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        notes.push(format!("nothing here has a field `{field}`{near}"));
    }
}

/// Puts a list into an answer: whole items, how many there are, and whether that is all.
fn put_items(value: &mut Map<String, Value>, items: Value, extent: (Option<u64>, bool), command: &Command, shape: &Shape) {
    let (total, mut complete) = extent;
    let Value::Array(mut items) = items else { return };
    shape::sort(&command.name, &mut items);
    let known = items.len();
    if shape.count_only {
        items.clear();
    } else if let Some(limit) = shape.limit.filter(|limit| *limit < known) {
        items.truncate(limit);
        complete = false;
    }
    let returned = items.len();
    value.insert("items".to_owned(), shape::chosen(Value::Array(items), &shape.fields));
    value.insert("returned".to_owned(), returned.into());
    if let Some(total) = total {
        value.insert("total".to_owned(), total.into());
    }
    value.insert("complete".to_owned(), complete.into());
    if !complete {
        let next = if command.is_paged() {
            format!("these are not all: raise `limit`, narrow with filters, or give `page` and `pagesize` ({returned} shown)")
        } else {
            "these are not all: raise `limit`".to_owned()
        };
        value.insert("next".to_owned(), next.into());
    }
}
