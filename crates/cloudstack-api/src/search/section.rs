//! The parts of an index file: sections after their lengths, and lines that are found without reading the others.
//!
//! Numbers are little-endian. Nothing here knows what a section is about.

/// Splits a file into its sections; `None` if it is too short for what it says of itself.
pub(super) fn split<const COUNT: usize>(bytes: &[u8]) -> Option<[&[u8]; COUNT]> {
    let mut lengths = [0_usize; COUNT];
    let mut rest = bytes;
    for length in &mut lengths {
        let (number, others) = rest.split_first_chunk()?;
        *length = usize::try_from(u32::from_le_bytes(*number)).ok()?;
        rest = others;
    }
    let mut sections = [rest; COUNT];
    for (section, length) in sections.iter_mut().zip(lengths) {
        (*section, rest) = rest.split_at_checked(length)?;
    }
    Some(sections)
}

/// Joins sections to a file that [`split`] reads.
pub(super) fn joined(sections: &[Vec<u8>]) -> Vec<u8> {
    let lengths = sections.iter().flat_map(|section| long(section.len()).to_le_bytes());
    lengths.chain(sections.iter().flatten().copied()).collect()
}

/// Texts one after the other, with where each ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines<'a> {
    text: &'a str,
    ends: &'a [u8],
}

impl<'a> Lines<'a> {
    /// Opens what [`Self::written`] wrote.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let [text, ends] = split(bytes)?;
        Some(Self { text: std::str::from_utf8(text).ok()?, ends })
    }

    /// Lines as bytes.
    pub(super) fn written<'b>(lines: impl Iterator<Item = &'b str>) -> Vec<u8> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for line in lines {
            text.extend(line.bytes());
            ends.extend(long(text.len()).to_le_bytes());
        }
        joined(&[text, ends])
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len() / size_of::<u32>()
    }

    /// The line at a place.
    pub(super) fn get(&self, place: usize) -> Option<&'a str> {
        let start = place.checked_sub(1).map_or(Some(0), |before| end(self.ends, before))?;
        self.text.get(start..end(self.ends, place)?)
    }

    /// All lines in their order.
    pub(super) fn iter(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).filter_map(move |place| self.get(place))
    }

    /// The place of a line among lines that are sorted.
    pub(super) fn place(&self, wanted: &str) -> Option<usize> {
        let place = self.first(|line| line >= wanted);
        (self.get(place)? == wanted).then_some(place)
    }

    /// The first place from which on the lines are so; they must be sorted by it.
    pub(super) fn first(&self, so: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.get(middle).is_some_and(&so) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

/// The number at a place in a row of numbers.
pub(super) fn end(ends: &[u8], place: usize) -> Option<usize> {
    let bytes = ends.get(place.checked_mul(size_of::<u32>())?..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// A number as the file has it.
pub(super) fn long(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_lines_come_back_as_they_were_written() {
        let lines = Lines::written(["", "böx", "vm"].into_iter());
        let file = joined(&[lines, b"more".to_vec()]);
        let [lines, more] = split(&file).unwrap();
        let lines = Lines::open(lines).unwrap();
        assert_eq!((lines.len(), more), (3, b"more".as_slice()));
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["", "böx", "vm"]);
        assert_eq!((lines.place("vm"), lines.place("böx"), lines.place("c"), lines.get(3)), (Some(2), Some(1), None, None));
        assert!(split::<3>(&file).is_none());
    }
}
