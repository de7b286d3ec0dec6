//! A table of text: sorted lines with a key at their start, looked up without being parsed.
//!
//! The embedded catalog is a handful of these. Finding a row costs a binary search; only the rows that somebody asks for
//! are ever parsed.

/// Sorted lines. The key of a line ends at its first TAB, or is the `name` that opens its JSON object.
#[derive(Clone, Debug)]
pub struct Table {
    text: &'static str,
    starts: Vec<u32>,
}

impl Table {
    /// Notes where the lines begin; the lines must be sorted by key (a test holds this for the embedded tables).
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        let mut starts = Vec::with_capacity(1024);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if !line.trim_end().is_empty() {
                starts.push(start);
            }
            start += u32::try_from(line.len()).unwrap_or(u32::MAX);
        }
        Self { text, starts }
    }

    /// The number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The line at a position, without its line end.
    #[must_use]
    pub fn line(&self, position: usize) -> Option<&'static str> {
        let start = usize::try_from(*self.starts.get(position)?).ok()?;
        self.text.get(start..)?.lines().next()
    }

    /// All lines in their order.
    pub fn lines(&self) -> impl Iterator<Item = &'static str> + '_ {
        (0..self.len()).filter_map(|position| self.line(position))
    }

    /// The position of the line with this key.
    #[must_use]
    pub fn position(&self, key: &str) -> Option<usize> {
        self.starts.binary_search_by(|&start| self.key_at(start).cmp(key)).ok()
    }

    /// The line with this key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&'static str> {
        self.line(self.position(key)?)
    }

    /// The key of the line at a position.
    #[must_use]
    pub fn key(&self, position: usize) -> Option<&'static str> {
        self.starts.get(position).map(|&start| self.key_at(start))
    }

    fn key_at(&self, start: u32) -> &'static str {
        let line = usize::try_from(start).ok().and_then(|start| self.text.get(start..)).unwrap_or_default();
        match line.strip_prefix("{\"name\":\"") {
            Some(rest) => rest.split('"').next().unwrap_or_default(),
            None => line.split(['\t', '\n']).next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_key() {
        let table = Table::new("a\tone\nb\ttwo\nc\tthree\n");
        assert_eq!(table.find("b"), Some("b\ttwo"));
        assert_eq!(table.find("bb"), None);
        assert_eq!(table.key(2), Some("c"));
        let rows = Table::new("{\"name\":\"x\",\"n\":1}\n{\"name\":\"y\"}\n");
        assert_eq!(rows.find("x"), Some("{\"name\":\"x\",\"n\":1}"));
        assert_eq!(rows.len(), 2);
    }
}
