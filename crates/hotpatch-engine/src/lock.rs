//! Refusing all further patches of this process.

use std::sync::OnceLock;

use pyo3::prelude::*;

use crate::error::{Error, describe};
use crate::raw::frame::Place;

/// Why there are to be no more patches.
static REASON: OnceLock<String> = OnceLock::new();

/// Refuses all further patches in this process, for good.
///
/// The patches that are there stay, and can be undone. Those that wait for an import are applied when it
/// comes.
///
/// # Errors
///
/// As a Python exception, if the caller cannot be described.
pub fn lock(py: Python<'_>) -> PyResult<()> {
    let place = match Place::current(py) {
        Some(place) => place.describe(py)?,
        None => "<native>".into(),
    };
    lock_because(format!("lock() was called at {place}"));
    Ok(())
}

/// Refuses all further patches in this process, and says why. The first reason counts.
pub fn lock_because(reason: String) {
    let _ = REASON.set(reason); // it is locked already
}

/// Fails if there are to be no more patches.
///
/// # Errors
///
/// `PatchError`, with the reason.
pub fn check(target: &Bound<'_, PyAny>) -> Result<(), Error> {
    match REASON.get() {
        None => Ok(()),
        Some(reason) => Err(Error::patch(format!(
            "cannot patch {}: {reason}, and since then nothing can be patched in this process; patch \
             it before that, or in a process that is not locked",
            describe(target)
        ))),
    }
}
