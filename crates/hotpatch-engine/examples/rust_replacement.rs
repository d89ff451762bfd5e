//! An extension module that patches a Python function with a Rust function.
//!
//! `speed_up(total)` makes the Python function `total` sum in Rust from then on, for everybody who
//! has imported it; the patch that it returns takes that back.

#![allow(missing_docs, reason = "an example, not an API")]

use pyo3::prelude::*;

#[pymodule(gil_used = true)]
pub mod rust_replacement {
    use hotpatch_engine::{Options, Patch, apply};
    use pyo3::prelude::*;

    #[pyfunction]
    fn total_in_rust(numbers: Vec<i64>) -> i64 {
        numbers.into_iter().sum()
    }

    #[pyfunction]
    fn speed_up<'py>(total: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Patch>> {
        let replacement = wrap_pyfunction!(total_in_rust, total.py())?;
        Ok(apply(&replacement, total, Options::new())?)
    }
}
