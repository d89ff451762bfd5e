//! The attributes that an object has for itself.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The `__dict__` of an object of which the type has one, also where a subclass shows something else.
pub(crate) fn attributes_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    // SAFETY: a live object; there is an error if its type has no place for a dict.
    let dict = unsafe { ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    let dict = unsafe { Bound::from_owned_ptr_or_err(object.py(), dict) }?;
    Ok(dict.cast_into()?)
}
