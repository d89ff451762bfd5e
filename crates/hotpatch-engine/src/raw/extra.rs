//! What is known of code objects, kept with them as long as they live (`co_extra`, PEP 523).

use std::cell::{Cell, OnceCell};
use std::ffi::c_void;
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;

use super::code::is_code;
use crate::signature::Parameter;

/// What is known of a code object.
#[derive(Default)]
pub(crate) struct Extra {
    /// The parameters that it declares, without a word about defaults.
    pub(crate) parameters: OnceCell<Vec<Parameter>>,
    /// What tells a function made of it from others, for specialised calls (`func_version`).
    pub(crate) version: OnceCell<u32>,
    /// Code that was made of it: see [`crate::graft`].
    grafted: Cell<Option<Py<PyAny>>>,
}

impl Extra {
    /// What is known of `code`. `None` if nothing can be kept with it.
    pub(crate) fn of<'a>(code: &'a Bound<'_, PyAny>) -> Option<&'a Self> {
        // A process has only 255 of these (`MAX_CO_EXTRA_USERS`, Include/internal/pycore_interp.h).
        static INDEX: OnceLock<ffi::Py_ssize_t> = OnceLock::new();
        // SAFETY: this thread is attached, since `code` is bound, and `free` is what CPython asks for.
        let request = || unsafe { ffi::PyUnstable_Eval_RequestCodeExtraIndex(free) };
        let index = *INDEX.get_or_init(request);
        if index < 0 || !is_code(code) {
            return None;
        }
        let mut found: *mut c_void = std::ptr::null_mut();
        // SAFETY: a code object, an index that was given to us, and a place for a pointer. It fails for
        // nothing else.
        unsafe { ffi::PyUnstable_Code_GetExtra(code.as_ptr(), index, &raw mut found) };
        if found.is_null() {
            let new = Box::into_raw(Box::<Self>::default()).cast();
            // SAFETY: as above. From here on the code object owns the box, and `free` gets it.
            let result = unsafe { ffi::PyUnstable_Code_SetExtra(code.as_ptr(), index, new) };
            if result != 0 {
                drop(PyErr::take(code.py())); // there is no memory
                // SAFETY: the code object did not take it.
                drop(unsafe { Box::from_raw(new.cast::<Self>()) });
                return None;
            }
            found = new;
        }
        // SAFETY: under this index there are only boxes of ours. It is freed with the code object, which
        // `code` keeps alive, and never written to but through cells.
        Some(unsafe { &*found.cast::<Self>() })
    }

    /// Code that was made of this, taken out.
    pub(crate) fn take_grafted<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        Some(self.grafted.take()?.into_bound(py))
    }

    /// Keeps code for the next time.
    pub(crate) fn keep_grafted(&self, code: &Bound<'_, PyAny>) {
        let before = self.grafted.replace(Some(code.clone().unbind()));
        drop(before.map(|before| before.into_bound(code.py())));
    }
}

/// Called by CPython when the code object goes (`code_dealloc`, Objects/codeobject.c).
unsafe extern "C" fn free(extra: *mut c_void) {
    // SAFETY: CPython destroys objects with the GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: what `of` gave to the code object, which is not going to use it again.
    let extra = unsafe { Box::from_raw(extra.cast::<Extra>()) };
    drop(extra.grafted.take().map(|code| code.into_bound(py)));
}

#[cfg(test)]
mod tests {
    use super::super::code::references;
    use super::*;

    fn code<'py>(py: Python<'py>, text: &std::ffi::CStr) -> Bound<'py, PyAny> {
        py.eval(text, None, None).unwrap().getattr("__code__").unwrap()
    }

    #[test]
    fn each_code_object_has_its_own_and_frees_it() {
        Python::attach(|py| {
            let (one, two) = (code(py, c"lambda: 1"), code(py, c"lambda: 2"));
            Extra::of(&one).unwrap().keep_grafted(&two);
            assert!(Extra::of(&two).unwrap().take_grafted(py).is_none());
            let before = references(&two);
            assert!(Extra::of(&one).unwrap().take_grafted(py).unwrap().is(&two));
            assert!(Extra::of(&one).unwrap().take_grafted(py).is_none());
            Extra::of(&one).unwrap().keep_grafted(&two);
            drop(one);
            assert_eq!(references(&two), before - 1);
        });
    }

    #[test]
    fn nothing_else_has_any() {
        Python::attach(|py| assert!(Extra::of(py.None().bind(py)).is_none()));
    }
}
