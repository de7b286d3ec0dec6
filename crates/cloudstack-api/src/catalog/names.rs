//! Which list command turns the name of an object into its id.

use std::{collections::HashMap, sync::Arc};

/// How objects of one kind are looked up by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The list command that finds them.
    pub command: String,
    /// The parameter of that command that narrows by name; `None`: fetch all and compare here.
    pub filter: Option<String>,
    /// The reply fields that may hold the name, best first.
    pub fields: Vec<String>,
    /// Arguments that the list always needs (`templatefilter=executable`).
    pub arguments: Vec<(String, String)>,
    /// Parameters of the asking call that narrow the list too, where they are given (`zoneid`).
    pub scope: Vec<String>,
}

/// Reads `names.tsv`: entity, list command, filter or `-`, fields, fixed arguments or `-`, scope or `-`.
pub(super) fn read(text: &str) -> HashMap<String, Arc<Lookup>> {
    let list = |column: &str| column.split(',').filter(|item| *item != "-" && !item.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let row = |line: &str| {
        let mut columns = line.split('\t');
        let entity = columns.next()?.to_owned();
        let command = columns.next()?.to_owned();
        let filter = columns.next().filter(|filter| *filter != "-").map(str::to_owned);
        let fields = list(columns.next()?);
        let pairs = list(columns.next().unwrap_or("-"));
        let arguments = pairs.iter().filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let scope = list(columns.next().unwrap_or("-"));
        Some((entity, Arc::new(Lookup { command, filter, fields, arguments, scope })))
    };
    text.lines().filter_map(row).collect()
}
