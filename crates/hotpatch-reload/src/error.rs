//! What can go wrong.

use std::fmt;

/// A source text is not Python.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// The line in which that shows, from 1.
    pub line: usize,
    message: String,
}

impl Error {
    /// For the syntax error at an offset into a text.
    pub(crate) fn syntax(text: &str, offset: usize, message: &impl fmt::Display) -> Self {
        let before = text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Self { line, message: message.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Error {}
