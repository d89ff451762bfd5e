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

/// Whether a variable is set in the current context. Runs no Python code: contexts tell variables apart by
/// their identity (`PyContextVar_Type` has no comparison, Python/context.c, 3.10 to 3.15).
///
/// Asked at each call of a function with a patch for one context.
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
            let token = variable.call_method1("set", (1,)).unwrap();
            assert!(is_set(&variable).unwrap());
            variable.call_method1("reset", (token,)).unwrap();
            assert!(!is_set(&variable).unwrap());
        });
    }

    #[test]
    fn nothing_else_is_a_variable() {
        Python::attach(|py| {
            let error = is_set(py.None().bind(py)).unwrap_err();
            assert!(error.is_instance_of::<PyTypeError>(py));
        });
    }
}
