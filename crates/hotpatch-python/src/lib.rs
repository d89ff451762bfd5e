//! The extension module `hotpatch._native`: what Python calls, and conversions.

#![forbid(unsafe_code)]

use pyo3::prelude::*;

/// The parts of hotpatch that are written in Rust.
// The engine relies on the GIL. Without this declaration PyO3 says that the module does not need it.
#[pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use hotpatch_engine::Patch;
    #[pymodule_export]
    use hotpatch_engine::PatchError;
    use hotpatch_engine::{Error, Options};
    use pyo3::prelude::*;
    use pyo3::types::PyString;

    /// Make `target` do what `replacement` does, under every reference to it.
    ///
    /// `target` is a function, written in Python or in C, or a bound method, classmethod, staticmethod
    /// or property with one inside. `replacement` is any callable of the same kind (a coroutine function for a
    /// coroutine function, and so on). `by` says who patches; by default it is the name of the
    /// calling module.
    ///
    /// Raises `TypeError` for a target or a replacement that can never work, `PatchError` if the
    /// interpreter or the state of the target does not allow it, and whatever an audit hook for
    /// "hotpatch.apply" raises. Nothing has changed then.
    #[pyfunction]
    #[pyo3(signature = (replacement, target, *, by = None))]
    fn hotpatch<'py>(
        replacement: &Bound<'py, PyAny>,
        target: &Bound<'py, PyAny>,
        by: Option<Bound<'py, PyString>>,
    ) -> Result<Bound<'py, Patch>, Error> {
        let mut options = Options::new();
        options.by = by;
        hotpatch_engine::apply(replacement, target, options)
    }

    /// List the active patches, in the order in which they were made.
    ///
    /// With `target` those of one function, with `by` those that were made by one author.
    ///
    /// Raises `TypeError` for a target that could not be patched.
    #[pyfunction]
    #[pyo3(signature = (target = None, *, by = None))]
    fn patches<'py>(
        py: Python<'py>,
        target: Option<&Bound<'py, PyAny>>,
        by: Option<&Bound<'py, PyString>>,
    ) -> Result<Vec<Bound<'py, Patch>>, Error> {
        hotpatch_engine::patches(py, target, by)
    }
}
