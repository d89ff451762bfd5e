//! What the engine promises to programs written in Rust.

#![allow(clippy::unwrap_used, reason = "functions of a test")]

use hotpatch_engine::{Options, Patch, PatchError, apply, patches};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

fn define<'py>(py: Python<'py>, source: &std::ffi::CStr, name: &str) -> Bound<'py, PyAny> {
    let globals = PyDict::new(py);
    globals.set_item("__name__", "somewhere").unwrap();
    py.run(source, Some(&globals), None).unwrap();
    globals.get_item(name).unwrap().unwrap()
}

fn by<'py>(name: &str, py: Python<'py>) -> Options<'py> {
    Options::new().by(PyString::new(py, name))
}

#[test]
fn patches_are_undone_in_any_order() {
    Python::attach(|py| -> PyResult<()> {
        let target = define(py, c"def f(x): return x", "f");
        let double = define(py, c"def f(x): return 2 * x", "f");
        let square = define(py, c"def f(x): return x * x", "f");
        let call = || target.call1((5,)).unwrap().extract::<i64>().unwrap();

        let first = apply(&double, &target, Options::new())?;
        let second = apply(&square, &target, Options::new())?;
        assert_eq!(call(), 25);
        assert_eq!(second.get().original(py)?.call1((5,))?.extract::<i64>()?, 10);
        Patch::undo(&first)?;
        assert_eq!(call(), 25);
        assert_eq!(second.get().original(py)?.call1((5,))?.extract::<i64>()?, 5);
        Patch::undo(&second)?;
        assert_eq!(call(), 5);
        Ok(())
    })
    .unwrap();
}

#[test]
fn active_patches_are_listed_by_author_and_target() {
    Python::attach(|py| -> PyResult<()> {
        let target = define(py, c"def f(): return 1", "f");
        let other = define(py, c"def f(): return 2", "f");
        let mine = apply(&other, &target, by("me", py))?;
        let theirs = apply(&target, &other, by("them", py))?;
        let me = PyString::new(py, "me");
        let is_listed = |found: Vec<Bound<'_, Patch>>| found.iter().any(|patch| patch.is(&mine));
        assert!(is_listed(patches(py, None, Some(&me))?));
        assert!(is_listed(patches(py, Some(&target), None)?));
        assert!(!is_listed(patches(py, Some(&other), None)?));
        Patch::undo(&mine)?;
        assert!(!is_listed(patches(py, None, None)?));
        Patch::undo(&theirs)?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn errors_turn_into_the_exceptions_that_python_code_expects() {
    Python::attach(|py| -> PyResult<()> {
        let target = define(py, c"def f(): return 1", "f");
        let other = define(py, c"def f(): return 2", "f");
        let refused = apply(&other, &py.eval(c"len", None, None)?, Options::new());
        let refused = PyErr::from(refused.unwrap_err());
        assert!(refused.is_instance_of::<PyTypeError>(py), "{refused}");

        let patch = apply(&other, &target, Options::new())?;
        let installed = target.getattr("__code__")?;
        target.setattr("__code__", define(py, c"def f(): return 3", "f").getattr("__code__")?)?;
        let foreign = PyErr::from(Patch::undo(&patch).unwrap_err());
        assert!(foreign.is_instance_of::<PatchError>(py), "{foreign}");
        assert_eq!(target.call0()?.extract::<i64>()?, 3);
        target.setattr("__code__", installed)?;
        Patch::undo(&patch)?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_patch_made_without_python_code_around_it_says_so() {
    Python::attach(|py| -> PyResult<()> {
        let target = define(py, c"def f(): return 1", "f");
        let other = define(py, c"def f(): return 2", "f");
        let patch = apply(&other, &target, Options::new())?;
        assert_eq!(patch.getattr("where")?.extract::<String>()?, "<native>");
        assert_eq!(patch.getattr("by")?.extract::<String>()?, "");
        Patch::undo(&patch)?;
        Ok(())
    })
    .unwrap();
}
