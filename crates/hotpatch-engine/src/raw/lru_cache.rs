//! The function inside of a `functools.lru_cache` object.

use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;

/// Where the objects of the type have their function, or `None` if that cannot be told.
///
/// The struct is private to Modules/_functoolsmodule.c. So a cache is made, and the word is looked for
/// that points to its function: at 88 of 152 bytes in CPython 3.10 to 3.15.
fn offset(py: Python<'_>) -> PyResult<Option<usize>> {
    static OFFSET: OnceLock<Option<usize>> = OnceLock::new();
    if let Some(offset) = OFFSET.get() {
        return Ok(*offset);
    }
    let functools = py.import("functools")?;
    let function = py.eval(c"lambda: None", None, None)?;
    let cache = functools.call_method1("lru_cache", (py.None(),))?.call1((&function,))?;
    // SAFETY: a type is live as long as its instances.
    let size = unsafe { (*cache.get_type_ptr()).tp_basicsize };
    let mut found = (size_of::<ffi::PyObject>()..size.unsigned_abs())
        .step_by(size_of::<*mut ffi::PyObject>())
        .filter(|offset| {
            // SAFETY: a word inside of the object, which CPython has set to zero or written.
            let word = unsafe { slot(&cache, *offset).read() };
            word == function.as_ptr()
        });
    let only = found.next().filter(|_| found.next().is_none());
    Ok(*OFFSET.get_or_init(|| only))
}

fn slot(cache: &Bound<'_, PyAny>, offset: usize) -> *mut *mut ffi::PyObject {
    cache.as_ptr().wrapping_byte_add(offset).cast()
}

/// The function that `cache` calls, or `None` if it is not known where that is.
pub(crate) fn function<'py>(cache: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(offset) = offset(cache.py())? else {
        return Ok(None);
    };
    // SAFETY: `cache` is an object of that type: callers have checked it.
    let function = unsafe { slot(cache, offset).read() };
    // SAFETY: the object owns what its field points to.
    Ok(unsafe { Bound::from_borrowed_ptr_or_opt(cache.py(), function) })
}

/// Makes `cache`, of which [`function`] has told the function, call another; returns the old one.
pub(crate) fn replace<'py>(
    cache: &Bound<'py, PyAny>,
    function: Bound<'py, PyAny>,
) -> Option<Bound<'py, PyAny>> {
    let offset = offset(cache.py()).ok()??;
    // SAFETY: as in `function`. Everybody who reads the field has the GIL, as this thread has.
    let old = unsafe { slot(cache, offset).replace(function.into_ptr()) };
    // SAFETY: the field owned the reference that it held, and this takes it over.
    unsafe { Bound::from_owned_ptr_or_opt(cache.py(), old) }
}
