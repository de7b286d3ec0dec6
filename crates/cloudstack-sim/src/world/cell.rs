//! A field's value in eight bytes, as tables store it.
//!
//! Texts and nested values lie in pools of the world; a cell holds their numbers there. Knows nothing of the pools.

use super::{Handle, KindId};

/// How many bits tell what a cell holds.
const TAG_BITS: u32 = 3;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
const TEXT: u64 = 1;
const NUMBER: u64 = 2;
const FLAG: u64 = 3;
const LINK: u64 = 4;
const WIDE: u64 = 5;
/// Where the row of a reference stands; its kind stands below.
const ROW_SHIFT: u32 = 32;

/// A value, or its absence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell(u64);

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The number of a text.
    Text(u32),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Flag(bool),
    /// Another row.
    Link(Handle),
    /// The number of a value that needs more room.
    Wide(u32),
}

impl Cell {
    /// Nothing.
    pub(super) const ABSENT: Self = Self(0);

    /// The text with this number.
    pub(super) fn text(number: u32) -> Self {
        Self(u64::from(number) << TAG_BITS | TEXT)
    }

    /// A whole number, if it is one of the quintillion that fit.
    pub(super) fn number(number: i64) -> Option<Self> {
        let shifted = number << TAG_BITS;
        (shifted >> TAG_BITS == number).then(|| Self(shifted.cast_unsigned() | NUMBER))
    }

    /// A truth value.
    pub(super) fn flag(flag: bool) -> Self {
        Self(u64::from(flag) << TAG_BITS | FLAG)
    }

    /// Another row.
    pub(super) fn link(target: Handle) -> Self {
        Self(u64::from(target.row) << ROW_SHIFT | u64::from(target.kind.0) << TAG_BITS | LINK)
    }

    /// The wide value with this number.
    pub(super) fn wide(number: u32) -> Self {
        Self(u64::from(number) << TAG_BITS | WIDE)
    }

    /// What it says; nothing if it is empty.
    pub(super) fn said(self) -> Option<Said> {
        let Self(bits) = self;
        let rest = bits >> TAG_BITS;
        match bits & TAG_MASK {
            TEXT => Some(Said::Text(low(rest))),
            NUMBER => Some(Said::Number(bits.cast_signed() >> TAG_BITS)),
            FLAG => Some(Said::Flag(rest != 0)),
            LINK => {
                let kind = u16::try_from(rest & u64::from(u16::MAX)).unwrap_or_default();
                Some(Said::Link(Handle { kind: KindId(kind), row: low(bits >> ROW_SHIFT) }))
            }
            WIDE => Some(Said::Wide(low(rest))),
            _ => None,
        }
    }
}

/// The low half.
fn low(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let link = Handle { kind: KindId(u16::MAX), row: u32::MAX - 1 };
        let said = [Cell::text(7), Cell::flag(true), Cell::flag(false), Cell::link(link), Cell::wide(u32::MAX)].map(Cell::said);
        assert_eq!(said, [Said::Text(7), Said::Flag(true), Said::Flag(false), Said::Link(link), Said::Wide(u32::MAX)].map(Some));
        for number in [0, -1, 1, i64::MAX >> 3, i64::MIN >> 3] {
            assert_eq!(Cell::number(number).and_then(Cell::said), Some(Said::Number(number)));
        }
        assert_eq!((Cell::number(i64::MAX), Cell::number(i64::MIN), Cell::ABSENT.said()), (None, None, None));
    }
}
