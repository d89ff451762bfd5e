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

    /// Makes `target` do what `replacement` does, under every reference to it.
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

    /// The active patches, in the order in which they were made.
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
