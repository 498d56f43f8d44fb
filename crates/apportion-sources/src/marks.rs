//! A CSV without the byte order marks in front of its values.
//!
//! A mark belongs at the start of a file and means nothing there. Exports have another one in front of
//! their first record, and files that were put together from files have one wherever a part begins. It
//! stands before the quotes of a value, so it must go before the text is cut into values; inside of a
//! value it is text and stays.

use std::io::{BufRead, Read, Result};

const MARK: &[u8] = "\u{feff}".as_bytes();

/// Where in a record a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A value begins.
    Start,
    /// Inside of a value without quotes.
    Plain,
    /// Inside of quotes, right after the opening one.
    Opened,
    /// Inside of quotes.
    Quoted,
    /// After a quote that closes the value, or of which there are two.
    Closed,
}

impl Place {
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Opened | Self::Quoted, b'"') => Self::Closed,
            (Self::Opened | Self::Quoted, _) => Self::Quoted,
            (Self::Start, b'"') => Self::Opened,
            (Self::Closed, b'"') => Self::Quoted,
            (_, b',' | b'\n' | b'\r') => Self::Start,
            _ => Self::Plain,
        }
    }
}

/// Reads a CSV line by line; a mark holds no line break, so none is cut.
#[derive(Debug)]
pub(crate) struct WithoutMarks<R> {
    inner: R,
    line: Vec<u8>,
    position: usize,
    place: Place,
}

impl<R: BufRead> WithoutMarks<R> {
    pub(crate) const fn new(inner: R) -> Self {
        Self { inner, line: Vec::new(), position: 0, place: Place::Start }
    }

    fn next_line(&mut self) -> Result<()> {
        self.position = 0;
        self.line.clear();
        self.inner.read_until(b'\n', &mut self.line)?;
        if self.line.contains(&MARK_START) {
            self.strip();
        } else if self.place != Place::Start || self.line.contains(&b'"') {
            // After a line of plain values another value begins.
            self.place = self.line.iter().fold(self.place, |place, byte| place.after(*byte));
        }
        Ok(())
    }

    /// Drops the marks where values begin.
    fn strip(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut rest = line.as_slice();
        while let Some((byte, after)) = rest.split_first() {
            if matches!(self.place, Place::Start | Place::Opened)
                && let Some(after) = rest.strip_prefix(MARK)
            {
                rest = after;
                continue;
            }
            self.place = self.place.after(*byte);
            self.line.push(*byte);
            rest = after;
        }
    }
}

/// The first byte of a mark, which few other characters begin with.
const MARK_START: u8 = 0xef;

impl<R: BufRead> Read for WithoutMarks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.position == self.line.len() {
            self.next_line()?;
            if self.line.is_empty() && self.inner.fill_buf()?.is_empty() {
                return Ok(0);
            }
        }
        let mut rest = self.line.get(self.position..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.position += count;
        Ok(count)
    }
}
