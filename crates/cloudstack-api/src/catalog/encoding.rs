//! How a map parameter is spelled: three shapes that nothing in `listApis` tells apart (wire facts §1.7).

use std::str::FromStr;

/// The spelling of a map parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapEncoding {
    /// Free key=value pairs, all under index 0: `details[0].cpuNumber=2`.
    Flat,
    /// One index a pair, with the pair spelled out: `tags[0].key=env&tags[0].value=prod`.
    Pairs {
        /// The sub-key that holds the pair's key.
        key: String,
        /// The sub-key that holds the pair's value.
        value: String,
    },
    /// One index a record, with sub-keys whose case matters: `iptonetworklist[0].networkid=…`.
    Records {
        /// The sub-keys there are.
        keys: Vec<RecordKey>,
        /// Whether other sub-keys are taken too.
        open: bool,
    },
}

/// A sub-key of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordKey {
    /// Its name in the exact case.
    pub name: String,
    /// Whether each record must have it.
    pub required: bool,
}

/// The text describes no map encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no map encoding; there are `flat`, `pairs:KEY/VALUE` and `records` with its keys")]
pub struct EncodingError(String);

impl FromStr for MapEncoding {
    type Err = EncodingError;

    /// Reads the third and fourth column of `maps.tsv`: `flat`, `pairs:key/value`, `records<TAB>networkid! ip mac +`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || EncodingError(text.to_owned());
        let (shape, keys) = text.split_once('\t').unwrap_or((text, ""));
        if shape == "flat" {
            return Ok(Self::Flat);
        }
        if let Some(pair) = shape.strip_prefix("pairs:") {
            let (key, value) = pair.split_once('/').ok_or_else(fault)?;
            return Ok(Self::Pairs { key: key.to_owned(), value: value.to_owned() });
        }
        if shape != "records" {
            return Err(fault());
        }
        let open = keys.split_whitespace().any(|key| key == "+");
        let keys = keys.split_whitespace().filter(|key| *key != "+").map(|key| match key.strip_suffix('!') {
            Some(name) => RecordKey { name: name.to_owned(), required: true },
            None => RecordKey { name: key.to_owned(), required: false },
        });
        Ok(Self::Records { keys: keys.collect(), open })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_shapes_are_read() {
        assert_eq!("flat".parse(), Ok(MapEncoding::Flat));
        assert_eq!("pairs:name/value".parse(), Ok(MapEncoding::Pairs { key: "name".to_owned(), value: "value".to_owned() }));
        let records: MapEncoding = "records\tnetworkid! ip +".parse().unwrap();
        let MapEncoding::Records { keys, open } = records else { panic!("records expected") };
        assert!(open);
        assert_eq!(keys.iter().map(|key| (key.name.as_str(), key.required)).collect::<Vec<_>>(), [("networkid", true), ("ip", false)]);
        assert!("other".parse::<MapEncoding>().is_err());
    }
}
