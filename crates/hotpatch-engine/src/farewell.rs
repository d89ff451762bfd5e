//! Being told when an object goes.

use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

/// What is called with the address of an object when the object goes.
pub(crate) type Forget = fn(Python<'_>, usize);

#[pyclass(frozen, module = "hotpatch._native")]
struct Farewell {
    address: usize,
    forget: Forget,
}

#[pymethods]
impl Farewell {
    fn __call__(&self, py: Python<'_>, reference: &Bound<'_, PyAny>) {
        let _ = reference; // it is the one that `watch` made
        (self.forget)(py, self.address);
    }
}

/// Makes a weak reference that calls `forget` when `object` goes, if it is kept until then.
pub(crate) fn watch<'py>(
    object: &Bound<'py, PyAny>,
    forget: Forget,
) -> PyResult<Bound<'py, PyWeakrefReference>> {
    let address = object.as_ptr().expose_provenance();
    PyWeakrefReference::new_with(object, Bound::new(object.py(), Farewell { address, forget })?)
}
