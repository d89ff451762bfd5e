//! Is this an interpreter whose objects hotpatch knows?
//!
//! Asked once, before the first patch. The layouts are the ones that `pyo3::ffi` declares for the
//! version this was built for; a probe compares each field with what Python itself shows for it, so
//! that an interpreter nobody tested gives an error and not a crash.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use super::body::{BODY, Field, IDENTITY};
use super::function::Function;
use crate::error::Error;
use crate::site::Site;

/// A function with something in every field.
const PROBE: &std::ffi::CStr = c"
__name__ = 'hotpatch'
def make(shared):
    def probe(a, b=1, *, c=2) -> int:
        'doc'
        return shared
    probe.attribute = 1
    if hasattr(probe, '__type_params__'):
        probe.__type_params__ = (int,)
    return probe
probe = make([])
";

/// Where calls of a function go that nobody has changed; or what speaks against this interpreter.
static ENTRY: PyOnceLock<Result<usize, String>> = PyOnceLock::new();

/// Fails unless hotpatch can work in this interpreter.
pub(crate) fn check(py: Python<'_>) -> Result<(), Error> {
    entry(py).map(|_| ())
}

/// Fails if calls of `function` do not go the way of all functions.
///
/// Extensions can route them elsewhere (`PyFunction_SetVectorcall`); swapping the body would then
/// change some calls and not others.
pub(crate) fn check_entry(function: &Function<'_>) -> Result<(), Error> {
    if function.entry() == entry(function.as_any().py())? {
        return Ok(());
    }
    Err(Error::refused(
        function.as_any(),
        "another extension has taken over its calls (PyFunction_SetVectorcall)",
        "undo that first",
    ))
}

fn entry(py: Python<'_>) -> Result<usize, Error> {
    let outcome = if let Some(outcome) = ENTRY.get(py) {
        outcome
    } else {
        // Not inside of `get_or_init`: audit hooks see the probe being compiled, and can patch.
        let outcome = examine(py)?;
        ENTRY.get_or_init(py, || outcome)
    };
    match outcome {
        Ok(entry) => Ok(*entry),
        Err(objection) => Err(Error::patch(format!(
            "hotpatch cannot work in this interpreter: {objection}; nothing was changed"
        ))),
    }
}

/// Makes the probe, and says where its calls go or what speaks against this interpreter.
fn examine(py: Python<'_>) -> PyResult<Result<usize, String>> {
    let globals = PyDict::new(py);
    py.run(PROBE, Some(&globals), None)?;
    let probe = globals.get_item("probe")?.ok_or_else(unusable)?;
    let objection = match Facts::read(py)?.objection() {
        Some(objection) => Some(objection),
        None => objection_to(&probe)?,
    };
    Ok(match objection {
        Some(objection) => Err(objection),
        None => Ok(Function::new(&probe).ok_or_else(unusable)?.entry()),
    })
}

fn unusable() -> PyErr {
    pyo3::exceptions::PySystemError::new_err("the probe of hotpatch made no function")
}

/// What the interpreter says of itself.
struct Facts {
    implementation: String,
    has_gil: bool,
}

impl Facts {
    fn read(py: Python<'_>) -> PyResult<Self> {
        let sys = py.import("sys")?;
        let implementation = sys.getattr("implementation")?.getattr("name")?.extract()?;
        let has_gil = match sys.getattr_opt("_is_gil_enabled")? {
            Some(ask) => ask.call0()?.is_truthy()?, // new in 3.13
            None => true,
        };
        Ok(Self { implementation, has_gil })
    }

    fn objection(&self) -> Option<String> {
        if self.implementation != "cpython" {
            Some(format!(
                "it is {}, and only CPython's function objects are known; run the program on CPython",
                self.implementation
            ))
        } else if !self.has_gil {
            Some("the GIL is off, and the swap relies on it; start Python with PYTHON_GIL=1".into())
        } else {
            None
        }
    }
}

/// Compares what the fields of `probe` hold with the attributes that Python shows for them.
fn objection_to(probe: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let Some(function) = Function::new(probe) else {
        return Ok(Some("a def statement does not make a function".into()));
    };
    if let Some(attribute) = different_field(&function, probe)? {
        return Ok(Some(format!(
            "the field for {attribute} is not where it should be; \
             look for a release of hotpatch for this version of Python"
        )));
    }
    let pair = PyTuple::new(probe.py(), [probe.getattr("__code__")?, probe.clone()])?;
    // SAFETY: a live tuple of two; this is the macro whose offset is put to the test, and the memory
    // behind it is inside the object whether there is a cached hash before the items or not.
    let second = unsafe { ffi::PyTuple_GET_ITEM(pair.as_ptr(), 1) };
    if second != probe.as_ptr() {
        return Ok(Some("the items of a tuple are not where they should be".into()));
    }
    #[cfg(Py_3_11)]
    {
        // Setting the defaults clears the version to 0, or from 3.13 to 1 (pycore_function.h).
        probe.setattr("__defaults__", (1,))?;
        if function.version() > 1 {
            return Ok(Some("the version of a function is not where it should be".into()));
        }
    }
    Ok(None)
}

/// The first attribute of `shown` that is not what `function` holds in its field.
fn different_field(
    function: &Function<'_>,
    shown: &Bound<'_, PyAny>,
) -> PyResult<Option<&'static str>> {
    for Field { attribute, offset } in BODY.iter().chain(IDENTITY) {
        let value = shown.getattr(*attribute)?;
        let raw = function.raw(&Field { attribute, offset: *offset });
        if raw != value.as_ptr() {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(py: Python<'_>) -> Bound<'_, PyAny> {
        let globals = PyDict::new(py);
        py.run(PROBE, Some(&globals), None).unwrap();
        globals.get_item("probe").unwrap().unwrap()
    }

    #[test]
    fn the_interpreter_of_the_tests_is_known() {
        Python::attach(|py| assert!(check(py).is_ok()));
    }

    #[test]
    fn a_field_that_holds_something_else_is_named() {
        Python::attach(|py| {
            let (one, other) = (probe(py), probe(py));
            let function = Function::new(&one).unwrap();
            assert_eq!(different_field(&function, &one).unwrap(), None);
            assert_eq!(different_field(&function, &other).unwrap(), Some("__code__"));
        });
    }

    #[test]
    fn other_implementations_and_a_missing_gil_are_refused() {
        let pypy = Facts { implementation: "pypy".into(), has_gil: true };
        assert!(pypy.objection().unwrap().contains("pypy"));
        let free_threaded = Facts { implementation: "cpython".into(), has_gil: false };
        assert!(free_threaded.objection().unwrap().contains("PYTHON_GIL=1"));
        let cpython = Facts { implementation: "cpython".into(), has_gil: true };
        assert_eq!(cpython.objection(), None);
    }
}
