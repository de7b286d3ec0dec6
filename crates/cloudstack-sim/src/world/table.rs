//! The rows of one kind, field by field: what is asked of all rows lies side by side.
//!
//! Knows neither the names of fields nor what their values mean.

use std::collections::{BTreeMap, HashMap};

use super::{Key, cell::Cell, hash::Quick};

/// How many rows a piece of a column holds; pieces in which no row has the field are empty.
const PIECE_BITS: u32 = 8;
const PIECE_MASK: u32 = (1 << PIECE_BITS) - 1;
/// What stands for the owner of rows that nobody owns.
const NOBODY: u32 = u32::MAX;

/// The values of one field.
#[derive(Debug, Default)]
pub(super) struct Column {
    pieces: Vec<Vec<Cell>>,
}

impl Column {
    /// The value in a row.
    pub(super) fn get(&self, row: u32) -> Cell {
        let piece = self.pieces.get((row >> PIECE_BITS) as usize);
        piece.and_then(|piece| piece.get((row & PIECE_MASK) as usize)).copied().unwrap_or(Cell::ABSENT)
    }

    /// Puts a value into a row and tells the one before.
    fn put(&mut self, row: u32, cell: Cell) -> Cell {
        let (piece, at) = ((row >> PIECE_BITS) as usize, (row & PIECE_MASK) as usize);
        if self.pieces.len() <= piece {
            self.pieces.resize_with(piece + 1, Vec::new);
        }
        let Some(piece) = self.pieces.get_mut(piece) else { return Cell::ABSENT };
        if piece.len() <= at {
            piece.resize(at + 1, Cell::ABSENT);
        }
        piece.get_mut(at).map_or(Cell::ABSENT, |old| std::mem::replace(old, cell))
    }
}

/// The rows of a kind. Rows are never taken out, so that their numbers stay.
#[derive(Debug, Default)]
pub(super) struct Table {
    ids: Vec<u128>,
    owners: Vec<u32>,
    created: Vec<u32>,
    gone: Vec<bool>,
    keys: Vec<Key>,
    columns: Vec<Column>,
    places: HashMap<Key, u16, Quick>,
    by_owner: HashMap<u32, Vec<u32>>,
    alive: usize,
}

impl Table {
    /// Adds a row and tells its number. `created` counts seconds since 1970.
    pub(super) fn add(&mut self, id: u128, owner: Option<u32>, created: u64) -> u32 {
        let row = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        self.ids.push(id);
        self.owners.push(owner.unwrap_or(NOBODY));
        self.created.push(u32::try_from(created).unwrap_or(u32::MAX));
        self.gone.push(false);
        self.alive += 1;
        if let Some(owner) = owner {
            self.by_owner.entry(owner).or_default().push(row);
        }
        row
    }

    /// Marks a row as removed; false if it was already, or never was.
    pub(super) fn remove(&mut self, row: u32) -> bool {
        let Some(gone) = self.gone.get_mut(row as usize).filter(|gone| !**gone) else { return false };
        *gone = true;
        self.alive -= 1;
        if let Some(rows) = self.owner(row).and_then(|owner| self.by_owner.get_mut(&owner)) {
            rows.retain(|known| *known != row);
        }
        true
    }

    /// Gives a row to another account.
    pub(super) fn give(&mut self, row: u32, account: u32) {
        self.disown(row);
        let Some(owner) = self.owners.get_mut(row as usize) else { return };
        *owner = account;
        self.by_owner.entry(account).or_default().push(row);
    }

    /// Takes a row from its account.
    pub(super) fn disown(&mut self, row: u32) {
        let old = self.owner(row);
        if let Some(rows) = old.and_then(|old| self.by_owner.get_mut(&old)) {
            rows.retain(|known| *known != row);
        }
        if let Some(owner) = self.owners.get_mut(row as usize) {
            *owner = NOBODY;
        }
    }

    /// Says when a row was made.
    pub(super) fn date(&mut self, row: u32, created: u64) {
        if let Some(known) = self.created.get_mut(row as usize) {
            *known = u32::try_from(created).unwrap_or(u32::MAX);
        }
    }

    /// The rows of accounts whose order is not that of their numbers.
    pub(super) fn orders(&self) -> BTreeMap<u32, Vec<u32>> {
        self.by_owner.iter().filter(|(_, rows)| !rows.is_sorted()).map(|(owner, rows)| (*owner, rows.clone())).collect()
    }

    /// Puts the rows of accounts into an order.
    pub(super) fn put_orders(&mut self, orders: BTreeMap<u32, Vec<u32>>) {
        self.by_owner.extend(orders);
    }

    /// How many rows there ever were.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// How many rows are there.
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    /// The id of a row; 0 for none.
    pub(super) fn id(&self, row: u32) -> Option<u128> {
        self.ids.get(row as usize).copied()
    }

    /// The number of the account that owns a row.
    pub(super) fn owner(&self, row: u32) -> Option<u32> {
        self.owners.get(row as usize).copied().filter(|owner| *owner != NOBODY)
    }

    /// When a row was made, in seconds since 1970.
    pub(super) fn created(&self, row: u32) -> Option<u64> {
        self.created.get(row as usize).copied().map(u64::from)
    }

    /// Whether a row is still there.
    pub(super) fn is_alive(&self, row: u32) -> bool {
        self.gone.get(row as usize) == Some(&false)
    }

    /// The rows that are there, oldest first.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.gone.iter().enumerate().filter(|(_, gone)| !**gone).map(|(row, _)| u32::try_from(row).unwrap_or(u32::MAX))
    }

    /// The rows of an account, oldest first.
    pub(super) fn owned(&self, account: u32) -> &[u32] {
        self.by_owner.get(&account).map(Vec::as_slice).unwrap_or_default()
    }

    /// The values of a field, if any row ever had it.
    pub(super) fn column(&self, key: Key) -> Option<&Column> {
        self.columns.get(usize::from(*self.places.get(&key)?))
    }

    /// Puts a value into a row and tells the one before.
    pub(super) fn put(&mut self, row: u32, key: Key, cell: Cell) -> Cell {
        if row as usize >= self.ids.len() {
            return Cell::ABSENT;
        }
        let at = *self.places.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.columns.push(Column::default());
            // A table has no more columns than there are keys, whose numbers are as small.
            u16::try_from(self.columns.len() - 1).unwrap_or(u16::MAX)
        });
        self.columns.get_mut(usize::from(at)).map_or(Cell::ABSENT, |column| column.put(row, cell))
    }

    /// The fields that a row has.
    pub(super) fn fields(&self, row: u32) -> impl Iterator<Item = (Key, Cell)> + '_ {
        let columns = self.keys.iter().zip(&self.columns);
        columns.map(move |(key, column)| (*key, column.get(row))).filter(|(_, cell)| *cell != Cell::ABSENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_one_late_row_has_takes_no_room_for_the_others() {
        let (mut table, key) = (Table::default(), Key(3));
        for _ in 0..1_000 {
            table.add(0, None, 0);
        }
        assert_eq!(table.put(999, key, Cell::flag(true)), Cell::ABSENT);
        assert_eq!(table.put(999, key, Cell::flag(false)), Cell::flag(true));
        let column = table.column(key).unwrap();
        assert_eq!((column.get(999), column.get(998), column.get(5_000)), (Cell::flag(false), Cell::ABSENT, Cell::ABSENT));
        assert!(column.pieces.iter().take(3).all(|piece| piece.capacity() == 0));
    }
}
