//! What can go wrong, and as which Python exception it shows.

use std::fmt;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;

pyo3::create_exception!(
    hotpatch,
    PatchError,
    PyRuntimeError,
    "A patch cannot be applied or undone as things are; nothing was changed."
);

/// Why a patch was not applied, not undone, or not looked up. Nothing was changed.
#[derive(Debug)]
pub struct Error(Reason);

#[derive(Debug)]
enum Reason {
    /// The arguments can never work: `TypeError`.
    Argument(String),
    /// The state of the program does not allow it: `PatchError`.
    State(String),
    /// Python code that had to be asked raised this.
    Raised(PyErr),
}

impl Error {
    pub(crate) fn argument(message: String) -> Self {
        Self(Reason::Argument(message))
    }

    pub(crate) fn patch(message: String) -> Self {
        Self(Reason::State(message))
    }

    /// The one form in which a target is refused: what, why, and what to do.
    pub(crate) fn refused(target: &Bound<'_, PyAny>, why: &str, instead: &str) -> Self {
        Self::argument(format!("cannot patch {} in place: {why}; {instead}", describe(target)))
    }
}

/// The `repr` of an object, cut to a length that fits a message.
pub(crate) fn describe(object: &Bound<'_, PyAny>) -> String {
    const LONGEST: usize = 120;
    let text = match object.repr() {
        Ok(text) => text.to_string(),
        Err(_) => format!("<{} object>", object.get_type()),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Argument(message) | Reason::State(message) => formatter.write_str(message),
            Reason::Raised(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for Error {}

impl From<PyErr> for Error {
    fn from(error: PyErr) -> Self {
        Self(Reason::Raised(error))
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error.0 {
            Reason::Argument(message) => PyTypeError::new_err(message),
            Reason::State(message) => PatchError::new_err(message),
            Reason::Raised(error) => error,
        }
    }
}
