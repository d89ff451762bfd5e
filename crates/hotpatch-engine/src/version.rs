//! The versions of functions, by which CPython specialises calls.

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

use crate::assembler::{Assembler, Op};
use crate::raw::body::Body;
use crate::raw::extra::Extra;
use crate::raw::function::Function;
use crate::site::Site as _;
use crate::tables;

/// Gives a body the version that a function has which a `def` makes, if it has none.
pub(crate) fn give(body: &mut Body<'_>) -> PyResult<()> {
    if let Some(code) = body.code().filter(|_| body.version() <= 1) {
        let version = of_code(code)?;
        body.set_version(version);
    }
    Ok(())
}

/// The version that a function of this code has which a `def` makes, or 0 where that comes later.
///
/// Since 3.13 calls of a function that comes about otherwise are never specialised. It is always the same
/// for one code object (`MAKE_FUNCTION`, Python/bytecodes.c, and `co_version`).
pub(crate) fn of_code(code: &Bound<'_, PyAny>) -> PyResult<u32> {
    if cfg!(not(Py_3_13)) {
        return Ok(0);
    }
    let known = Extra::of(code).map(|extra| &extra.version);
    if let Some(version) = known.and_then(|known| known.get()) {
        return Ok(*version);
    }
    let version = define(code)?.version();
    Ok(known.map_or(version, |known| *known.get_or_init(|| version)))
}

/// Makes a function of a code object, as a `def` does.
fn define<'py>(code: &Bound<'py, PyAny>) -> PyResult<Function<'py>> {
    static MAKER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = code.py();
    let maker = MAKER.get_or_try_init(py, || -> PyResult<_> {
        let mut make = Assembler::new(py)?;
        for op in [Op::RESUME, Op::LOAD_FAST, Op::MAKE_FUNCTION, Op::RETURN_VALUE] {
            make.emit(op, 0)?;
        }
        let changes = PyDict::new(py);
        changes.set_item("co_code", PyBytes::new(py, &make.bytes))?;
        changes.set_item("co_linetable", PyBytes::new(py, &tables::without_lines(make.units())))?;
        let template = py.eval(c"lambda code: code", None, None)?;
        let code = template.getattr("__code__")?.call_method("replace", (), Some(&changes))?;
        template.setattr("__code__", code)?;
        Ok(template.unbind())
    })?;
    let made = maker.bind(py).call1((code,))?;
    Function::new(&made).ok_or_else(|| PySystemError::new_err("MAKE_FUNCTION made no function"))
}
