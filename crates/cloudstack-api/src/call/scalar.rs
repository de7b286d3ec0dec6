//! One argument value: what servers would read from it, or what is wrong with it (wire facts §1.6).

use serde_json::Value;

use crate::{
    catalog::{Parameter, ParameterType},
    reply::text_of,
};

/// Parameters in which control characters pass (wire facts §1.2).
const CONTROL_CHARACTERS_PASS: &[&str] = &["activationrule"];
/// How much of a value is repeated in a message.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// The value as it travels, or what is wrong with it.
pub(super) fn spell(parameter: &Parameter, kind: ParameterType, value: &Value) -> Result<String, String> {
    let name = &parameter.name;
    let Some(text) = text_of(value) else {
        return Err(format!("`{name}` takes one value, not {}", if value.is_array() { "a list" } else { "an object" }));
    };
    match kind {
        ParameterType::Boolean => boolean(name, &text),
        ParameterType::Short => whole(name, &text, i64::from(i16::MIN)..=i64::from(i16::MAX)),
        ParameterType::Integer => whole(name, &text, i64::from(i32::MIN)..=i64::from(i32::MAX)),
        ParameterType::Long => whole(name, &text, i64::MIN..=i64::MAX),
        ParameterType::Double => text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(|_| text.trim().to_owned())
            .ok_or_else(|| format!("`{}` is no number, which `{name}` takes", shown(&text))),
        ParameterType::Date => date(name, &text),
        ParameterType::String | ParameterType::Uuid | ParameterType::List | ParameterType::Map | ParameterType::Object => plain(parameter, text),
    }
    .and_then(|text| positive(parameter, text))
}

/// Whether the text is a UUID in the form that CloudStack writes.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A value in a message: cut where it is long.
pub(super) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// Servers read everything but `true` as false, silently; hence only the two words pass.
fn boolean(name: &str, text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "true" | "false") { Ok(lower) } else { Err(format!("`{}` is neither `true` nor `false`, which `{name}` takes", shown(text))) }
}

fn whole(name: &str, text: &str, range: std::ops::RangeInclusive<i64>) -> Result<String, String> {
    let fault = || format!("`{}` is no whole number from {} to {}, which `{name}` takes", shown(text), range.start(), range.end());
    // JSON writes 5.0 for five when a program made it from a float.
    let digits = text.trim().strip_suffix(".0").unwrap_or(text.trim());
    digits.parse::<i64>().ok().filter(|number| range.contains(number)).map(|number| number.to_string()).ok_or_else(fault)
}

fn positive(parameter: &Parameter, text: String) -> Result<String, String> {
    let must = parameter.validations.iter().any(|validation| validation == "PositiveNumber");
    if must && text.parse::<f64>().is_ok_and(|number| number < 1.0) {
        return Err(format!("`{}` must be 1 or more, not `{text}`", parameter.name));
    }
    Ok(text)
}

/// Takes ISO 8601 with an offset and writes the one form that every server accepts; a date alone, or a date and a time
/// without offset, are left to the server, which reads them in its own time zone.
fn date(name: &str, text: &str) -> Result<String, String> {
    use time::{
        OffsetDateTime, PrimitiveDateTime, UtcOffset,
        format_description::well_known::{Iso8601, Rfc3339},
        macros::format_description,
    };
    let trimmed = text.trim();
    let offset_form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][offset_hour sign:mandatory][offset_minute]");
    let moment = OffsetDateTime::parse(trimmed, &Rfc3339).or_else(|_| OffsetDateTime::parse(trimmed, &offset_form));
    if let Ok(moment) = moment.or_else(|_| OffsetDateTime::parse(trimmed, &Iso8601::PARSING)) {
        let written = moment.to_offset(UtcOffset::UTC).format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+0000"));
        return written.map_err(|_| format!("`{}` is out of range for `{name}`", shown(text)));
    }
    let day = time::Date::parse(trimmed, format_description!("[year]-[month]-[day]"));
    let local = PrimitiveDateTime::parse(trimmed, format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"));
    if day.is_ok() || local.is_ok() {
        return Ok(trimmed.to_owned());
    }
    Err(format!("`{}` is no date, which `{name}` takes: write `2026-01-31T08:00:00+0000` or `2026-01-31`", shown(text)))
}

fn plain(parameter: &Parameter, text: String) -> Result<String, String> {
    let name = &parameter.name;
    let length_max = parameter.length_max();
    let length = text.chars().count();
    if length > length_max {
        return Err(format!("`{name}` takes at most {length_max} characters, not {length}"));
    }
    let refused = |letter: char| letter.is_ascii_control() && !matches!(letter, '\n' | '\r');
    if !CONTROL_CHARACTERS_PASS.contains(&name.as_str()) && text.contains(refused) {
        return Err(format!("`{name}` holds a control character such as TAB, which servers refuse"));
    }
    Ok(text)
}
