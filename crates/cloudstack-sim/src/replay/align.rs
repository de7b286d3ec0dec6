//! Which item of our list stands for which recorded one.
//!
//! By id where the id is known, then by the members that name things, then by likeness, then by place.

use std::collections::HashMap;

use serde_json::Value;

use super::{ids::Ids, reduce::is_name};

/// The longest lists whose items are compared one with one.
const LIKENESS_ITEMS_MAX: usize = 80;
/// What an equal name counts beside other equal members; less than one is no likeness.
const NAME_WEIGHT: usize = 20;

/// A recorded item and ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairing<'a> {
    /// The recorded item.
    pub(super) recorded: &'a Value,
    /// Ours.
    pub(super) ours: &'a Value,
    /// Whether they are surely the same thing.
    pub(super) sure: bool,
}

/// Pairs the items of two lists; what is left over on either side has no partner.
pub(super) fn pair<'a>(recorded: &'a [Value], ours: &'a [Value], ids: &Ids) -> Vec<Pairing<'a>> {
    let mut free_recorded: Vec<&Value> = recorded.iter().collect();
    let mut free_ours: Vec<Option<&Value>> = ours.iter().map(Some).collect();
    let mut pairs = Vec::with_capacity(recorded.len());
    by_key(&mut free_recorded, &mut free_ours, &mut pairs, &|item, is_recorded| {
        let id = item.get("id").or_else(|| item.get("uuid"))?.as_str()?;
        if is_recorded { ids.ours(id).map(str::to_owned) } else { Some(id.to_owned()) }
    });
    by_key(&mut free_recorded, &mut free_ours, &mut pairs, &|item, _| names(item));
    by_likeness(&mut free_recorded, &mut free_ours, &mut pairs);
    let left = free_ours.into_iter().flatten();
    let is_single = recorded.len() == 1 && ours.len() == 1;
    pairs.extend(free_recorded.into_iter().zip(left).map(|(recorded, ours)| Pairing { recorded, ours, sure: is_single }));
    pairs
}

type KeyOf<'k> = &'k dyn Fn(&Value, bool) -> Option<String>;

fn by_key<'a>(recorded: &mut Vec<&'a Value>, ours: &mut [Option<&'a Value>], pairs: &mut Vec<Pairing<'a>>, key: KeyOf<'_>) {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, item) in ours.iter().enumerate().rev() {
        if let Some(key) = item.and_then(|item| key(item, false)) {
            places.entry(key).or_default().push(place);
        }
    }
    recorded.retain(|item| {
        let place = key(item, true).and_then(|key| places.get_mut(&key)?.pop());
        let partner = place.and_then(|place| ours.get_mut(place)?.take());
        if let Some(partner) = partner {
            pairs.push(Pairing { recorded: item, ours: partner, sure: true });
        }
        partner.is_none()
    });
}

/// The members that name an item, as one text.
fn names(item: &Value) -> Option<String> {
    let named = item.as_object()?.iter().filter(|(key, value)| is_name(key) && value.is_string());
    let text = named.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let mut parts: Vec<String> = text.collect();
    parts.sort_unstable();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn by_likeness<'a>(recorded: &mut Vec<&'a Value>, ours: &mut [Option<&'a Value>], pairs: &mut Vec<Pairing<'a>>) {
    if recorded.len() > LIKENESS_ITEMS_MAX || ours.len() > LIKENESS_ITEMS_MAX || recorded.iter().any(|item| !item.is_object()) {
        return;
    }
    recorded.retain(|item| {
        let scored = ours.iter().enumerate().filter_map(|(place, partner)| partner.map(|partner| (likeness(item, partner), place)));
        // Of equally like partners the first is taken, hence the reversed place.
        let best = scored.filter(|(score, _)| *score >= NAME_WEIGHT).max_by_key(|(score, place)| (*score, std::cmp::Reverse(*place)));
        let partner = best.and_then(|(_, place)| ours.get_mut(place)?.take());
        if let Some(partner) = partner {
            pairs.push(Pairing { recorded: item, ours: partner, sure: true });
        }
        partner.is_none()
    });
}

/// How alike two items are: members that name them count most.
fn likeness(recorded: &Value, ours: &Value) -> usize {
    let (Some(recorded), Some(ours)) = (recorded.as_object(), ours.as_object()) else { return usize::from(recorded == ours) };
    let weight = |(key, value): (&String, &Value)| match ours.get(key) {
        Some(other) if other != value => 0,
        Some(_) if value.is_string() && is_name(key) => NAME_WEIGHT,
        Some(_) => 1,
        None => 0,
    };
    recorded.iter().map(weight).sum()
}
