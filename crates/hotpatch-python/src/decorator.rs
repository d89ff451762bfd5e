//! `hotpatch` without a replacement.

use hotpatch_engine::{Error, How, Options, Scope};
use pyo3::prelude::*;
use pyo3::types::PyString;

/// An argument that can be left out, and for which None is something else.
pub(crate) enum Given<'py> {
    Nothing,
    Object(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Given<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Object(object.to_owned()))
    }
}

/// Patches with the function that it decorates.
#[pyclass(frozen, module = "hotpatch._native")]
pub(crate) struct Decorator {
    pub(crate) target: Py<PyAny>,
    pub(crate) how: How,
    pub(crate) scope: Scope,
    pub(crate) order: i64,
    pub(crate) by: Option<Py<PyString>>,
    pub(crate) expect: Option<Py<PyString>>,
}

#[pymethods]
impl Decorator {
    #[pyo3(signature = (replacement, /))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        replacement: Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>, Error> {
        let mut options = Options::new().how(self.how).scope(self.scope).order(self.order);
        options.by = self.by.as_ref().map(|by| by.bind(py).clone());
        options.expect = self.expect.as_ref().map(|expect| expect.bind(py).clone());
        hotpatch_engine::apply(&replacement, self.target.bind(py), options)?;
        Ok(replacement)
    }
}
