//! Variables of contexts (`contextvars`).

use pyo3::ffi;
use pyo3::prelude::*;

/// A new variable, which is set in no context.
pub(crate) fn variable(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a C string, and NULL means that there is no default.
    let variable = unsafe { ffi::PyContextVar_New(c"hotpatch".as_ptr(), std::ptr::null_mut()) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, variable) }
}

/// Sets a variable in the current context. Returns what [`reset`] needs.
pub(crate) fn set<'py>(variable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let value = true.into_pyobject(variable.py())?;
    // SAFETY: live objects. It fails for what is no variable.
    let token = unsafe { ffi::PyContextVar_Set(variable.as_ptr(), value.as_ptr()) };
    // SAFETY: the result is a new reference, or NULL with an error set.
    unsafe { Bound::from_owned_ptr_or_err(variable.py(), token) }
}

/// Takes back what [`set`] did, which returned `token`.
///
/// # Errors
///
/// `ValueError` in another context.
pub(crate) fn reset(variable: &Bound<'_, PyAny>, token: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: a live variable, and what `set` returned: CPython does not look whether that is a token.
    let result = unsafe { ffi::PyContextVar_Reset(variable.as_ptr(), token.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(PyErr::fetch(variable.py())) }
}

/// Whether a variable is set in the current context. Runs no Python code: contexts tell variables apart by
/// their identity (`PyContextVar_Type` has no comparison, Python/context.c, 3.10 to 3.15).
///
/// Asked at each call of a function with a patch for one context.
#[inline]
pub(crate) fn is_set(variable: &Bound<'_, PyAny>) -> PyResult<bool> {
    let mut value = std::ptr::null_mut();
    // SAFETY: a live object, and a place for a reference. It fails for what is no variable.
    let result =
        unsafe { ffi::PyContextVar_Get(variable.as_ptr(), std::ptr::null_mut(), &raw mut value) };
    if result != 0 {
        return Err(PyErr::fetch(variable.py()));
    }
    // SAFETY: a new reference, or NULL if it is not set.
    let value = unsafe { Bound::from_owned_ptr_or_opt(variable.py(), value) };
    Ok(value.is_some())
}

#[cfg(test)]
mod tests {
    use pyo3::exceptions::PyTypeError;

    use super::*;

    #[test]
    fn a_variable_is_set_until_that_is_taken_back() {
        Python::attach(|py| {
            let variable = variable(py).unwrap();
            assert!(!is_set(&variable).unwrap());
            let token = set(&variable).unwrap();
            assert!(is_set(&variable).unwrap());
            let context = py.import("contextvars").unwrap().getattr("Context").unwrap();
            let elsewhere = context.call0().unwrap();
            let undo = variable.getattr("reset").unwrap();
            assert!(elsewhere.call_method1("run", (undo, &token)).is_err());
            reset(&variable, &token).unwrap();
            assert!(!is_set(&variable).unwrap());
            assert!(reset(&variable, &token).is_err()); // it was used
        });
    }

    #[test]
    fn nothing_else_is_a_variable() {
        Python::attach(|py| {
            let none = py.None().into_bound(py);
            for error in [is_set(&none).unwrap_err(), set(&none).unwrap_err()] {
                assert!(error.is_instance_of::<PyTypeError>(py));
            }
        });
    }
}
