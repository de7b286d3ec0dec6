//! Values that need more room than a cell: lists of references, nested values, numbers with decimals.

use serde_json::Value;

use super::{Content, Handle};

/// A value that needs more room than a cell.
#[derive(Clone, Debug)]
pub(super) enum Wide {
    /// A whole number of many digits.
    Number(i64),
    /// A number with decimals.
    Decimal(f64),
    /// Other rows.
    Links(Box<[Handle]>),
    /// Anything nested.
    Tree(Box<Value>),
}

impl Wide {
    /// The value, to be read.
    fn content(&self) -> Content<'_> {
        match self {
            Self::Number(number) => Content::Number(*number),
            Self::Decimal(number) => Content::Decimal(*number),
            Self::Links(targets) => Content::Links(targets),
            Self::Tree(value) => Content::Tree(value),
        }
    }
}

/// All of them; each belongs to one cell.
#[derive(Debug, Default)]
pub(super) struct Wides {
    values: Vec<Option<Wide>>,
    free: Vec<u32>,
}

impl Wides {
    /// Keeps a value and tells its number.
    pub(super) fn keep(&mut self, value: Wide) -> u32 {
        if let Some(number) = self.free.pop() {
            if let Some(place) = self.values.get_mut(number as usize) {
                *place = Some(value);
            }
            return number;
        }
        self.values.push(Some(value));
        u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX)
    }

    /// Forgets a value.
    pub(super) fn forget(&mut self, number: u32) {
        if let Some(place) = self.values.get_mut(number as usize).filter(|place| place.is_some()) {
            *place = None;
            self.free.push(number);
        }
    }

    /// The value with this number.
    pub(super) fn get(&self, number: u32) -> Option<Content<'_>> {
        self.values.get(number as usize)?.as_ref().map(Wide::content)
    }
}
