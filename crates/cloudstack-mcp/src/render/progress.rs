//! The line at a terminal that shows how far a call has come; gone once there is a result.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use cloudstack_engine::{Progress, Watch};

use super::text::{clean, cut};

/// The width of a terminal that does not tell.
const WIDTH: usize = 80;

/// The line on standard error.
pub(crate) struct ProgressLine {
    is_shown: bool,
    width: usize,
    is_dirty: AtomicBool,
}

impl ProgressLine {
    /// A line that is shown or not.
    pub(crate) fn new(is_shown: bool, width: Option<usize>) -> Self {
        Self { is_shown, width: width.unwrap_or(WIDTH), is_dirty: AtomicBool::new(false) }
    }

    /// Wipes the line away.
    pub(crate) fn clear(&self) {
        if self.is_dirty.swap(false, Ordering::Relaxed) {
            write(&format!("\r{}\r", " ".repeat(self.width.saturating_sub(1))));
        }
    }
}

impl Watch for ProgressLine {
    fn progress(&self, progress: &Progress) {
        if !self.is_shown {
            return;
        }
        let of = progress.total.map(|total| format!(" of {total:.0}")).unwrap_or_default();
        let letters = self.width.saturating_sub(1);
        let text = cut(&format!("{:.0}{of}  {}", progress.done, clean(&progress.message)), letters);
        let pad = " ".repeat(letters.saturating_sub(text.chars().count()));
        self.is_dirty.store(true, Ordering::Relaxed);
        write(&format!("\r{text}{pad}"));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn write(text: &str) {
    let mut err = io::stderr().lock();
    // Nobody misses the line if standard error is gone.
    drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
}
