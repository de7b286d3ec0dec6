//! How a trouble is written on one line: `KIND`, `KIND=VALUE`, then `,FIELD=VALUE` as often as needed.
//!
//! `host-down=host-1`, `storage-full`, `job-fails=stopVirtualMachine,code=530,text=no answer`, `throttle=25`, `slow=500`.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::Trouble;
use crate::error::Error;

/// The kinds, and the field that the value after the kind is for.
const FIRST_FIELDS: &[(&str, &str)] = &[
    ("host-down", "host"),
    ("storage-full", "pool"),
    ("router-stuck", "router"),
    ("job-stuck", "command"),
    ("job-fails", "command"),
    ("call-fails", "command"),
    ("restart", ""),
    ("throttle", "max"),
    ("slow", "milliseconds"),
];
/// The fields that are numbers.
const NUMBERS: [&str; 5] = ["times", "code", "max", "interval_milliseconds", "milliseconds"];
/// The field that takes the rest of the line, commas and all.
const REST: &str = "text";

impl FromStr for Trouble {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let (head, mut rest) = line.split_once(',').unwrap_or((line, ""));
        let (kind, first) = head.split_once('=').map_or((head, None), |(kind, first)| (kind, Some(first)));
        let Some((_, field)) = FIRST_FIELDS.iter().find(|(known, _)| *known == kind) else {
            let kinds: Vec<&str> = FIRST_FIELDS.iter().map(|(kind, _)| *kind).collect();
            return Err(Error::invalid(format!("`{kind}` is no trouble; there are {}", kinds.join(", "))));
        };
        let mut members = Map::new();
        members.insert("kind".to_owned(), kind.into());
        if let Some(first) = first {
            put(&mut members, field, first)?;
        }
        while !rest.is_empty() {
            let (pair, behind) = if rest.starts_with(REST) { (rest, "") } else { rest.split_once(',').unwrap_or((rest, "")) };
            let (name, value) = pair.split_once('=').ok_or_else(|| Error::invalid(format!("`{pair}` should be FIELD=VALUE")))?;
            put(&mut members, name, value)?;
            rest = behind;
        }
        Self::from_json(Value::Object(members))
    }
}

impl Trouble {
    /// Reads a trouble from its JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the kind or a field is unknown, missing or of another type.
    pub fn from_json(json: Value) -> Result<Self, Error> {
        serde_json::from_value(json).map_err(|fault| Error::invalid(format!("no trouble can be read: {fault}")))
    }
}

fn put(members: &mut Map<String, Value>, name: &str, value: &str) -> Result<(), Error> {
    let value = if NUMBERS.contains(&name) {
        let number: u64 = value.parse().map_err(|_| Error::invalid(format!("`{name}` should be a number, not `{value}`")))?;
        number.into()
    } else {
        value.into()
    };
    members.insert(name.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Failure;

    fn check(line: &str, expected: &Trouble) {
        assert_eq!(line.parse::<Trouble>().unwrap(), *expected, "{line}");
    }

    #[test]
    fn a_line_says_what_json_says() {
        check("host-down=host-1", &Trouble::HostDown { host: "host-1".to_owned() });
        check("storage-full", &Trouble::StorageFull { pool: None });
        check("throttle=25", &Trouble::Throttle { max: 25, interval_milliseconds: 1_000 });
        check("slow=500,command=listZones", &Trouble::Slow { milliseconds: 500, command: Some("listZones".to_owned()) });
        let failure = Failure { command: Some("stopVirtualMachine".to_owned()), code: 431, text: Some("no, not now".to_owned()), ..Failure::default() };
        check("job-fails=stopVirtualMachine,code=431,text=no, not now", &Trouble::JobFails(failure));
        check("job-stuck,times=3", &Trouble::JobStuck { command: None, times: 3 });
        check("restart", &Trouble::Restart);
    }

    #[test]
    fn what_is_no_trouble_says_why() {
        for (line, said) in [
            ("fire", "`fire` is no trouble; there are host-down"),
            ("throttle=many", "`max` should be a number, not `many`"),
            ("slow=1,2", "`2` should be FIELD=VALUE"),
            ("host-down", "missing field `host`"),
            ("storage-full,size=3", "unknown field `size`"),
        ] {
            let told = line.parse::<Trouble>().unwrap_err().to_string();
            assert!(told.contains(said), "{line}: {told}");
        }
    }
}
